// The table of modules inside the binary, written by build/bytecode.ts.

#ifndef MODULES_H
#define MODULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct module {
  const char *name; /* NULL ends the table */
  const uint8_t *bytes;
  size_t length;
  bool is_entry;
};

extern const struct module modules[];
/* That of all of them. */
extern const uint8_t bytecode[];
extern const size_t bytecode_length;

#endif
