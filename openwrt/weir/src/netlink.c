// Netlink sockets, and the walk through attributes, which is what a dump costs in an engine. Knows no message.

#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "weir.h"

#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif

/* The kernel fills as much of a dump as it sees that we take, up to 32 KiB, all of which would stay in the stack and, for a while, in the
   heap. No single message that we ask for comes near it. */
enum { LARGEST = 16384, KERNEL_BUFFER = 1 << 20 };

struct netlink {
  struct handle handle;
  int fd;
};

static void netlink_want(struct handle *handle, struct interest *interest) { watch(interest, ((struct netlink *)handle)->fd, POLLIN); }

static void netlink_ready(JSContext *ctx, struct handle *handle, int64_t time) {
  uint8_t bytes[LARGEST];
  struct sockaddr_nl from = {0};
  struct iovec vector = {bytes, sizeof bytes};
  struct msghdr message = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &vector, .msg_iovlen = 1};
  ssize_t got = recvmsg(((struct netlink *)handle)->fd, &message, 0);
  if (got >= 0) {
    /* Any process may send to our port; only what comes from the kernel, port 0, counts. */
    if (from.nl_pid != 0) return;
    if (message.msg_flags & MSG_TRUNC) emit(ctx, handle, "overrun", 0, NULL);
    else emit(ctx, handle, "received", 1, (JSValue[]){JS_NewArrayBufferCopy(ctx, bytes, (size_t)got)});
  } else if (errno == ENOBUFS) {
    emit(ctx, handle, "overrun", 0, NULL);
  } else if (errno != EAGAIN && errno != EINTR) {
    struct failure failure = {0};
    fail_errno(&failure, errno, "netlink");
    emit_failure(ctx, handle, &failure);
  }
}

static void netlink_shut(struct handle *handle) { close(((struct netlink *)handle)->fd); }

static const struct kind netlink_kind = {.name = "netlink socket", .want = netlink_want, .ready = netlink_ready, .shut = netlink_shut};

static bool join(int fd, const char *groups) {
  while (*groups != '\0') {
    char *end;
    int group = (int)strtol(groups, &end, 10);
    if (end == groups || (*end != ',' && *end != '\0')) {
      errno = EINVAL;
      return false;
    }
    if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0) return false;
    groups = *end == ',' ? end + 1 : end;
  }
  return true;
}

JSValue host_open_netlink(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  int32_t protocol;
  const char *groups = take_text(ctx, argv[1]);
  if (groups == NULL || JS_ToInt32(ctx, &protocol, argv[0]) != 0) {
    JS_FreeCString(ctx, groups);
    return JS_EXCEPTION;
  }
  const int on = 1, size = KERNEL_BUFFER;
  struct sockaddr_nl address = {.nl_family = AF_NETLINK};
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
  bool good = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && join(fd, groups);
  const int number = errno;
  JS_FreeCString(ctx, groups);
  if (!good) {
    if (fd >= 0) close(fd);
    return throw_errno(ctx, number, "netlink");
  }
  /* Comforts: without CAP_NET_ADMIN the buffer stays as it is, and a kernel before 4.12 explains no errors. */
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  struct netlink *netlink = allocate(sizeof *netlink);
  netlink->fd = fd;
  return open_handle(ctx, &netlink->handle, &netlink_kind);
}

JSValue host_send_netlink(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  struct bytes bytes;
  struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  struct netlink *netlink = (struct netlink *)find_handle(ctx, argv[0], &netlink_kind);
  if (netlink == NULL || !take_bytes(ctx, argv + 1, &bytes)) return JS_EXCEPTION;
  if (sendto(netlink->fd, bytes.at, bytes.length, 0, (struct sockaddr *)&kernel, sizeof kernel) < 0) return throw_errno(ctx, errno, "netlink");
  return JS_UNDEFINED;
}

/* A list of attributes as far as it was walked. */
struct walk {
  const uint8_t *bytes;
  int64_t at, end;
};

/* One of them; false at the end, and where a length does not fit, which is then not at the end. */
static bool step(struct walk *walk, int *type, struct walk *value) {
  struct nlattr attribute;
  if (walk->end - walk->at < (int64_t)sizeof attribute) return false;
  memcpy(&attribute, walk->bytes + walk->at, sizeof attribute);
  if (attribute.nla_len < sizeof attribute || attribute.nla_len > walk->end - walk->at) return false;
  *type = attribute.nla_type & NLA_TYPE_MASK;
  *value = (struct walk){walk->bytes, walk->at + (int64_t)sizeof attribute, walk->at + attribute.nla_len};
  /* The last one may lack its padding. */
  walk->at += NLA_ALIGN(attribute.nla_len);
  return true;
}

