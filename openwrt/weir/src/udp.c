// Datagrams over UDP.

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

#include "weir.h"

enum { LARGEST = 65536 };

struct udp {
  struct handle handle;
  int fd;
};

static void udp_want(struct handle *handle, struct interest *interest) { watch(interest, ((struct udp *)handle)->fd, POLLIN); }

static void udp_ready(JSContext *ctx, struct handle *handle, int64_t time) {
  struct udp *udp = (struct udp *)handle;
  struct address from = {.length = sizeof from.storage};
  char text[ADDRESS_TEXT];
  uint8_t bytes[LARGEST];
  ssize_t got = recvfrom(udp->fd, bytes, sizeof bytes, 0, (struct sockaddr *)&from.storage, &from.length);
  if (got >= 0) {
    int port = format_address(&from, text);
    JSValue values[] = {JS_NewArrayBufferCopy(ctx, bytes, (size_t)got), JS_NewString(ctx, text), JS_NewInt32(ctx, port)};
    emit(ctx, handle, "received", 3, values);
  } else if (errno != EAGAIN && errno != EINTR) {
    struct failure failure = {0};
    fail_errno(&failure, errno, "datagram socket");
    emit_failure(ctx, handle, &failure);
  }
}

static void udp_shut(struct handle *handle) { close(((struct udp *)handle)->fd); }

static const struct kind udp_kind = {.name = "datagram socket", .want = udp_want, .ready = udp_ready, .shut = udp_shut};

static bool take_address(JSContext *ctx, JSValueConst *argv, struct address *address) {
  int port;
  const char *text = take_text(ctx, argv[0]);
  if (text == NULL) return false;
  bool good = take_port(ctx, argv[1], &port);
  if (good && !parse_address(text, port, address)) {
    good = false;
    throw_errno(ctx, EINVAL, text);
  }
  JS_FreeCString(ctx, text);
  return good;
}

JSValue host_bind_udp(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  struct address at;
  if (!take_address(ctx, argv, &at)) return JS_EXCEPTION;
  int fd = socket(at.storage.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return throw_errno(ctx, errno, "datagram socket");
  if (bind(fd, (struct sockaddr *)&at.storage, at.length) != 0) {
    const int number = errno;
    char text[ADDRESS_TEXT], what[ADDRESS_TEXT + 32];
    int port = format_address(&at, text);
    snprintf(what, sizeof what, "bind to %s port %d", text, port);
    close(fd);
    return throw_errno(ctx, number, what);
  }
  struct udp *udp = allocate(sizeof *udp);
  udp->fd = fd;
  return open_handle(ctx, &udp->handle, &udp_kind);
}

JSValue host_local_port(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  struct udp *udp = (struct udp *)find_handle(ctx, argv[0], &udp_kind);
  if (udp == NULL) return JS_EXCEPTION;
  struct address at = {.length = sizeof at.storage};
  char text[ADDRESS_TEXT];
  if (getsockname(udp->fd, (struct sockaddr *)&at.storage, &at.length) != 0) return throw_errno(ctx, errno, "local port");
  return JS_NewInt32(ctx, format_address(&at, text));
}

JSValue host_send_to(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  struct bytes bytes;
  struct address to;
  struct udp *udp = (struct udp *)find_handle(ctx, argv[0], &udp_kind);
  if (udp == NULL || !take_bytes(ctx, argv + 1, &bytes) || !take_address(ctx, argv + 4, &to)) return JS_EXCEPTION;
  if (sendto(udp->fd, bytes.at, bytes.length, MSG_NOSIGNAL, (struct sockaddr *)&to.storage, to.length) >= 0) return JS_UNDEFINED;
  const int number = errno;
  char text[ADDRESS_TEXT], what[ADDRESS_TEXT + 32];
  int port = format_address(&to, text);
  snprintf(what, sizeof what, "datagram to %s port %d", text, port);
  return throw_errno(ctx, number, what);
}
