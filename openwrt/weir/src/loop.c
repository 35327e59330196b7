// Handles, timers, signals and the loop that waits for all of them with one ppoll. Knows no socket: a kind says what it waits for.

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "weir.h"

static struct {
  /* Ordered by id, which only grows: an id is never used again. */
  struct handle **handles;
  size_t count, room;
  int64_t last_id;
  JSValue handler;
  bool has_handler;
  sigset_t expected;
} state;

static volatile sig_atomic_t arrived[NSIG];

int64_t now(void) {
  struct timespec time;
  /* Boot time goes on while the machine sleeps. */
  if (clock_gettime(CLOCK_BOOTTIME, &time) != 0) abort();
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

JSValue open_handle(JSContext *ctx, struct handle *handle, const struct kind *kind) {
  if (state.count == state.room) {
    state.room = state.room == 0 ? 16 : state.room * 2;
    state.handles = realloc(state.handles, state.room * sizeof *state.handles);
    if (state.handles == NULL) die(EXIT_MEMORY, "out of memory: the system has no room for handles");
  }
  handle->kind = kind;
  handle->id = ++state.last_id;
  state.handles[state.count++] = handle;
  return JS_NewInt64(ctx, handle->id);
}

static struct handle *look_up(int64_t id) {
  size_t low = 0, high = state.count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (state.handles[middle]->id < id) low = middle + 1;
    else high = middle;
  }
  return low < state.count && state.handles[low]->id == id && !state.handles[low]->closed ? state.handles[low] : NULL;
}

struct handle *find_handle(JSContext *ctx, JSValueConst value, const struct kind *kind) {
  int64_t id;
  if (JS_ToInt64(ctx, &id, value) != 0) return NULL;
  struct handle *handle = look_up(id);
  if (handle != NULL && handle->kind == kind) return handle;
  JS_ThrowTypeError(ctx, "handle %lld is no open %s", (long long)id, kind->name);
  return NULL;
}

void close_handle(struct handle *handle) {
  if (handle->closed) return;
  handle->closed = true;
  if (handle->kind->shut != NULL) handle->kind->shut(handle);
}

JSValue host_close(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  int64_t id;
  if (JS_ToInt64(ctx, &id, argv[0]) != 0) return JS_EXCEPTION;
  struct handle *handle = look_up(id);
  if (handle != NULL) close_handle(handle);
  return JS_UNDEFINED;
}

/* Memory goes between turns only, so a kind may look at its handle after `emit`, in which it may have been closed. */
static void sweep(bool all) {
  size_t kept = 0;
  for (size_t i = 0; i < state.count; i++) {
    struct handle *handle = state.handles[i];
    if (all || (handle->closed && (handle->kind->is_gone == NULL || handle->kind->is_gone(handle)))) free(handle);
    else state.handles[kept++] = handle;
  }
  state.count = kept;
}

void watch(struct interest *interest, int fd, short events) {
  assert(interest->count < 3);
  if (events != 0) interest->fds[interest->count++] = (struct pollfd){.fd = fd, .events = events};
}

/* Events */

JSValue host_on_event(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  if (!JS_IsFunction(ctx, argv[0])) return JS_ThrowTypeError(ctx, "onEvent wants a function");
  if (state.has_handler) JS_FreeValue(ctx, state.handler);
  state.handler = JS_DupValue(ctx, argv[0]);
  state.has_handler = true;
  return JS_UNDEFINED;
}

