// What the files of the host share. Each C file is one concern; module.c binds them to the module `weir-host`, whose contract is
// agent/host/weir-host.d.ts.
//
// Three kinds of trouble, three ways: an outside failure becomes a `struct failure` or an Error with a `code`; a wrong call from
// JavaScript throws a TypeError or RangeError; a broken invariant of the host aborts.

#ifndef WEIR_H
#define WEIR_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <quickjs.h>

/* error.c */

struct failure {
  const char *code; /* NULL: nothing failed */
  char message[240];
};

/* The first failure is the cause; later ones do not replace it. */
void fail(struct failure *failure, const char *code, const char *format, ...) __attribute__((format(printf, 3, 4)));
void fail_errno(struct failure *failure, int number, const char *what);
JSValue throw_failure(JSContext *ctx, const struct failure *failure);
JSValue throw_errno(JSContext *ctx, int number, const char *what);
const char *errno_name(int number);
_Noreturn void die(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Zeroed; the process ends when there is none. */
void *allocate(size_t size);

enum { EXIT_UNCAUGHT = 1, EXIT_UNSETTLED = 13, EXIT_USAGE = 64, EXIT_MEMORY = 70 };

/* engine.c */

struct options {
  size_t memory; /* bytes, 0: no ceiling */
  size_t stack;  /* bytes, 0: the engine's own */
  const char *entry;
  bool is_file;
  int argc;
  char **argv;
};

int run(const struct options *options);
bool has_role(const char *name);
size_t memory_used(JSContext *ctx);
/* Of what the engine read or compiled; NULL after an exception. */
JSModuleDef *module_of(JSContext *ctx, JSValue value);
void report_exception(JSContext *ctx, JSValueConst exception);
/* Runs what promises left to do. */
void run_jobs(JSContext *ctx);
/* Ends the loop before its next step. */
void stop(int status);
bool is_stopped(void);

/* loop.c */

struct interest {
  struct pollfd fds[3];
  int count;
  int64_t due; /* when `ready` is called even if no descriptor is ready */
};

struct handle;
struct kind {
  const char *name;
  void (*want)(struct handle *handle, struct interest *interest);
  /* Something may be possible now; everything is tried without blocking. */
  void (*ready)(JSContext *ctx, struct handle *handle, int64_t now);
  /* At once, on close. */
  void (*shut)(struct handle *handle);
  /* May the memory go? NULL: yes. */
  bool (*is_gone)(struct handle *handle);
  bool is_idle; /* does not keep the process going */
};
struct handle {
  const struct kind *kind;
  int64_t id;
  bool closed;
};

#define NEVER INT64_MAX

JSValue open_handle(JSContext *ctx, struct handle *handle, const struct kind *kind);
struct handle *find_handle(JSContext *ctx, JSValueConst id, const struct kind *kind);
void close_handle(struct handle *handle);
void watch(struct interest *interest, int fd, short events);
/* The values are consumed. */
void emit(JSContext *ctx, struct handle *handle, const char *event, int count, const JSValue *values);
void emit_last(JSContext *ctx, struct handle *handle, const char *event, int count, const JSValue *values);
void emit_failure(JSContext *ctx, struct handle *handle, const struct failure *failure);
int64_t now(void);
void loop(JSContext *ctx);
void free_loop(JSContext *ctx);
void expect_signal(int number);
bool take_signal(int number);
void restore_signals(void);

/* address.c */

struct address {
  struct sockaddr_storage storage;
  socklen_t length;
};
enum { ADDRESS_TEXT = 64 };
bool parse_address(const char *text, int port, struct address *address);
int format_address(const struct address *address, char text[ADDRESS_TEXT]);

/* tls.c */

struct tls;
struct tls_request {
  const char *name, *authorities, *certificate, *key;
  const uint8_t *pin; /* 32 bytes, or NULL */
};
/* What a transport answers besides a number of bytes. */
enum { AGAIN = -1, FAILED = -2 };

struct tls *tls_open(int fd, const struct tls_request *request, struct failure *failure);
void tls_free(struct tls *tls);
int tls_shake(struct tls *tls, struct failure *failure); /* 0, AGAIN or FAILED */
short tls_wants(const struct tls *tls);
bool tls_holds_bytes(const struct tls *tls);
ssize_t tls_receive(struct tls *tls, uint8_t *bytes, size_t size, struct failure *failure);
ssize_t tls_transmit(struct tls *tls, const uint8_t *bytes, size_t length, struct failure *failure);
int tls_end(struct tls *tls, struct failure *failure); /* 0, AGAIN or FAILED */

/* system.c */

void fill_random(uint8_t *bytes, size_t size);

/* module.c */

JSModuleDef *open_module(JSContext *ctx, int argc, char **argv);

struct bytes {
  const uint8_t *at;
  size_t length;
};
/* From three arguments: ArrayBuffer, offset, length. */
bool take_bytes(JSContext *ctx, JSValueConst *argv, struct bytes *bytes);
bool take_port(JSContext *ctx, JSValueConst value, int *port);
/* Freed with JS_FreeCString. NULL with an exception when the text holds a NUL, which would end it early. */
const char *take_text(JSContext *ctx, JSValueConst value);

JSCFunction host_on_event, host_close, host_start_timer, host_watch_signal;                       /* loop.c */
JSCFunction host_connect_unix, host_connect_tcp, host_connect_tls, host_write, host_end;          /* stream.c */
JSCFunction host_pause, host_resume;                                                              /* stream.c */
JSCFunction host_bind_udp, host_local_port, host_send_to;                                         /* udp.c */
JSCFunction host_open_netlink, host_send_netlink, host_split_attributes, host_pick_messages;      /* netlink.c */
JSCFunction host_read, host_replace, host_create, host_append, host_list, host_remove;            /* files.c */
JSCFunction host_make_directory, host_stat;                                                       /* files.c */
JSCFunction host_spawn;                                                                           /* spawn.c */
JSCFunction host_monotonic, host_wall, host_env, host_random, host_sha256, host_sha512, host_log; /* system.c */
JSCFunction host_print, host_ask, host_memory_used, host_memory_limit, host_exit;                 /* system.c */

#endif
