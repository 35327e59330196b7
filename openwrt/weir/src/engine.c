// QuickJS: its memory under a ceiling, its modules from the embedded table or from files, its jobs, and what happens to errors nobody
// caught. Knows no handle.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "heap.h"
#include "modules.h"
#include "weir.h"

static struct {
  const struct options *options;
  JSRuntime *runtime;
  size_t used;
  size_t relieved; /* heap after the last collection near the ceiling */
  bool stopped;
  int status;
  /* Promises that were rejected before anybody listened; who still does not when all jobs are done, never will. */
  struct rejection {
    JSValue promise, reason;
  } *rejections;
  size_t rejected;
} state;

void stop(int status) {
  if (state.stopped) return;
  state.stopped = true;
  state.status = status;
}

bool is_stopped(void) { return state.stopped; }

/* Memory. The engine would throw an error that a program can catch and stumble on with; a process that is out of memory ends. */

_Noreturn static void out_of_memory(void) {
  if (state.options->memory == 0) die(EXIT_MEMORY, "out of memory");
  die(EXIT_MEMORY, "out of memory: the ceiling is %zu KB (--memory)", state.options->memory / 1024);
}

static void admit(size_t more) {
  const size_t ceiling = state.options->memory;
  if (ceiling != 0 && (state.used > ceiling || more > ceiling - state.used)) out_of_memory();
}

static void *charge(JSMallocState *memory, void *block) {
  if (block == NULL) out_of_memory();
  memory->malloc_count++;
  memory->malloc_size += heap_size(block);
  state.used = memory->malloc_size;
  return block;
}

static void refund(JSMallocState *memory, void *block) {
  memory->malloc_count--;
  memory->malloc_size -= heap_size(block);
  state.used = memory->malloc_size;
}

static void *engine_malloc(JSMallocState *memory, size_t size) {
  admit(size);
  return charge(memory, heap_take(size));
}

static void engine_free(JSMallocState *memory, void *block) {
  if (block == NULL) return;
  refund(memory, block);
  heap_give(block);
}

static void *engine_realloc(JSMallocState *memory, void *block, size_t size) {
  if (block == NULL) return size == 0 ? NULL : engine_malloc(memory, size);
  if (size == 0) {
    engine_free(memory, block);
    return NULL;
  }
  const size_t before = heap_size(block);
  if (size > before) admit(size - before);
  refund(memory, block);
  return charge(memory, heap_resize(block, size));
}

static const JSMallocFunctions memory_functions = {engine_malloc, engine_free, engine_realloc, heap_size};

JSValue host_memory_used(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) { return JS_NewInt64(ctx, (int64_t)state.used); }

JSValue host_memory_limit(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  return JS_NewInt64(ctx, (int64_t)state.options->memory);
}

/* The engine collects cycles when the heap has grown by half, which may be beyond the ceiling. */
static void relieve(JSContext *ctx) {
  const size_t ceiling = state.options->memory;
  if (ceiling == 0 || state.used < ceiling / 4 * 3 || state.used < state.relieved + ceiling / 16) return;
  JS_RunGC(JS_GetRuntime(ctx));
  state.relieved = state.used;
}

/* Errors */

static void print_text(JSContext *ctx, JSValueConst value) {
  const char *text = JS_ToCString(ctx, value);
  if (text != NULL) fputs(text, stderr);
  else JS_FreeValue(ctx, JS_GetException(ctx));
  JS_FreeCString(ctx, text);
}

void report_exception(JSContext *ctx, JSValueConst exception) {
  fputs("weir: uncaught: ", stderr);
  print_text(ctx, exception);
  fputc('\n', stderr);
  if (JS_IsError(ctx, exception)) {
    JSValue stack = JS_GetPropertyStr(ctx, exception, "stack");
    if (JS_IsString(stack)) print_text(ctx, stack);
    JS_FreeValue(ctx, stack);
  }
  stop(EXIT_UNCAUGHT);
}

static void track_rejection(JSContext *ctx, JSValueConst promise, JSValueConst reason, JS_BOOL is_handled, void *opaque) {
  size_t at = 0;
  while (at < state.rejected && JS_VALUE_GET_PTR(state.rejections[at].promise) != JS_VALUE_GET_PTR(promise)) at++;
  if (is_handled && at < state.rejected) {
    JS_FreeValue(ctx, state.rejections[at].promise);
    JS_FreeValue(ctx, state.rejections[at].reason);
    state.rejections[at] = state.rejections[--state.rejected];
  }
  if (is_handled || at < state.rejected) return;
  state.rejections = realloc(state.rejections, (state.rejected + 1) * sizeof *state.rejections);
  if (state.rejections == NULL) out_of_memory();
  state.rejections[state.rejected++] = (struct rejection){JS_DupValue(ctx, promise), JS_DupValue(ctx, reason)};
}

static void free_rejections(JSContext *ctx) {
  for (size_t i = 0; i < state.rejected; i++) {
    JS_FreeValue(ctx, state.rejections[i].promise);
    JS_FreeValue(ctx, state.rejections[i].reason);
  }
  free(state.rejections);
}

