// Failures of the outside, by name. Numbers of errno differ between architectures, so only names leave the host.

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weir.h"

static const struct {
  int number;
  const char *name;
} names[] = {
#define NAME(name) {name, #name}
    NAME(E2BIG),         NAME(EACCES),          NAME(EADDRINUSE),   NAME(EADDRNOTAVAIL), NAME(EAFNOSUPPORT), NAME(EAGAIN),
    NAME(EALREADY),      NAME(EBADF),           NAME(EBADMSG),      NAME(EBUSY),         NAME(ECANCELED),    NAME(ECHILD),
    NAME(ECONNABORTED),  NAME(ECONNREFUSED),    NAME(ECONNRESET),   NAME(EDEADLK),       NAME(EDESTADDRREQ), NAME(EDOM),
    NAME(EDQUOT),        NAME(EEXIST),          NAME(EFAULT),       NAME(EFBIG),         NAME(EHOSTDOWN),    NAME(EHOSTUNREACH),
    NAME(EILSEQ),        NAME(EINPROGRESS),     NAME(EINTR),        NAME(EINVAL),        NAME(EIO),          NAME(EISCONN),
    NAME(EISDIR),        NAME(ELOOP),           NAME(EMFILE),       NAME(EMLINK),        NAME(EMSGSIZE),     NAME(ENAMETOOLONG),
    NAME(ENETDOWN),      NAME(ENETRESET),       NAME(ENETUNREACH),  NAME(ENFILE),        NAME(ENOBUFS),      NAME(ENODATA),
    NAME(ENODEV),        NAME(ENOENT),          NAME(ENOEXEC),      NAME(ENOLCK),        NAME(ENOMEM),       NAME(ENOPROTOOPT),
    NAME(ENOSPC),        NAME(ENOSYS),          NAME(ENOTCONN),     NAME(ENOTDIR),       NAME(ENOTEMPTY),    NAME(ENOTSOCK),
    NAME(ENOTSUP),       NAME(ENOTTY),          NAME(ENXIO),        NAME(EOVERFLOW),     NAME(EPERM),        NAME(EPIPE),
    NAME(EPROTO),        NAME(EPROTONOSUPPORT), NAME(EPROTOTYPE),   NAME(ERANGE),        NAME(EROFS),        NAME(ESHUTDOWN),
    NAME(ESPIPE),        NAME(ESRCH),           NAME(ESTALE),       NAME(ETIMEDOUT),     NAME(ETXTBSY),      NAME(EXDEV),
#undef NAME
};

const char *errno_name(int number) {
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (names[i].number == number) return names[i].name;
  return "EUNKNOWN";
}

void fail(struct failure *failure, const char *code, const char *format, ...) {
  if (failure->code != NULL) return;
  failure->code = code;
  va_list list;
  va_start(list, format);
  vsnprintf(failure->message, sizeof failure->message, format, list);
  va_end(list);
}

void fail_errno(struct failure *failure, int number, const char *what) {
  fail(failure, errno_name(number), "%s: %s", what, strerror(number));
}

JSValue throw_failure(JSContext *ctx, const struct failure *failure) {
  JSValue error = JS_NewError(ctx);
  const int flags = JS_PROP_WRITABLE | JS_PROP_CONFIGURABLE;
  JS_DefinePropertyValueStr(ctx, error, "message", JS_NewString(ctx, failure->message), flags);
  JS_DefinePropertyValueStr(ctx, error, "code", JS_NewString(ctx, failure->code), flags);
  return JS_Throw(ctx, error);
}

JSValue throw_errno(JSContext *ctx, int number, const char *what) {
  struct failure failure = {0};
  fail_errno(&failure, number, what);
  return throw_failure(ctx, &failure);
}

void die(int status, const char *format, ...) {
  va_list list;
  va_start(list, format);
  fputs("weir: ", stderr);
  vfprintf(stderr, format, list);
  fputc('\n', stderr);
  va_end(list);
  _Exit(status);
}

void *allocate(size_t size) {
  void *memory = calloc(1, size);
  if (memory == NULL) die(EXIT_MEMORY, "out of memory: the system has no %zu bytes", size);
  return memory;
}
