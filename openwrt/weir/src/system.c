// Clocks, randomness, digests, environment, input, output.

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <mbedtls/sha256.h>
#include <mbedtls/sha512.h>

#include "weir.h"

JSValue host_monotonic(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) { return JS_NewInt64(ctx, now() / 1000000); }

JSValue host_wall(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  struct timespec time;
  if (clock_gettime(CLOCK_REALTIME, &time) != 0) abort();
  return JS_NewInt64(ctx, (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000);
}

void fill_random(uint8_t *bytes, size_t size) {
  while (size > 0) {
    ssize_t got = getrandom(bytes, size, 0);
    if (got > 0) {
      bytes += got;
      size -= (size_t)got;
    } else if (errno != EINTR) {
      abort();
    }
  }
}

JSValue host_random(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  int64_t size;
  if (JS_ToInt64(ctx, &size, argv[0]) != 0) return JS_EXCEPTION;
  if (size < 0 || size > 65536) return JS_ThrowRangeError(ctx, "random wants a size up to 65536");
  uint8_t *bytes = allocate((size_t)size + 1);
  fill_random(bytes, (size_t)size);
  JSValue result = JS_NewArrayBufferCopy(ctx, bytes, (size_t)size);
  free(bytes);
  return result;
}

JSValue host_sha256(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  struct bytes bytes;
  uint8_t digest[32];
  if (!take_bytes(ctx, argv, &bytes)) return JS_EXCEPTION;
  if (mbedtls_sha256(bytes.at, bytes.length, digest, 0) != 0) abort();
  return JS_NewArrayBufferCopy(ctx, digest, sizeof digest);
}

JSValue host_sha512(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  struct bytes bytes;
  uint8_t digest[64];
  if (!take_bytes(ctx, argv, &bytes)) return JS_EXCEPTION;
  if (mbedtls_sha512(bytes.at, bytes.length, digest, 0) != 0) abort();
  return JS_NewArrayBufferCopy(ctx, digest, sizeof digest);
}

JSValue host_env(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  const char *name = take_text(ctx, argv[0]);
  if (name == NULL) return JS_EXCEPTION;
  const char *value = getenv(name);
  JS_FreeCString(ctx, name);
  return value == NULL ? JS_NULL : JS_NewString(ctx, value);
}

static bool put(int fd, const char *bytes, size_t length) {
  while (length > 0) {
    ssize_t went = write(fd, bytes, length);
    if (went >= 0) {
      bytes += went;
      length -= (size_t)went;
    } else if (errno == EAGAIN) {
      /* Whoever gave us the descriptor made it non-blocking. */
      poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

JSValue host_log(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  size_t length;
  const char *line = JS_ToCStringLen(ctx, &length, argv[0]);
  if (line == NULL) return JS_EXCEPTION;
  char *whole = allocate(length + 1);
  memcpy(whole, line, length);
  whole[length] = '\n';
  /* In one write, so that lines of several processes do not mix. With nobody to read there is nobody to tell either. */
  put(STDERR_FILENO, whole, length + 1);
  free(whole);
  JS_FreeCString(ctx, line);
  return JS_UNDEFINED;
}

JSValue host_print(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  size_t length;
  const char *text = JS_ToCStringLen(ctx, &length, argv[0]);
  if (text == NULL) return JS_EXCEPTION;
  const bool good = put(STDOUT_FILENO, text, length);
  const int number = errno;
  JS_FreeCString(ctx, text);
  /* Who reads has read enough. Other writes have to fail, so the signal that would end us here is ignored. */
  if (!good && number == EPIPE) _exit(128 + SIGPIPE);
  return good ? JS_UNDEFINED : throw_errno(ctx, number, "stdout");
}

static volatile sig_atomic_t interrupted;
static void interrupt(int number) { interrupted = number; }

/* One line of the standard input, not shown where that is a terminal. It is waited for, and everything else waits, too. */
JSValue host_ask(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  static const int ends[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
  enum { COUNT = sizeof ends / sizeof *ends };
  size_t prompt_length;
  const char *prompt = JS_ToCStringLen(ctx, &prompt_length, argv[0]);
  if (prompt == NULL) return JS_EXCEPTION;
  struct termios shown, hidden;
  struct sigaction before[COUNT], action = {.sa_handler = interrupt};
  const bool is_terminal = tcgetattr(STDIN_FILENO, &shown) == 0;
  if (is_terminal) {
    /* Whoever interrupts us must find a terminal that shows again what is typed. */
    interrupted = 0;
    for (int i = 0; i < COUNT; i++) sigaction(ends[i], &action, before + i);
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    put(STDERR_FILENO, prompt, prompt_length);
  }
  JS_FreeCString(ctx, prompt);
  char line[1024];
  size_t length = 0;
  ssize_t got = 0;
  while (length < sizeof line && (got = read(STDIN_FILENO, line + length, 1)) == 1 && line[length] != '\n') length++;
  const int number = got < 0 ? errno : length == sizeof line ? EMSGSIZE : 0;
  if (is_terminal) {
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    put(STDERR_FILENO, "\n", 1);
    for (int i = 0; i < COUNT; i++) sigaction(ends[i], before + i, NULL);
    if (interrupted != 0) raise(interrupted);
  }
  JSValue text = number == 0 ? JS_NewStringLen(ctx, line, length) : throw_errno(ctx, number, "stdin");
  explicit_bzero(line, sizeof line);
  return text;
}
