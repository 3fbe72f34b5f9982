// One system call: the kernel's result, or -errno.
#ifndef LASTCALL_SYSTEM_CALL_H
#define LASTCALL_SYSTEM_CALL_H

#include <errno.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

// Newer than the oldest headers this is built with; the same on all architectures.
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

#if defined(LASTCALL_FREESTANDING) && defined(__x86_64__)

static inline long lc_call3(long n, long a, long b, long c) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(n), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
  return result;
}
static inline long lc_call5(long n, long a, long b, long c, long d, long e) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  __asm__ volatile("syscall" : "=a"(result) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8) : "rcx", "r11", "memory");
  return result;
}
static inline long lc_call6(long n, long a, long b, long c, long d, long e, long f) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall" : "=a"(result) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
  return result;
}

#elif defined(LASTCALL_FREESTANDING) && defined(__aarch64__)

static inline long lc_call6(long n, long a, long b, long c, long d, long e, long f) {
  register long x8 __asm__("x8") = n;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}
static inline long lc_call5(long n, long a, long b, long c, long d, long e) { return lc_call6(n, a, b, c, d, e, 0); }
static inline long lc_call3(long n, long a, long b, long c) { return lc_call6(n, a, b, c, 0, 0, 0); }

#elif defined(LASTCALL_FREESTANDING)
#error "lastcall-init without a C library is written for x86-64 and AArch64"
#else

static inline long lc_call6(long n, long a, long b, long c, long d, long e, long f) {
  long result = syscall(n, a, b, c, d, e, f);
  return result < 0 ? -(long)errno : result;
}
static inline long lc_call5(long n, long a, long b, long c, long d, long e) { return lc_call6(n, a, b, c, d, e, 0); }
static inline long lc_call3(long n, long a, long b, long c) { return lc_call6(n, a, b, c, 0, 0, 0); }

#endif

#ifdef LASTCALL_FREESTANDING
extern uint64_t lc_inherited_mask; // what was blocked at our start: all is, since then
#endif

// Set by a keeper of replicas alone: in lastcall-init the linker knows that it is all zeros, and drops what asks for it.
extern struct lc_replica {
  char *watchdog_pid;
  uint64_t mask;
  int is_resumed, children_were_ignored;
} lc_replica;

static inline long lc_call2(long n, long a, long b) { return lc_call3(n, a, b, 0); }
static inline long lc_call1(long n, long a) { return lc_call3(n, a, 0, 0); }

#endif
