// Takes, resizes and gives back blocks at random, each filled with a pattern of its own: a block that overlaps another, loses bytes or is
// shorter than asked for shows. Argument: the seed. Says what is wrong and ends with 1.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heap.h"

enum { BLOCKS = 4000, STEPS = 400000, PIECE = 65536 };

static struct block {
  uint8_t *at;
  size_t size;
  uint8_t pattern;
} blocks[BLOCKS];

static uint32_t state;
static uint32_t below(uint32_t limit) {
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state % limit;
}

/* Mostly what an engine asks for, and now and then each border. */
static size_t some_size(void) {
  switch (below(64)) {
    case 0: return below(4 * PIECE);
    case 1: return PIECE - 2048 + below(2048);
    case 2: case 3: case 4: return below(8192);
    case 5: return 185 + below(16);
    default: return below(192);
  }
}

static void fail(const char *what, const struct block *block) {
  printf("%s: a block of %zu\n", what, block->size);
  exit(1);
}

static void check(const struct block *block, size_t size) {
  for (size_t i = 0; i < size; i++)
    if (block->at[i] != block->pattern) fail("lost", block);
}

static void fill(struct block *block, uint8_t *at, size_t size) {
  *block = (struct block){at, size, (uint8_t)below(256)};
  if (at == NULL) fail("no memory", block);
  if ((uintptr_t)at % 8 != 0) fail("not aligned", block);
  if (heap_size(at) < size) fail("too short", block);
  memset(at, block->pattern, heap_size(at));
}

static void give(struct block *block) {
  check(block, heap_size(block->at));
  heap_give(block->at);
  block->at = NULL;
}

int main(int count, char **args) {
  state = count > 1 ? (uint32_t)strtoul(args[1], NULL, 10) : 1;
  for (int step = 0; step < STEPS; step++) {
    struct block *block = &blocks[below(BLOCKS)];
    if (block->at == NULL) {
      const size_t size = some_size();
      fill(block, heap_take(size), size);
    } else if (below(4) == 0) {
      const size_t size = some_size() + 1, had = heap_size(block->at);
      check(block, had);
      block->at = heap_resize(block->at, size);
      if (block->at == NULL) fail("no memory", block);
      check(block, had < size ? had : size);
      fill(block, block->at, size);
    } else {
      give(block);
    }
    /* An ebb, so that whole pieces fall empty. */
    if (step % 50000 == 49999)
      for (int i = 0; i < BLOCKS; i++)
        if (blocks[i].at != NULL && i % 100 != 0) give(&blocks[i]);
    if (step % 64 == 0) heap_trim();
  }
  for (int i = 0; i < BLOCKS; i++)
    if (blocks[i].at != NULL) give(&blocks[i]);
  puts("whole");
  return 0;
}
