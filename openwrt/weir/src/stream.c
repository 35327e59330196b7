// Streams: TCP and unix sockets, plain or under TLS. One state machine: connect, shake hands, move bytes both ways, half-close, close.

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "weir.h"

enum { HIGH_WATER = 65536, READ_SIZE = 16384, LAST_READS = 64 };

struct stream {
  struct handle handle;
  int fd;
  enum { CONNECTING, SHAKING, OPEN } phase;
  struct tls *tls;
  struct failure failure; /* then `closed` is all that is left to say */
  bool paused;
  bool ended;   /* the peer sends nothing more */
  bool ending;  /* we were told to send nothing more */
  bool shut;    /* and have said so */
  bool waiting; /* for `drained` */
  uint8_t *queue;
  size_t first, length, room;
  char name[160];
};

static void stream_shut(struct handle *handle) {
  struct stream *s = (struct stream *)handle;
  tls_free(s->tls);
  free(s->queue);
  if (s->fd >= 0) close(s->fd);
}

/* The queue */

static void enqueue(struct stream *s, const uint8_t *bytes, size_t length) {
  if (s->first > 0 && s->first + s->length + length > s->room) {
    memmove(s->queue, s->queue + s->first, s->length);
    s->first = 0;
  }
  if (s->length + length > s->room) {
    size_t room = s->room * 2 > s->length + length ? s->room * 2 : s->length + length;
    s->queue = realloc(s->queue, room);
    if (s->queue == NULL) die(EXIT_MEMORY, "out of memory: the system has no %zu bytes for %s", room, s->name);
    s->room = room;
  }
  memcpy(s->queue + s->first + s->length, bytes, length);
  s->length += length;
}

static void dequeue(struct stream *s, size_t length) {
  s->first += length;
  s->length -= length;
  if (s->length > 0) return;
  free(s->queue);
  s->queue = NULL;
  s->first = s->room = 0;
}

/* The transport */

static ssize_t receive(struct stream *s, uint8_t *bytes, size_t size) {
  if (s->tls != NULL) return tls_receive(s->tls, bytes, size, &s->failure);
  ssize_t got = recv(s->fd, bytes, size, 0);
  if (got >= 0) return got;
  if (errno == EAGAIN || errno == EINTR) return AGAIN;
  fail_errno(&s->failure, errno, s->name);
  return FAILED;
}

/* How many bytes went out; fewer than `length` when the socket takes no more or has failed. */
static size_t transmit(struct stream *s, const uint8_t *bytes, size_t length) {
  size_t sent = 0;
  while (sent < length) {
    ssize_t went = s->tls != NULL ? tls_transmit(s->tls, bytes + sent, length - sent, &s->failure)
                                  : send(s->fd, bytes + sent, length - sent, MSG_NOSIGNAL);
    if (went >= 0) sent += (size_t)went;
    else if (s->tls == NULL && errno == EINTR) continue;
    else {
      if (s->tls == NULL && errno != EAGAIN) fail_errno(&s->failure, errno, s->name);
      break;
    }
  }
  return sent;
}

static void half_close(struct stream *s) {
  if (s->tls != NULL && tls_end(s->tls, &s->failure) != 0) return;
  /* A peer that is gone already (ENOTCONN) needs no word that we are done. */
  if (shutdown(s->fd, SHUT_WR) != 0 && errno != ENOTCONN) fail_errno(&s->failure, errno, s->name);
  s->shut = true;
}

static void finish_connect(struct stream *s) {
  struct sockaddr_storage peer;
  socklen_t length = sizeof peer;
  char byte;
  if (getpeername(s->fd, (struct sockaddr *)&peer, &length) == 0) {
    s->phase = s->tls != NULL ? SHAKING : OPEN;
    return;
  }
  /* Not connected: reading says why, or EAGAIN while it may still become. An end or bytes are of a connection that was there and was
     reset before we looked. */
  const ssize_t got = recv(s->fd, &byte, 1, MSG_PEEK);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  fail_errno(&s->failure, got < 0 ? errno : ECONNRESET, s->name);
}

