// Child processes: an argv and never a shell, in a process group of their own, fed and read without blocking, ended by a deadline.

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "weir.h"

struct output {
  int fd; /* -1: ended */
  uint8_t *bytes;
  size_t length, room;
};

struct child {
  struct handle handle;
  pid_t pid;
  int stdin_fd; /* -1: closed */
  uint8_t *input;
  size_t fed, input_length;
  struct output outputs[2];
  size_t most;
  int64_t deadline;
  const char *killed; /* why we did, or NULL */
};

static void close_fd(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

/* The zombie keeps its number until we report, so a signal to its group never meets a stranger. */
static bool has_exited(const struct child *child, siginfo_t *status) {
  memset(status, 0, sizeof *status);
  if (waitid(P_PID, (id_t)child->pid, status, WEXITED | WNOHANG | WNOWAIT) != 0) abort();
  return status->si_pid != 0;
}

static void child_shut(struct handle *handle) {
  struct child *child = (struct child *)handle;
  siginfo_t status;
  /* A group whose leader ended in order may go on; that is what daemons do. */
  if (!has_exited(child, &status)) kill(-child->pid, SIGKILL);
  close_fd(&child->stdin_fd);
  for (int i = 0; i < 2; i++) {
    close_fd(&child->outputs[i].fd);
    free(child->outputs[i].bytes);
  }
  free(child->input);
}

static bool child_is_gone(struct handle *handle) { return waitpid(((struct child *)handle)->pid, NULL, WNOHANG) != 0; }

static void child_want(struct handle *handle, struct interest *interest) {
  const struct child *child = (const struct child *)handle;
  siginfo_t status;
  interest->due = child->killed == NULL ? child->deadline : NEVER;
  const bool is_read = child->outputs[0].fd < 0 && child->outputs[1].fd < 0;
  /* SIGCHLD only wakes the loop; here it learns whose child it was. */
  if ((is_read || child->killed != NULL) && has_exited(child, &status)) interest->due = 0;
  if (child->stdin_fd >= 0) watch(interest, child->stdin_fd, POLLOUT);
  for (int i = 0; i < 2; i++)
    if (child->outputs[i].fd >= 0) watch(interest, child->outputs[i].fd, POLLIN);
}

static void end_child(struct child *child, const char *why) {
  if (child->killed != NULL) return;
  child->killed = why;
  kill(-child->pid, SIGKILL);
}

static void feed(struct child *child) {
  while (child->stdin_fd >= 0) {
    if (child->fed == child->input_length) {
      close_fd(&child->stdin_fd);
      return;
    }
    ssize_t went = write(child->stdin_fd, child->input + child->fed, child->input_length - child->fed);
    if (went >= 0) child->fed += (size_t)went;
    else if (errno == EAGAIN) return;
    /* A child may end without reading all; its exit says whether that was right. */
    else if (errno != EINTR) close_fd(&child->stdin_fd);
  }
}

static void collect(struct child *child, struct output *output) {
  while (output->fd >= 0) {
    if (output->length == output->room) {
      output->room = output->room == 0 ? 1024 : output->room * 2;
      if (output->room > child->most + 1) output->room = child->most + 1;
      output->bytes = realloc(output->bytes, output->room);
      if (output->bytes == NULL) die(EXIT_MEMORY, "out of memory: the system has no %zu bytes for a child's output", output->room);
    }
    ssize_t got = read(output->fd, output->bytes + output->length, output->room - output->length);
    if (got > 0) output->length += (size_t)got;
    else if (got < 0 && errno == EAGAIN) return;
    else if (got == 0 || errno != EINTR) close_fd(&output->fd);
    if (output->length > child->most) {
      output->length = child->most;
      /* Before the pipe closes, or SIGPIPE might be first. */
      end_child(child, "flooded");
      close_fd(&output->fd);
    }
  }
}

static void child_ready(JSContext *ctx, struct handle *handle, int64_t time) {
  struct child *child = (struct child *)handle;
  feed(child);
  for (int i = 0; i < 2; i++) collect(child, &child->outputs[i]);
  const bool is_read = child->outputs[0].fd < 0 && child->outputs[1].fd < 0;
  siginfo_t status;
  const bool is_over = has_exited(child, &status);
  /* Who has ended and said all was in time, however late we look. */
  if (time >= child->deadline && !(is_read && is_over)) end_child(child, "timed-out");
  /* A grandchild may hold the pipes open for ever: after the kill we no longer wait for their end. */
  if (!is_over || !(is_read || child->killed != NULL)) return;
  const char *how = child->killed != NULL ? child->killed : status.si_code == CLD_EXITED ? "exited" : "signalled";
  JSValue values[] = {JS_NewString(ctx, how), JS_NewInt32(ctx, status.si_status), JS_UNDEFINED, JS_UNDEFINED};
  for (int i = 0; i < 2; i++) values[2 + i] = JS_NewArrayBufferCopy(ctx, child->outputs[i].bytes, child->outputs[i].length);
  emit_last(ctx, handle, "exited", 4, values);
}

static const struct kind child_kind = {
    .name = "child", .want = child_want, .ready = child_ready, .shut = child_shut, .is_gone = child_is_gone};

/* Starting */

static void free_texts(JSContext *ctx, char **texts) {
  for (char **text = texts; text != NULL && *text != NULL; text++) JS_FreeCString(ctx, *text);
  free(texts);
}

/* JSON array of strings to a list that ends with NULL. */
static char **take_texts(JSContext *ctx, JSValueConst value) {
  int64_t count = 0;
  const char *json = take_text(ctx, value);
  if (json == NULL) return NULL;
  JSValue array = JS_ParseJSON(ctx, json, strlen(json), "argv");
  JS_FreeCString(ctx, json);
  if (JS_IsException(array)) return NULL;
  if (!JS_IsArray(ctx, array)) {
    JS_FreeValue(ctx, array);
    JS_ThrowTypeError(ctx, "spawn wants JSON arrays of strings");
    return NULL;
  }
  JSValue length = JS_GetPropertyStr(ctx, array, "length");
  JS_ToInt64(ctx, &count, length);
  char **texts = allocate(((size_t)count + 1) * sizeof *texts);
  for (int64_t i = 0; i < count; i++) {
    JSValue element = JS_GetPropertyUint32(ctx, array, (uint32_t)i);
    texts[i] = (char *)take_text(ctx, element);
    JS_FreeValue(ctx, element);
    if (texts[i] == NULL) {
      free_texts(ctx, texts);
      texts = NULL;
      break;
    }
  }
  JS_FreeValue(ctx, array);
  return texts;
}

_Noreturn static void become(const int fds[3], int report, char **argv, char **env) {
  setpgid(0, 0);
  restore_signals();
  int number = 0;
  for (int i = 0; i < 3; i++)
    if (dup2(fds[i], i) < 0) number = errno;
  if (number == 0) {
    execve(argv[0], argv, env);
    number = errno;
  }
  if (write(report, &number, sizeof number) != sizeof number) _exit(126);
  _exit(127);
}

static bool make_pipes(int pipes[4][2]) {
  for (int i = 0; i < 4; i++)
    if (pipe2(pipes[i], O_CLOEXEC) != 0) return false;
  return true;
}

/* 0 or an errno, also that of an exec that failed. */
static int start(struct child *child, char **argv, char **env) {
  int pipes[4][2] = {{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}};
  int number = 0;
  if (!make_pipes(pipes) || (child->pid = fork()) < 0) {
    number = errno;
  } else if (child->pid == 0) {
    become((int[]){pipes[0][0], pipes[1][1], pipes[2][1]}, pipes[3][1], argv, env);
  } else {
    close_fd(&pipes[3][1]);
    ssize_t got;
    /* The end comes with exec, which closes the child's side. */
    do got = read(pipes[3][0], &number, sizeof number);
    while (got < 0 && errno == EINTR);
    if (got == sizeof number) waitpid(child->pid, NULL, 0);
    else number = 0;
  }
  int *kept[] = {&child->stdin_fd, &child->outputs[0].fd, &child->outputs[1].fd};
  for (int i = 0; i < 3; i++) {
    int *ours = &pipes[i][i == 0 ? 1 : 0];
    *kept[i] = -1;
    if (number == 0 && fcntl(*ours, F_SETFL, O_NONBLOCK) != 0) abort();
    if (number == 0) {
      *kept[i] = *ours;
      *ours = -1;
    }
  }
  for (int i = 0; i < 4; i++) {
    close_fd(&pipes[i][0]);
    close_fd(&pipes[i][1]);
  }
  return number;
}

JSValue host_spawn(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  double deadline;
  int64_t most;
  if (JS_ToFloat64(ctx, &deadline, argv[3]) != 0 || JS_ToInt64(ctx, &most, argv[4]) != 0) return JS_EXCEPTION;
  if (!(deadline >= 0 && deadline <= 366.0 * 86400e3) || most < 0 || most >= INT32_MAX)
    return JS_ThrowRangeError(ctx, "spawn wants a deadline in milliseconds and the most bytes to keep");
  size_t input_length;
  const uint8_t *input = JS_GetArrayBuffer(ctx, &input_length, argv[2]);
  if (input == NULL && JS_HasException(ctx)) return JS_EXCEPTION;

  JSValue result = JS_EXCEPTION;
  char **arguments = take_texts(ctx, argv[0]);
  char **env = arguments == NULL ? NULL : take_texts(ctx, argv[1]);
  if (env != NULL && (arguments[0] == NULL || arguments[0][0] != '/')) {
    JS_ThrowTypeError(ctx, "spawn wants an absolute path");
  } else if (env != NULL) {
    expect_signal(SIGCHLD);
    struct child *child = allocate(sizeof *child);
    int number = start(child, arguments, env);
    if (number != 0) {
      free(child);
      throw_errno(ctx, number, arguments[0]);
    } else {
      child->input = allocate(input_length + 1);
      child->input_length = input_length;
      if (input_length > 0) memcpy(child->input, input, input_length);
      child->most = (size_t)most;
      child->deadline = now() + (int64_t)(deadline * 1e6);
      result = open_handle(ctx, &child->handle, &child_kind);
    }
  }
  free_texts(ctx, arguments);
  free_texts(ctx, env);
  return result;
}