static void call_handler(JSContext *ctx, int64_t id, const char *event, int count, const JSValue *values) {
  JSValue argv[6] = {JS_NewInt64(ctx, id), JS_NewString(ctx, event)};
  assert(count <= 4);
  if (count > 0) memcpy(argv + 2, values, (size_t)count * sizeof *values);
  if (!is_stopped()) {
    if (!state.has_handler) die(EXIT_UNCAUGHT, "%s for a handle, but nobody called onEvent", event);
    JSValue handler = JS_DupValue(ctx, state.handler);
    /* Buffers of the host are no part of the engine's stack. */
    JS_UpdateStackTop(JS_GetRuntime(ctx));
    JSValue result = JS_Call(ctx, handler, JS_UNDEFINED, count + 2, argv);
    JS_FreeValue(ctx, handler);
    if (JS_IsException(result)) {
      JSValue exception = JS_GetException(ctx);
      if (!is_stopped()) report_exception(ctx, exception);
      JS_FreeValue(ctx, exception);
    }
    JS_FreeValue(ctx, result);
  }
  for (int i = 0; i < count + 2; i++) JS_FreeValue(ctx, argv[i]);
  run_jobs(ctx);
}

void emit(JSContext *ctx, struct handle *handle, const char *event, int count, const JSValue *values) {
  assert(!handle->closed);
  call_handler(ctx, handle->id, event, count, values);
}

void emit_last(JSContext *ctx, struct handle *handle, const char *event, int count, const JSValue *values) {
  assert(!handle->closed);
  close_handle(handle);
  call_handler(ctx, handle->id, event, count, values);
}

void emit_failure(JSContext *ctx, struct handle *handle, const struct failure *failure) {
  const char *code = failure->code == NULL ? "" : failure->code;
  emit_last(ctx, handle, "closed", 2, (JSValue[]){JS_NewString(ctx, code), JS_NewString(ctx, failure->message)});
}

/* Timers */

struct timer {
  struct handle handle;
  int64_t due;
};

static void timer_want(struct handle *handle, struct interest *interest) { interest->due = ((struct timer *)handle)->due; }

static void timer_ready(JSContext *ctx, struct handle *handle, int64_t time) { emit_last(ctx, handle, "fired", 0, NULL); }

static const struct kind timer_kind = {.name = "timer", .want = timer_want, .ready = timer_ready};

JSValue host_start_timer(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  double delay;
  if (JS_ToFloat64(ctx, &delay, argv[0]) != 0) return JS_EXCEPTION;
  if (isnan(delay)) return JS_ThrowTypeError(ctx, "a delay in milliseconds is a number");
  struct timer *timer = allocate(sizeof *timer);
  /* A year of 366 days is as good as never, and far from overflow. */
  timer->due = now() + (int64_t)(fmin(fmax(delay, 0), 366.0 * 86400e3) * 1e6);
  return open_handle(ctx, &timer->handle, &timer_kind);
}

/* Signals: blocked except inside ppoll, so that none is missed between a look and the wait. */

static void note_signal(int number) { arrived[number] = 1; }

void expect_signal(int number) {
  if (sigismember(&state.expected, number)) return;
  sigaddset(&state.expected, number);
  if (sigprocmask(SIG_BLOCK, &state.expected, NULL) != 0) abort();
  struct sigaction action = {.sa_handler = note_signal};
  if (sigaction(number, &action, NULL) != 0) abort();
}

bool take_signal(int number) {
  if (!arrived[number]) return false;
  arrived[number] = 0;
  return true;
}

/* In a child: handlers go with exec, masks and ignored signals would stay. */
void restore_signals(void) {
  sigset_t none;
  sigemptyset(&none);
  signal(SIGPIPE, SIG_DFL);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

struct watched_signal {
  struct handle handle;
  int number;
};

static void signal_want(struct handle *handle, struct interest *interest) {
  if (arrived[((struct watched_signal *)handle)->number]) interest->due = 0;
}

static void signal_ready(JSContext *ctx, struct handle *handle, int64_t time) {
  if (take_signal(((struct watched_signal *)handle)->number)) emit(ctx, handle, "signalled", 0, NULL);
}

/* A process that only waits for signals has nothing left to do. */
static const struct kind signal_kind = {.name = "signal", .want = signal_want, .ready = signal_ready, .is_idle = true};

JSValue host_watch_signal(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  static const struct {
    const char *name;
    int number;
  } known[] = {{"SIGTERM", SIGTERM}, {"SIGINT", SIGINT}, {"SIGHUP", SIGHUP}, {"SIGUSR1", SIGUSR1}};
  const char *name = take_text(ctx, argv[0]);
  if (name == NULL) return JS_EXCEPTION;
  int number = 0;
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strcmp(known[i].name, name) == 0) number = known[i].number;
  JS_FreeCString(ctx, name);
  if (number == 0) return JS_ThrowTypeError(ctx, "no signal to watch");
  expect_signal(number);
  struct watched_signal *watched = allocate(sizeof *watched);
  watched->number = number;
  return open_handle(ctx, &watched->handle, &signal_kind);
}

