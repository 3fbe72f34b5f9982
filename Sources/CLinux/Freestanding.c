// What a C library would give the small static lastcall-init: its start, and memory. Nothing here is in the normal build.
#ifdef LASTCALL_FREESTANDING
#include "CLinux.h"
#include "SystemCall.h"
#include <stddef.h>
#include <sys/mman.h>

// MARK: Start

#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n xor %ebp,%ebp\n mov %rsp,%rdi\n and $-16,%rsp\n call lc_start\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n_start:\n mov x29,#0\n mov x30,#0\n mov x0,sp\n bl lc_start\n");
#endif

int main(int count, char **arguments, char **environment);

uint64_t lc_inherited_mask;

// The kernel leaves the count of the arguments, the arguments, NULL, and the environment on the stack.
__attribute__((noreturn, used)) void lc_start(long *stack) {
  // First of all: the kernel drops a signal that comes to PID 1 before it is blocked.
  static const uint64_t all = ~(uint64_t)0;
  lc_call5(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&lc_inherited_mask, sizeof all, 0);
  char **arguments = (char **)(stack + 1);
  int code = main((int)stack[0], arguments, arguments + stack[0] + 1);
  for (;;) lc_call1(SYS_exit_group, code);
}

// MARK: Memory
//
// Blocks of 32, 48, 64, 96, 128 … bytes, each behind a header that holds its order, kept in one list an order when free. Big ones come
// from the kernel one by one and go back to it; their header holds their size. One thread.

enum { HEADER = 16, SMALLEST = 8, LARGEST = 30, ARENA = 1 << 18 };

static size_t size_of(unsigned order) { return (size_t)(2 + order % 2) << order / 2; }

static void *free_blocks[LARGEST + 1];
// Enough for an idle init; it lies in a page that is used anyway.
static char first_arena[4000] __attribute__((aligned(HEADER)));
static char *arena = first_arena, *arena_end = first_arena + sizeof first_arena;

static void *pages(size_t size) {
  long result = lc_call6(SYS_mmap, 0, (long)size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return result < 0 && result > -4096 ? NULL : (void *)result;
}

void *malloc(size_t size) {
  if (size > PTRDIFF_MAX / 2) return NULL;
  size += HEADER;
  unsigned order = SMALLEST;
  while (order <= LARGEST && size_of(order) < size) order++;
  size_t *block;
  if (order > LARGEST) {
    size = (size + 4095) & ~(size_t)4095;
    block = pages(size);
    if (block) *block = size;
  } else {
    size = size_of(order);
    block = free_blocks[order];
    if (block) {
      free_blocks[order] = *(void **)((char *)block + HEADER);
    } else {
      if (size > (size_t)(arena_end - arena)) {
        // What is left of the old arena is lost: at most a quarter of one.
        arena = pages(ARENA);
        arena_end = arena ? arena + ARENA : NULL;
      }
      block = (size_t *)arena;
      if (block) arena += size;
    }
    if (block) *block = order;
  }
  return block ? (char *)block + HEADER : NULL;
}

void free(void *memory) {
  if (!memory) return;
  size_t *block = (size_t *)((char *)memory - HEADER);
  if (*block > LARGEST) {
    lc_call2(SYS_munmap, (long)block, *block);
    return;
  }
  *(void **)memory = free_blocks[*block];
  free_blocks[*block] = block;
}

// Swift asks for more than 16 bytes of alignment only for types that have it; none of ours does.
int posix_memalign(void **memory, size_t alignment, size_t size) {
  if (alignment > HEADER) return EINVAL;
  *memory = malloc(size);
  return *memory ? 0 : ENOMEM;
}
#endif
