// The table of modules inside the binary, written by build/bytecode.ts.

#ifndef MODULES_H
#define MODULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct JSContext;
struct JSModuleDef;

struct module {
  const char *name; /* NULL ends the table */
  /* One behind the other they are what the engine reads (compile.c). */
  const uint8_t *names;
  size_t names_length;
  const uint8_t *code;
  size_t code_length;
  bool is_entry;
};

extern const struct module modules[];
/* That of all of them. */
extern const uint8_t bytecode[];
extern const size_t bytecode_length;

/* Of files (--script); NULL in what is made for routers. */
typedef struct JSModuleDef *compile_t(struct JSContext *ctx, const char *path);
extern compile_t *const script_compiler;
compile_t compile_file; /* script.c */

#endif
