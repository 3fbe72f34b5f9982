// The least a PID 1 can lose: its very first act is to block every signal, then it waits for SIGTERM and ends.
//
// The kernel drops a signal for PID 1 of a namespace that is neither blocked nor caught when it comes. Between execve and the first
// system call of the new program there is always such a moment, whatever the program is; what this one loses is that moment alone.
// No C library, no static data: the first instruction's page and the stack are all it touches.

#include <asm/unistd.h>
#include <signal.h>

static inline long system_call(long number, long a, long b, long c, long d) {
#if defined(__x86_64__)
  long result;
  register long r10 __asm__("r10") = d;
  __asm__ volatile("syscall" : "=a"(result) : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
  return x0;
#else
#error "the system call of this architecture is not described here"
#endif
}

__attribute__((noreturn)) void _start(void) {
  unsigned long every = ~0UL;
  system_call(__NR_rt_sigprocmask, SIG_SETMASK, (long)&every, 0, sizeof every);
  unsigned long term = 1UL << (SIGTERM - 1);
  system_call(__NR_rt_sigtimedwait, (long)&term, 0, 0, sizeof term);
  for (;;) system_call(__NR_exit_group, 0, 0, 0, 0);
}