/* The machine */

static void stream_want(struct handle *handle, struct interest *interest) {
  const struct stream *s = (const struct stream *)handle;
  if (s->failure.code != NULL) {
    interest->due = 0;
    return;
  }
  const bool reads = s->phase == OPEN && !s->paused && !s->ended;
  const bool writes = s->phase == OPEN && (s->length > 0 || s->waiting || (s->ending && !s->shut));
  if (s->phase == CONNECTING) watch(interest, s->fd, POLLOUT);
  else if (s->phase == SHAKING) watch(interest, s->fd, tls_wants(s->tls));
  /* Without either the descriptor is not watched at all: a hang-up would be reported for ever. */
  else watch(interest, s->fd, (short)((reads ? POLLIN : 0) | (writes ? POLLOUT : 0)));
  if (reads && s->tls != NULL && tls_holds_bytes(s->tls)) interest->due = 0;
}

/* One reading. False: nothing to read now, or no more ever. */
static bool take(JSContext *ctx, struct stream *s) {
  if (s->handle.closed || s->paused || s->ended) return false;
  uint8_t bytes[READ_SIZE];
  ssize_t got = receive(s, bytes, sizeof bytes);
  if (got < 0) return false;
  if (got > 0) {
    emit(ctx, &s->handle, "received", 1, (JSValue[]){JS_NewArrayBufferCopy(ctx, bytes, (size_t)got)});
    return true;
  }
  /* After a reset the next reading looks like an end. */
  if (s->failure.code != NULL) return false;
  s->ended = true;
  emit(ctx, &s->handle, "ended", 0, NULL);
  return false;
}

static void stream_ready(JSContext *ctx, struct handle *handle, int64_t time) {
  struct stream *s = (struct stream *)handle;
  if (s->failure.code == NULL && s->phase != OPEN) {
    if (s->phase == CONNECTING) finish_connect(s);
    if (s->phase == SHAKING && tls_shake(s->tls, &s->failure) == 0) s->phase = OPEN;
    if (s->phase == OPEN) emit(ctx, handle, "opened", 0, NULL);
  }
  if (handle->closed) return;
  if (s->phase == OPEN) {
    take(ctx, s);
    if (handle->closed) return;
    if (s->failure.code == NULL && s->length > 0) dequeue(s, transmit(s, s->queue + s->first, s->length));
    if (s->failure.code == NULL && s->length == 0 && s->ending && !s->shut) half_close(s);
    if (s->failure.code == NULL && s->length == 0 && s->waiting) {
      s->waiting = false;
      emit(ctx, handle, "drained", 0, NULL);
      if (handle->closed) return;
    }
  }
  if (s->failure.code != NULL && s->phase == OPEN) {
    /* What the peer said before it went away is worth hearing: the reason, often. */
    for (int i = 0; i < LAST_READS && take(ctx, s); i++) continue;
    if (handle->closed) return;
  }
  if (s->failure.code != NULL || (s->ended && s->shut)) emit_failure(ctx, handle, &s->failure);
}

static const struct kind stream_kind = {.name = "stream", .want = stream_want, .ready = stream_ready, .shut = stream_shut};

/* Calls */

