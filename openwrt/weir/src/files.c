// Files, so that a power cut leaves the old state or the new one, whole.

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "weir.h"

/* 0 or an errno */
static int put(int fd, const struct bytes *bytes) {
  size_t done = 0;
  while (done < bytes->length) {
    ssize_t went = write(fd, bytes->at + done, bytes->length - done);
    if (went >= 0) done += (size_t)went;
    else if (errno != EINTR) return errno;
  }
  return 0;
}

static int sync_folder(const char *path) {
  const char *slash = strrchr(path, '/');
  char *folder = slash == NULL ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));
  if (folder == NULL) return ENOMEM;
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  free(folder);
  if (fd < 0) return errno;
  const int number = fsync(fd) != 0 ? errno : 0;
  close(fd);
  return number;
}

/* A new file, whole and on the disk, or none. */
static int create_whole(const char *path, const struct bytes *bytes, mode_t mode) {
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return errno;
  /* The mode asked for, whatever the umask. */
  int number = fchmod(fd, mode) != 0 ? errno : put(fd, bytes);
  if (number == 0 && fsync(fd) != 0) number = errno;
  if (close(fd) != 0 && number == 0) number = errno;
  if (number != 0) unlink(path);
  return number;
}

struct target {
  const char *path;
  struct bytes bytes;
  int32_t mode;
};

/* From five arguments: path, ArrayBuffer, offset, length, mode. */
static bool take_target(JSContext *ctx, JSValueConst *argv, struct target *target) {
  if (JS_ToInt32(ctx, &target->mode, argv[4]) != 0 || !take_bytes(ctx, argv + 1, &target->bytes)) return false;
  target->path = take_text(ctx, argv[0]);
  return target->path != NULL;
}

static JSValue settle(JSContext *ctx, const char *path, int number) {
  JSValue result = number == 0 ? JS_UNDEFINED : throw_errno(ctx, number, path);
  JS_FreeCString(ctx, path);
  return result;
}

JSValue host_read(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  int64_t most;
  if (JS_ToInt64(ctx, &most, argv[1]) != 0) return JS_EXCEPTION;
  if (most < 0) return JS_ThrowRangeError(ctx, "read wants the most bytes to take");
  const char *path = take_text(ctx, argv[0]);
  if (path == NULL) return JS_EXCEPTION;
  /* A fifo without a writer would hold us for ever. */
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return settle(ctx, path, errno);
  uint8_t *bytes = NULL;
  size_t length = 0, room = 0;
  int number = 0;
  /* Files of /proc say that they are empty; only the end tells the size. */
  for (;;) {
    if (length == room) {
      room = room == 0 ? 4096 : room * 2;
      if (room > (uint64_t)most + 1) room = (size_t)most + 1;
      bytes = realloc(bytes, room);
      if (bytes == NULL) die(EXIT_MEMORY, "out of memory: the system has no %zu bytes for %s", room, path);
    }
    ssize_t got = read(fd, bytes + length, room - length);
    if (got == 0) break;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      number = errno;
      break;
    }
    length += (size_t)got;
    if (length > (uint64_t)most) break;
  }
  close(fd);
  JSValue result;
  if (number == 0 && length > (uint64_t)most) {
    struct failure failure = {0};
    fail(&failure, "limit", "%s: holds more than %lld bytes", path, (long long)most);
    result = throw_failure(ctx, &failure);
    JS_FreeCString(ctx, path);
  } else if (number == 0) {
    result = JS_NewArrayBufferCopy(ctx, bytes, length);
    JS_FreeCString(ctx, path);
  } else {
    result = settle(ctx, path, number);
  }
  free(bytes);
  return result;
}

