// The engine's heap (heap.c).

#ifndef HEAP_H
#define HEAP_H

#include <stddef.h>

/* NULL: the system has no more. */
void *heap_take(size_t size);
void *heap_resize(void *block, size_t size);
void heap_give(void *block);
size_t heap_size(const void *block);
/* Gives the kernel back what is free. */
void heap_trim(void);

#endif