/* The loop */

struct turn {
  int64_t id;
  int64_t due;
  size_t first;
  int count;
};

static int by_due(const void *a, const void *b) {
  const struct turn *x = a, *y = b;
  if (x->due != y->due) return x->due < y->due ? -1 : 1;
  return x->id < y->id ? -1 : 1;
}

static bool is_alive(void) {
  for (size_t i = 0; i < state.count; i++)
    if (!state.handles[i]->closed && !state.handles[i]->kind->is_idle) return true;
  return false;
}

static void wait(struct pollfd *fds, size_t count, int64_t due) {
  struct timespec pause = {0};
  int64_t left = due == NEVER ? 0 : due - now();
  if (left > 0) pause = (struct timespec){.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
  sigset_t open;
  if (sigprocmask(SIG_BLOCK, NULL, &open) != 0) abort();
  for (int number = 1; number < NSIG; number++)
    if (sigismember(&state.expected, number) == 1) sigdelset(&open, number);
  if (ppoll(fds, count, due == NEVER ? NULL : &pause, &open) >= 0) return;
  if (errno != EINTR) die(EXIT_UNCAUGHT, "ppoll: %s", strerror(errno));
  for (size_t i = 0; i < count; i++) fds[i].revents = 0;
}

static void turn(JSContext *ctx) {
  size_t count = 0, ready = 0, watched = 0;
  int64_t first_due = NEVER;
  struct turn *turns = allocate(state.count * sizeof *turns);
  struct pollfd *fds = allocate(state.count * 3 * sizeof *fds);
  for (size_t i = 0; i < state.count; i++) {
    struct handle *handle = state.handles[i];
    if (handle->closed) continue;
    struct interest interest = {.due = NEVER};
    handle->kind->want(handle, &interest);
    turns[count++] = (struct turn){.id = handle->id, .due = interest.due, .first = watched, .count = interest.count};
    memcpy(fds + watched, interest.fds, (size_t)interest.count * sizeof *fds);
    watched += (size_t)interest.count;
    if (interest.due < first_due) first_due = interest.due;
  }
  wait(fds, watched, first_due);
  int64_t time = now();
  for (size_t i = 0; i < count; i++) {
    bool is_ready = turns[i].due <= time;
    for (int k = 0; k < turns[i].count; k++)
      if (fds[turns[i].first + (size_t)k].revents != 0) is_ready = true;
    /* A signal has come after the look. */
    struct handle *handle = look_up(turns[i].id);
    if (handle != NULL && handle->kind == &signal_kind) is_ready = true;
    if (is_ready) turns[ready++] = turns[i];
  }
  /* Timers in the order of their times, however late we are. */
  qsort(turns, ready, sizeof *turns, by_due);
  for (size_t i = 0; i < ready && !is_stopped(); i++) {
    struct handle *handle = look_up(turns[i].id);
    if (handle != NULL) handle->kind->ready(ctx, handle, time);
  }
  free(fds);
  free(turns);
}

void loop(JSContext *ctx) {
  run_jobs(ctx);
  while (!is_stopped()) {
    sweep(false);
    if (!is_alive()) return;
    turn(ctx);
  }
}

void free_loop(JSContext *ctx) {
  for (size_t i = 0; i < state.count; i++) close_handle(state.handles[i]);
  sweep(true);
  free(state.handles);
  if (state.has_handler) JS_FreeValue(ctx, state.handler);
}