static bool take_walk(JSContext *ctx, JSValueConst *argv, struct walk *walk) {
  size_t size;
  walk->bytes = JS_GetArrayBuffer(ctx, &size, argv[0]);
  if (walk->bytes == NULL && JS_HasException(ctx)) return false;
  if (JS_ToInt64(ctx, &walk->at, argv[1]) != 0 || JS_ToInt64(ctx, &walk->end, argv[2]) != 0) return false;
  if (walk->at >= 0 && walk->end >= walk->at && (uint64_t)walk->end <= size) return true;
  JS_ThrowRangeError(ctx, "no bytes from %lld to %lld", (long long)walk->at, (long long)walk->end);
  return false;
}

JSValue host_split_attributes(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  struct walk walk, value;
  if (!take_walk(ctx, argv, &walk)) return JS_EXCEPTION;
  /* An attribute has a header of 4 bytes at least. */
  int32_t *triples = allocate(((size_t)(walk.end - walk.at) / 4 + 1) * 3 * sizeof *triples);
  size_t count = 0;
  for (int type; step(&walk, &type, &value);) {
    triples[count++] = type;
    triples[count++] = (int32_t)value.at;
    triples[count++] = (int32_t)value.end;
  }
  JSValue result = walk.at < walk.end ? JS_NULL : JS_NewArrayBufferCopy(ctx, (uint8_t *)triples, count * sizeof *triples);
  free(triples);
  return result;
}

enum { MOST_PATHS = 16 };

struct paths {
  int32_t all[MOST_PATHS];
  size_t count;
};

static bool take_paths(JSContext *ctx, JSValueConst value, struct paths *paths) {
  size_t size;
  const uint8_t *bytes = JS_GetArrayBuffer(ctx, &size, value);
  if (bytes == NULL && JS_HasException(ctx)) return false;
  paths->count = size / sizeof *paths->all;
  if (size > sizeof paths->all) {
    JS_ThrowRangeError(ctx, "at most %d paths", MOST_PATHS);
    return false;
  }
  if (size > 0) memcpy(paths->all, bytes, size);
  return true;
}

static void note(const struct paths *paths, int path, struct walk value, int32_t *found) {
  for (size_t i = 0; i < paths->count; i++)
    if (paths->all[i] == path) found[2 * i] = (int32_t)value.at, found[2 * i + 1] = (int32_t)value.end;
}

static bool is_nest(const struct paths *paths, int type) {
  for (size_t i = 0; i < paths->count; i++)
    if (paths->all[i] > 0xffff && (paths->all[i] & 0xffff) == type) return true;
  return false;
}

/* False where a length does not fit. */
static bool pick(struct walk walk, const struct paths *paths, int32_t *found) {
  struct walk value, inner;
  memset(found, 0xff, 2 * paths->count * sizeof *found);
  for (int type, under; step(&walk, &type, &value);) {
    note(paths, type, value, found);
    if (!is_nest(paths, type)) continue;
    while (step(&value, &under, &inner)) note(paths, under << 16 | type, inner, found);
    if (value.at < value.end) return false;
  }
  return walk.at >= walk.end;
}

JSValue host_pick_messages(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  struct walk run;
  struct paths paths;
  struct nlmsghdr first = {0}, header;
  uint32_t head;
  if (!take_walk(ctx, argv, &run) || JS_ToUint32(ctx, &head, argv[3]) != 0 || !take_paths(ctx, argv[4], &paths)) return JS_EXCEPTION;
  const int64_t begin = run.at, least = (int64_t)sizeof header + head;
  /* No message is shorter than its headers, and behind the rows there is one number more. */
  int32_t *rows = allocate(((size_t)((run.end - run.at) / least) * 2 * paths.count + 1) * sizeof *rows);
  size_t count = 0;
  bool good = true;
  while (run.end - run.at >= (int64_t)sizeof header) {
    memcpy(&header, run.bytes + run.at, sizeof header);
    if (run.at == begin) first = header;
    if (header.nlmsg_type != first.nlmsg_type || header.nlmsg_flags != first.nlmsg_flags || header.nlmsg_seq != first.nlmsg_seq) break;
    good = header.nlmsg_len >= least && header.nlmsg_len <= run.end - run.at &&
           pick((struct walk){run.bytes, run.at + least, run.at + header.nlmsg_len}, &paths, rows + count);
    if (!good) break;
    count += 2 * paths.count;
    run.at += NLMSG_ALIGN(header.nlmsg_len);
  }
  rows[count++] = (int32_t)(run.at < run.end ? run.at : run.end);
  JSValue result = good ? JS_NewArrayBufferCopy(ctx, (uint8_t *)rows, count * sizeof *rows) : JS_NULL;
  free(rows);
  return result;
}
