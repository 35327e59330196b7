// The module `weir-host`: names to functions. Its contract is agent/host/weir-host.d.ts.

#include <string.h>
#include <unistd.h>

#include "weir.h"

bool take_bytes(JSContext *ctx, JSValueConst *argv, struct bytes *bytes) {
  int64_t offset, length;
  size_t size;
  if (JS_ToInt64(ctx, &offset, argv[1]) != 0 || JS_ToInt64(ctx, &length, argv[2]) != 0) return false;
  const uint8_t *buffer = JS_GetArrayBuffer(ctx, &size, argv[0]);
  if (buffer == NULL && JS_HasException(ctx)) return false;
  if (offset < 0 || length < 0 || (uint64_t)offset > size || (uint64_t)length > size - (uint64_t)offset) {
    JS_ThrowRangeError(ctx, "no %lld bytes at %lld of %zu", (long long)length, (long long)offset, size);
    return false;
  }
  *bytes = (struct bytes){buffer + offset, (size_t)length};
  return true;
}

bool take_port(JSContext *ctx, JSValueConst value, int *port) {
  int64_t number;
  if (JS_ToInt64(ctx, &number, value) != 0) return false;
  *port = (int)number;
  if (number >= 0 && number <= 65535) return true;
  JS_ThrowRangeError(ctx, "%lld is no port", (long long)number);
  return false;
}

const char *take_text(JSContext *ctx, JSValueConst value) {
  size_t length;
  /* Of anything else ToString could run a program's code in the middle of a call. */
  if (!JS_IsString(value)) {
    JS_ThrowTypeError(ctx, "a text is wanted");
    return NULL;
  }
  const char *text = JS_ToCStringLen(ctx, &length, value);
  if (text == NULL || strlen(text) == length) return text;
  JS_FreeCString(ctx, text);
  JS_ThrowTypeError(ctx, "a text with a NUL would end early");
  return NULL;
}

static const JSCFunctionListEntry exports[] = {
    JS_CFUNC_DEF("onEvent", 1, host_on_event),
    JS_CFUNC_DEF("connectUnix", 1, host_connect_unix),
    JS_CFUNC_DEF("connectTcp", 2, host_connect_tcp),
    JS_CFUNC_DEF("connectTls", 7, host_connect_tls),
    JS_CFUNC_DEF("write", 4, host_write),
    JS_CFUNC_DEF("end", 1, host_end),
    JS_CFUNC_DEF("close", 1, host_close),
    JS_CFUNC_DEF("pause", 1, host_pause),
    JS_CFUNC_DEF("resume", 1, host_resume),
    JS_CFUNC_DEF("bindUdp", 2, host_bind_udp),
    JS_CFUNC_DEF("localPort", 1, host_local_port),
    JS_CFUNC_DEF("sendTo", 6, host_send_to),
    JS_CFUNC_DEF("openNetlink", 2, host_open_netlink),
    JS_CFUNC_DEF("sendNetlink", 4, host_send_netlink),
    JS_CFUNC_DEF("splitAttributes", 3, host_split_attributes),
    JS_CFUNC_DEF("pickMessages", 5, host_pick_messages),
    JS_CFUNC_DEF("startTimer", 1, host_start_timer),
    JS_CFUNC_DEF("monotonic", 0, host_monotonic),
    JS_CFUNC_DEF("wall", 0, host_wall),
    JS_CFUNC_DEF("watchSignal", 1, host_watch_signal),
    JS_CFUNC_DEF("read", 2, host_read),
    JS_CFUNC_DEF("replace", 5, host_replace),
    JS_CFUNC_DEF("create", 5, host_create),
    JS_CFUNC_DEF("append", 5, host_append),
    JS_CFUNC_DEF("list", 1, host_list),
    JS_CFUNC_DEF("remove", 1, host_remove),
    JS_CFUNC_DEF("makeDirectory", 2, host_make_directory),
    JS_CFUNC_DEF("stat", 1, host_stat),
    JS_CFUNC_DEF("spawn", 5, host_spawn),
    JS_CFUNC_DEF("env", 1, host_env),
    JS_CFUNC_DEF("random", 1, host_random),
    JS_CFUNC_DEF("sha256", 3, host_sha256),
    JS_CFUNC_DEF("sha512", 3, host_sha512),
    JS_CFUNC_DEF("log", 1, host_log),
    JS_CFUNC_DEF("print", 1, host_print),
    JS_CFUNC_DEF("ask", 1, host_ask),
    JS_CFUNC_DEF("memoryUsed", 0, host_memory_used),
    JS_CFUNC_DEF("memoryLimit", 0, host_memory_limit),
    JS_CFUNC_DEF("exit", 1, host_exit),
    JS_PROP_STRING_DEF("kind", "quickjs", 0),
    JS_PROP_STRING_DEF("lacks", "", 0),
};
enum { EXPORTS = sizeof exports / sizeof *exports };

static struct {
  int argc;
  char **argv;
} arguments;

static JSValue arguments_as_json(JSContext *ctx) {
  JSValue array = JS_NewArray(ctx);
  for (int i = 0; i < arguments.argc; i++) JS_SetPropertyUint32(ctx, array, (uint32_t)i, JS_NewString(ctx, arguments.argv[i]));
  JSValue json = JS_JSONStringify(ctx, array, JS_UNDEFINED, JS_UNDEFINED);
  JS_FreeValue(ctx, array);
  return json;
}

static int fill_module(JSContext *ctx, JSModuleDef *module) {
  JS_SetModuleExport(ctx, module, "args", arguments_as_json(ctx));
  JS_SetModuleExport(ctx, module, "pid", JS_NewInt32(ctx, getpid()));
  JS_SetModuleExport(ctx, module, "uid", JS_NewInt64(ctx, getuid()));
  return JS_SetModuleExportList(ctx, module, exports, EXPORTS);
}

JSModuleDef *open_module(JSContext *ctx, int argc, char **argv) {
  arguments.argc = argc;
  arguments.argv = argv;
  JSModuleDef *module = JS_NewCModule(ctx, "weir-host", fill_module);
  if (module == NULL) return NULL;
  JS_AddModuleExport(ctx, module, "args");
  JS_AddModuleExport(ctx, module, "pid");
  JS_AddModuleExport(ctx, module, "uid");
  JS_AddModuleExportList(ctx, module, exports, EXPORTS);
  return module;
}
