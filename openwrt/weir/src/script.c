// Modules from files, for development and tests: the engine's compiler. It is inside a binary only if the table of modules names it
// (build/bytecode.ts). A router's binary has no compiler, so nothing there turns text into code: no eval, no Function.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "modules.h"
#include "weir.h"

JSModuleDef *compile_file(JSContext *ctx, const char *path) {
  struct stat status;
  FILE *file = fopen(path, "re");
  if (file == NULL) return module_of(ctx, throw_errno(ctx, errno, path));
  if (fstat(fileno(file), &status) != 0) abort();
  const size_t length = (size_t)status.st_size;
  char *source = allocate(length + 1);
  JS_AddIntrinsicEval(ctx);
  JSValue module = fread(source, 1, length, file) == length
                       ? JS_Eval(ctx, source, length, path, JS_EVAL_TYPE_MODULE | JS_EVAL_FLAG_COMPILE_ONLY)
                       : throw_errno(ctx, errno, path);
  fclose(file);
  free(source);
  return module_of(ctx, module);
}