JSValue host_replace(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  struct target target;
  if (!take_target(ctx, argv, &target)) return JS_EXCEPTION;
  char *aside = allocate(strlen(target.path) + sizeof ".new");
  sprintf(aside, "%s.new", target.path);
  /* Left by a crash between write and rename. */
  int number = unlink(aside) != 0 && errno != ENOENT ? errno : 0;
  if (number == 0) number = create_whole(aside, &target.bytes, (mode_t)target.mode);
  if (number == 0 && rename(aside, target.path) != 0) {
    number = errno;
    unlink(aside);
  }
  free(aside);
  if (number == 0) number = sync_folder(target.path);
  return settle(ctx, target.path, number);
}

JSValue host_create(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  struct target target;
  if (!take_target(ctx, argv, &target)) return JS_EXCEPTION;
  int number = create_whole(target.path, &target.bytes, (mode_t)target.mode);
  if (number == 0) number = sync_folder(target.path);
  return settle(ctx, target.path, number);
}

/* Half a record is worse than none: what a full disk cut short is taken back. */
static int append_whole(int fd, const struct bytes *bytes) {
  struct stat before;
  if (fstat(fd, &before) != 0) return errno;
  ssize_t went;
  do went = write(fd, bytes->at, bytes->length);
  while (went < 0 && errno == EINTR);
  if (went < 0) return errno;
  if ((size_t)went < bytes->length) return ftruncate(fd, before.st_size) != 0 ? errno : ENOSPC;
  return fdatasync(fd) != 0 ? errno : 0;
}

JSValue host_append(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  struct target target;
  if (!take_target(ctx, argv, &target)) return JS_EXCEPTION;
  int number = 0;
  int fd = open(target.path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY);
  if (fd < 0 && errno == ENOENT) {
    number = create_whole(target.path, &target.bytes, (mode_t)target.mode);
    if (number == 0) number = sync_folder(target.path);
  } else if (fd < 0) {
    number = errno;
  } else {
    number = append_whole(fd, &target.bytes);
    if (close(fd) != 0 && number == 0) number = errno;
  }
  return settle(ctx, target.path, number);
}

static int is_name(const struct dirent *entry) { return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0; }

/* By bytes: alphasort asks the locale. */
static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

JSValue host_list(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  const char *path = take_text(ctx, argv[0]);
  if (path == NULL) return JS_EXCEPTION;
  struct dirent **entries;
  const int count = scandir(path, &entries, is_name, by_name);
  if (count < 0) return settle(ctx, path, errno);
  JS_FreeCString(ctx, path);
  JSValue names = JS_NewArray(ctx);
  for (int i = 0; i < count; i++) {
    JS_SetPropertyUint32(ctx, names, (uint32_t)i, JS_NewString(ctx, entries[i]->d_name));
    free(entries[i]);
  }
  free(entries);
  JSValue json = JS_JSONStringify(ctx, names, JS_UNDEFINED, JS_UNDEFINED);
  JS_FreeValue(ctx, names);
  return json;
}

JSValue host_remove(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  const char *path = take_text(ctx, argv[0]);
  if (path == NULL) return JS_EXCEPTION;
  return settle(ctx, path, remove(path) != 0 ? errno : 0);
}

JSValue host_make_directory(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  int32_t mode;
  if (JS_ToInt32(ctx, &mode, argv[1]) != 0) return JS_EXCEPTION;
  const char *path = take_text(ctx, argv[0]);
  if (path == NULL) return JS_EXCEPTION;
  return settle(ctx, path, mkdir(path, 0700) != 0 || chmod(path, (mode_t)mode) != 0 ? errno : 0);
}

JSValue host_stat(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  const char *path = take_text(ctx, argv[0]);
  if (path == NULL) return JS_EXCEPTION;
  struct stat found;
  if (lstat(path, &found) != 0) return settle(ctx, path, errno);
  JS_FreeCString(ctx, path);
  char json[128];
  snprintf(json, sizeof json, "{\"kind\":\"%s\",\"size\":%lld,\"mode\":%u,\"uid\":%u}",
           S_ISREG(found.st_mode) ? "file" : S_ISDIR(found.st_mode) ? "directory" : "other", (long long)found.st_size,
           (unsigned)(found.st_mode & 07777), (unsigned)found.st_uid);
  return JS_NewString(ctx, json);
}