static struct stream *connect_stream(const struct sockaddr *address, socklen_t length, const char *name) {
  struct stream *s = allocate(sizeof *s);
  snprintf(s->name, sizeof s->name, "%s", name);
  s->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (s->fd < 0) {
    fail_errno(&s->failure, errno, s->name);
    return s;
  }
  if (address->sa_family != AF_UNIX) {
    const int on = 1;
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  if (connect(s->fd, address, length) != 0 && errno != EINPROGRESS && errno != EINTR) fail_errno(&s->failure, errno, s->name);
  return s;
}

static struct stream *connect_tcp(JSContext *ctx, JSValueConst *argv) {
  int port;
  const char *text = take_text(ctx, argv[0]);
  if (text == NULL) return NULL;
  struct stream *s = NULL;
  if (take_port(ctx, argv[1], &port)) {
    char name[128];
    struct address address;
    snprintf(name, sizeof name, "connection to %s port %d", text, port);
    if (parse_address(text, port, &address)) {
      s = connect_stream((struct sockaddr *)&address.storage, address.length, name);
    } else {
      s = allocate(sizeof *s);
      s->fd = -1;
      fail(&s->failure, "EINVAL", "%s: not an address", name);
    }
  }
  JS_FreeCString(ctx, text);
  return s;
}

static JSValue open_stream(JSContext *ctx, struct stream *s) {
  return s == NULL ? JS_EXCEPTION : open_handle(ctx, &s->handle, &stream_kind);
}

JSValue host_connect_unix(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  const char *path = take_text(ctx, argv[0]);
  if (path == NULL) return JS_EXCEPTION;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  struct stream *s;
  if (strlen(path) < sizeof address.sun_path) {
    strcpy(address.sun_path, path);
    s = connect_stream((struct sockaddr *)&address, sizeof address, path);
  } else {
    s = allocate(sizeof *s);
    s->fd = -1;
    fail_errno(&s->failure, ENAMETOOLONG, path);
  }
  JS_FreeCString(ctx, path);
  return open_stream(ctx, s);
}

JSValue host_connect_tcp(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  return open_stream(ctx, connect_tcp(ctx, argv));
}

JSValue host_connect_tls(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  size_t pin_length;
  const uint8_t *pin = JS_GetArrayBuffer(ctx, &pin_length, argv[4]);
  if (pin == NULL && JS_HasException(ctx)) return JS_EXCEPTION;
  if (pin_length != 0 && pin_length != 32) return JS_ThrowRangeError(ctx, "a pin is 32 bytes, not %zu", pin_length);
  const char *text[4] = {take_text(ctx, argv[2]), take_text(ctx, argv[3]), take_text(ctx, argv[5]), take_text(ctx, argv[6])};
  struct stream *s = NULL;
  if (text[0] != NULL && text[1] != NULL && text[2] != NULL && text[3] != NULL) {
    s = connect_tcp(ctx, argv);
    struct tls_request request = {text[0], text[1], text[2], text[3], pin_length == 0 ? NULL : pin};
    if (s != NULL && s->failure.code == NULL) s->tls = tls_open(s->fd, &request, &s->failure);
  }
  for (int i = 0; i < 4; i++) JS_FreeCString(ctx, text[i]);
  return open_stream(ctx, s);
}

JSValue host_write(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  struct bytes bytes;
  struct stream *s = (struct stream *)find_handle(ctx, argv[0], &stream_kind);
  if (s == NULL || !take_bytes(ctx, argv + 1, &bytes)) return JS_EXCEPTION;
  if (s->ending) return JS_ThrowTypeError(ctx, "write to %s after end", s->name);
  size_t sent = 0;
  if (s->phase == OPEN && s->length == 0 && s->failure.code == NULL) sent = transmit(s, bytes.at, bytes.length);
  if (sent < bytes.length) enqueue(s, bytes.at + sent, bytes.length - sent);
  if (s->length >= HIGH_WATER) s->waiting = true;
  return JS_NewBool(ctx, s->length < HIGH_WATER);
}

JSValue host_end(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  struct stream *s = (struct stream *)find_handle(ctx, argv[0], &stream_kind);
  if (s == NULL) return JS_EXCEPTION;
  s->ending = true;
  return JS_UNDEFINED;
}

static JSValue set_paused(JSContext *ctx, JSValueConst id, bool paused) {
  struct stream *s = (struct stream *)find_handle(ctx, id, &stream_kind);
  if (s == NULL) return JS_EXCEPTION;
  s->paused = paused;
  return JS_UNDEFINED;
}

JSValue host_pause(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) { return set_paused(ctx, argv[0], true); }

JSValue host_resume(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) { return set_paused(ctx, argv[0], false); }
