// The memory of the small static lastcall-init: blocks of all sizes, got and given back in any order, never share a byte.
#define LASTCALL_FREESTANDING
#include "CLinux.h"
#include "../../Sources/CLinux/SystemCall.h"
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

// Apart from the C library's own, and without the program's start.
#define malloc lc_malloc
#define free lc_free
#define posix_memalign lc_posix_memalign
#define main lc_main
#define __asm__(text)
int lc_main(int count, char **arguments, char **environment) { return count + !arguments + !environment; }
#include "../../Sources/CLinux/Freestanding.c"

enum { SLOTS = 64 };

static void require(int holds, const char *property) {
  if (holds) return;
  fprintf(stderr, "does not hold: %s\n", property);
  abort();
}

static struct block {
  unsigned char *memory;
  size_t size;
  unsigned char filling;
} blocks[SLOTS];

static void drop(struct block *block) {
  int isKept = !block->size || (*block->memory == block->filling && !memcmp(block->memory, block->memory + 1, block->size - 1));
  require(isKept, "a block keeps what is written into it");
  free(block->memory);
  *block = (struct block){0};
}

// Three bytes an operation: which block, and the size of the new one; 0 in its upper bits means a small one, as most are.
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count) {
  for (size_t i = 0; i + 3 <= count; i += 3) {
    struct block *block = &blocks[input[i] % SLOTS];
    drop(block);
    size_t size = input[i + 1] | (size_t)(input[i + 2] & 0x0f) << (input[i] & 0x80 ? 14 : 8);
    void *memory = NULL;
    if (input[i + 2] & 0x10) {
      require(posix_memalign(&memory, 16, size) == 0, "there is memory");
      require(posix_memalign(&memory, 32, 1) == EINVAL, "more alignment is refused");
    } else {
      memory = malloc(size);
    }
    require(memory && (uintptr_t)memory % 16 == 0, "a block is aligned");
    *block = (struct block){memory, size, (unsigned char)(i + 1)};
    memset(memory, block->filling, size);
  }
  for (int i = 0; i < SLOTS; i++) drop(&blocks[i]);
  require(!malloc(SIZE_MAX) && !malloc(PTRDIFF_MAX), "no memory is that large");
  return 0;
}