void run_jobs(JSContext *ctx) {
  JSContext *job;
  int did = 1;
  while (did > 0 && !state.stopped) did = JS_ExecutePendingJob(JS_GetRuntime(ctx), &job);
  if (state.stopped) return;
  if (did < 0) {
    JSValue exception = JS_GetException(job);
    report_exception(ctx, exception);
    JS_FreeValue(ctx, exception);
  } else if (state.rejected > 0) {
    report_exception(ctx, state.rejections[0].reason);
  }
  relieve(ctx);
  heap_trim();
}

/* Throws what no program can catch, so that nothing of it runs any more, and the stack unwinds in order. */
JSValue host_exit(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  int32_t status;
  if (JS_ToInt32(ctx, &status, argv[0]) != 0) return JS_EXCEPTION;
  stop(status);
  JSValue error = JS_NewError(ctx);
  JS_SetUncatchableError(ctx, error, true);
  return JS_Throw(ctx, error);
}

/* Modules */

static const struct module *find_module(const char *name) {
  for (const struct module *module = modules; module->name != NULL; module++)
    if (strcmp(module->name, name) == 0) return module;
  return NULL;
}

bool has_role(const char *role) {
  char name[64];
  snprintf(name, sizeof name, "%s.js", role);
  const struct module *module = find_module(name);
  return module != NULL && module->is_entry;
}

/* What was read is on the heap now. The kernel may have the pages of the file back; whole ones, since what stands beside may be written. */
static void let_go_of_bytecode(void) {
  const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  const uintptr_t from = ((uintptr_t)bytecode + page - 1) / page * page, to = ((uintptr_t)bytecode + bytecode_length) / page * page;
  if (from < to && madvise((void *)from, to - from, MADV_DONTNEED) != 0) abort();
}

JSModuleDef *module_of(JSContext *ctx, JSValue value) {
  if (JS_IsException(value)) return NULL;
  /* The context owns its modules; the value is only a way to point at one. */
  JSModuleDef *definition = JS_VALUE_GET_PTR(value);
  JS_FreeValue(ctx, value);
  return definition;
}

static JSModuleDef *read_module(JSContext *ctx, const char *name) {
  const struct module *module = find_module(name);
  if (module == NULL) return module_of(ctx, JS_ThrowReferenceError(ctx, "no module %s inside", name));
  const size_t length = module->names_length + module->code_length;
  uint8_t *bytes = allocate(length);
  memcpy(bytes, module->names, module->names_length);
  memcpy(bytes + module->names_length, module->code, module->code_length);
  JSValue value = JS_ReadObject(ctx, bytes, length, JS_READ_OBJ_BYTECODE);
  free(bytes);
  let_go_of_bytecode();
  return module_of(ctx, value);
}

static JSModuleDef *load_module(JSContext *ctx, const char *name, void *opaque) {
  const struct options *options = opaque;
  if (strcmp(name, "weir-host") == 0) return open_module(ctx, options->argc, options->argv);
  return options->is_file ? script_compiler(ctx, name) : read_module(ctx, name);
}

/* JS_NewContext without what nothing here is written with: the compiler (script.c), Proxy, WeakRef. */
static JSContext *open_context(JSRuntime *runtime) {
  JSContext *ctx = JS_NewContextRaw(runtime);
  if (ctx == NULL) abort();
  JS_AddIntrinsicBaseObjects(ctx);
  JS_AddIntrinsicDate(ctx);
  JS_AddIntrinsicStringNormalize(ctx);
  JS_AddIntrinsicRegExp(ctx);
  JS_AddIntrinsicJSON(ctx);
  JS_AddIntrinsicMapSet(ctx);
  JS_AddIntrinsicTypedArrays(ctx);
  JS_AddIntrinsicPromise(ctx);
  return ctx;
}

int run(const struct options *options) {
  state.options = options;
  JSRuntime *runtime = JS_NewRuntime2(&memory_functions, NULL);
  if (runtime == NULL) abort();
  state.runtime = runtime;
  if (options->stack != 0) JS_SetMaxStackSize(runtime, options->stack);
  JS_SetModuleLoaderFunc(runtime, NULL, load_module, (void *)options);
  JS_SetHostPromiseRejectionTracker(runtime, track_rejection, NULL);
  JSContext *ctx = open_context(runtime);

  JSValue promise = JS_LoadModule(ctx, "", options->entry);
  if (JS_IsException(promise)) abort();
  loop(ctx);
  if (!is_stopped() && JS_PromiseState(ctx, promise) == JS_PROMISE_PENDING) {
    fprintf(stderr, "weir: %s waits for something that can no longer happen\n", options->entry);
    stop(EXIT_UNSETTLED);
  }
  /* Kills the children, too. */
  free_loop(ctx);
  /* QuickJS 2025-04-26 frees a module twice that exit stopped in the midst of its evaluation. The process ends here, and its memory too. */
  if (JS_PromiseState(ctx, promise) == JS_PROMISE_PENDING) return state.status;
  JS_FreeValue(ctx, promise);
  free_rejections(ctx);
  JS_FreeContext(ctx);
  JS_FreeRuntime(runtime);
  return state.status;
}
