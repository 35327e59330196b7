// Netlink sockets, and the splitting of attributes, which is what a dump costs in an engine. Knows no message.

#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "weir.h"

#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif

/* The kernel fills up to 32 KiB when it sees that we take as much. */
enum { LARGEST = 65536, KERNEL_BUFFER = 1 << 20 };

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

JSValue host_split_attributes(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  size_t size;
  const uint8_t *bytes = JS_GetArrayBuffer(ctx, &size, argv[0]);
  if (bytes == NULL && JS_HasException(ctx)) return JS_EXCEPTION;
  int64_t offset, end;
  if (JS_ToInt64(ctx, &offset, argv[1]) != 0 || JS_ToInt64(ctx, &end, argv[2]) != 0) return JS_EXCEPTION;
  if (offset < 0 || end < offset || (uint64_t)end > size) return JS_ThrowRangeError(ctx, "no bytes from %lld to %lld", (long long)offset, (long long)end);
  /* An attribute has a header of 4 bytes at least. */
  int32_t *triples = allocate(((size_t)(end - offset) / 4 + 1) * 3 * sizeof *triples);
  size_t count = 0;
  while (offset < end) {
    struct nlattr attribute;
    if (end - offset < (int64_t)sizeof attribute) break;
    memcpy(&attribute, bytes + offset, sizeof attribute);
    if (attribute.nla_len < sizeof attribute || attribute.nla_len > end - offset) break;
    triples[count++] = attribute.nla_type & NLA_TYPE_MASK;
    triples[count++] = (int32_t)offset + (int32_t)sizeof attribute;
    triples[count++] = (int32_t)offset + attribute.nla_len;
    /* The last one may lack its padding. */
    offset += NLA_ALIGN(attribute.nla_len);
  }
  JSValue result = offset < end ? JS_NULL : JS_NewArrayBufferCopy(ctx, (uint8_t *)triples, count * sizeof *triples);
  free(triples);
  return result;
}
