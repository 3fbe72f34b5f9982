#if defined(__linux__)
#define _GNU_SOURCE 1
#endif
#include "CSignals.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LC_SIGNALS 64

static _Atomic uint64_t wanted;
static _Atomic uint64_t pending;
static _Atomic uint64_t from_kernel_mask;
static _Atomic int delivering;
static _Atomic int follows_pipe_rules;
static int wake_reader = -1;
static int wake_writer = -1;
static uint64_t ignored_at_start;
// What each signal had before it was caught or ignored here; only written under the lock of the Swift side.
static struct sigaction former[LC_SIGNALS + 1];
static uint64_t changed;

static uint64_t bit_of(int number) { return UINT64_C(1) << (number - 1); }

static int is_valid(int number) { return number >= 1 && number <= LC_SIGNALS; }

// A child has only the thread that forked it: nobody is in the handler, and nobody reads what wakes the parent's reader.
static void begin_child(void) {
  atomic_store(&delivering, 0);
  atomic_store(&pending, 0);
  atomic_store(&from_kernel_mask, 0);
  if (wake_reader >= 0) close(wake_reader);
  if (wake_writer >= 0) close(wake_writer);
  wake_reader = wake_writer = -1;
}

// Before main, since SwiftNIO ignores SIGPIPE as soon as it makes a socket.
__attribute__((constructor)) static void note_start(void) {
  pthread_atfork(NULL, NULL, begin_child);
  for (int number = 1; number <= LC_SIGNALS; number++) {
    struct sigaction now;
    if (sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN) ignored_at_start |= bit_of(number);
  }
}

uint64_t lc_signals_ignored_at_start(void) { return ignored_at_start; }

static int is_fault(int number) {
  switch (number) {
  case SIGILL: case SIGTRAP: case SIGABRT: case SIGBUS: case SIGFPE: case SIGSEGV: case SIGSYS: return 1;
  default: return 0;
  }
}

static void set_default(int number) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = SIG_DFL;
  sigemptyset(&action.sa_mask);
  sigaction(number, &action, NULL);
}

static int is_broken(int descriptor) {
  struct pollfd end = {.fd = descriptor, .events = 0};
  struct stat status;
  if (poll(&end, 1, 0) <= 0) return 0;
  // A socket whose other side is gone says HUP; a pipe without a reader says ERR.
  if (end.revents & POLLERR) return 1;
  return (end.revents & POLLHUP) && fstat(descriptor, &status) == 0 && S_ISSOCK(status.st_mode);
}

static int output_is_broken(void) { return is_broken(1) || is_broken(2); }

static void handle(int number, siginfo_t *info, void *context);

static int is_ours(const struct sigaction *action) { return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == handle; }

static void mark(uint64_t bit, int by_kernel) {
  if (by_kernel) atomic_fetch_or(&from_kernel_mask, bit);
  atomic_fetch_or(&pending, bit);
  char byte = 0;
  // A full pipe wakes the reader as well.
  ssize_t ignored = write(wake_writer, &byte, 1);
  (void)ignored;
}

// Given back between the kernel's choice of the handler and here: the former disposition decides, after the return. Where the handler
// is set all the same, somebody has saved it and put it back, and raising would bring the signal here again and again.
static void pass_on(int number, uint64_t bit, int by_kernel) {
  struct sigaction now;
  if (sigaction(number, NULL, &now) == 0 && is_ours(&now)) {
    if (!(atomic_load(&wanted) & bit)) set_default(number);
    if (atomic_load(&wanted) & bit) {
      // Caught anew meanwhile.
      sigaction(number, &now, NULL);
      mark(bit, by_kernel);
      return;
    }
  }
  raise(number);
}

// The program's own mistake: going on would repeat it for ever, and no thread that reads signals can set it right. A handler that was
// there before, as a crash reporter's, is called as the kernel would call it; by raising the signal it would lose the fault's place.
static void hand_fault_on(int number, siginfo_t *info, void *context) {
  struct sigaction before = former[number];
  int has_handler = (before.sa_flags & SA_SIGINFO) ? before.sa_sigaction != NULL
                                                   : before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN;
  if (!has_handler || (before.sa_flags & SA_RESETHAND)) set_default(number);
  if (!has_handler) {
    raise(number);
    return;
  }
  // After the return the kernel restores the mask.
  pthread_sigmask(SIG_BLOCK, &before.sa_mask, NULL);
  if (before.sa_flags & SA_NODEFER) {
    sigset_t own;
    sigemptyset(&own);
    sigaddset(&own, number);
    pthread_sigmask(SIG_UNBLOCK, &own, NULL);
  }
  if (before.sa_flags & SA_SIGINFO) {
    before.sa_sigaction(number, info, context);
  } else {
    before.sa_handler(number);
  }
}

static void handle(int number, siginfo_t *info, void *context) {
  int saved = errno;
  int by_kernel = info != NULL && info->si_code > 0;
  if (is_fault(number) && by_kernel) {
    // Not counted: the former handler may never return.
    hand_fault_on(number, info, context);
    errno = saved;
    return;
  }
  atomic_fetch_add(&delivering, 1);
  uint64_t bit = bit_of(number);
  if (atomic_load(&wanted) & bit) {
    mark(bit, by_kernel);
  } else if (number == SIGPIPE && atomic_load(&follows_pipe_rules)) {
    if (output_is_broken()) {
      set_default(number);
      raise(number);
    }
  } else {
    pass_on(number, bit, by_kernel);
  }
  atomic_fetch_sub(&delivering, 1);
  errno = saved;
}

static int install(int number) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = handle;
  action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  struct sigaction before;
  // Kept before it is replaced, since a fault may come at once.
  if (sigaction(number, NULL, &before) != 0) return errno;
  if (!(changed & bit_of(number)) && !is_ours(&before)) former[number] = before;
  if (sigaction(number, &action, NULL) != 0) return errno;
  changed |= bit_of(number);
  return 0;
}

int lc_signals_catch(int number) {
  if (!is_valid(number)) return EINVAL;
  // First wanted, then caught: a signal in between is marked, and not raised without end.
  atomic_fetch_or(&wanted, bit_of(number));
  int error = install(number);
  if (error != 0) atomic_fetch_and(&wanted, ~bit_of(number));
  return error;
}

int lc_signals_ignore(int number) {
  if (!is_valid(number)) return EINVAL;
  struct sigaction action, before;
  memset(&action, 0, sizeof action);
  action.sa_handler = SIG_IGN;
  sigemptyset(&action.sa_mask);
  if (sigaction(number, &action, &before) != 0) return errno;
  if (!(changed & bit_of(number)) && !is_ours(&before)) former[number] = before;
  changed |= bit_of(number);
  atomic_fetch_and(&wanted, ~bit_of(number));
  return 0;
}

static int is_still_set_here(int number) {
  struct sigaction now;
  if (sigaction(number, NULL, &now) != 0) return 0;
  return is_ours(&now) || (!(atomic_load(&wanted) & bit_of(number)) && !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_IGN);
}

int lc_signals_is_taken(int number) { return is_valid(number) && (changed & bit_of(number)) && !is_still_set_here(number); }

int lc_signals_give_back(int number, int *taken) {
  *taken = 0;
  if (!is_valid(number)) return EINVAL;
  if (!(changed & bit_of(number))) return 0;
  int error = 0;
  if (number == SIGPIPE && atomic_load(&follows_pipe_rules)) {
    error = install(number);
  } else {
    *taken = !is_still_set_here(number);
    if (!*taken && sigaction(number, &former[number], NULL) != 0) error = errno;
    if (error == 0) changed &= ~bit_of(number);
  }
  // After the disposition, so that a handler that finds the signal unwanted raises it for the former one.
  if (error == 0) atomic_fetch_and(&wanted, ~bit_of(number));
  lc_signals_settle();
  return error;
}

// A handler takes microseconds. Whoever is held up in one for longer than this, or has left it by siglongjmp(3), is not waited for; and a
// thread of a higher real-time priority than the handler's must not only yield.
void lc_signals_settle(void) {
  const struct timespec pause = {.tv_sec = 0, .tv_nsec = 100000};
  for (int tries = 0; tries < 50000 && atomic_load(&delivering) != 0; tries++) {
    if (tries < 1000) {
      sched_yield();
    } else {
      nanosleep(&pause, NULL);
    }
  }
}

uint64_t lc_signals_take(uint64_t *from_kernel) {
  uint64_t taken = atomic_exchange(&pending, 0);
  *from_kernel = taken == 0 ? 0 : atomic_fetch_and(&from_kernel_mask, ~taken) & taken;
  return taken;
}

int lc_signals_is_ignored(int number) {
  struct sigaction now;
  if (!is_valid(number) || sigaction(number, NULL, &now) != 0) return 0;
  return !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_IGN;
}

int lc_signals_pipe_rules(void) {
  if (ignored_at_start & bit_of(SIGPIPE)) return 0;
  atomic_store(&follows_pipe_rules, 1);
  if (atomic_load(&wanted) & bit_of(SIGPIPE)) return 0;
  return install(SIGPIPE);
}

// The thread that takes no part in the concurrency pool: it unblocks every signal, which pool threads block.
static void read_wakes(void *wake) {
  lc_signals_wake call = (lc_signals_wake)wake;
  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, NULL);
  char bytes[256];
  for (;;) {
    ssize_t count = read(wake_reader, bytes, sizeof bytes);
    if (count > 0) {
      call();
    } else if (count == 0 || (errno != EINTR && errno != EAGAIN)) {
      return;
    }
  }
}

int lc_signals_start(lc_signals_wake wake) {
  if (wake_reader >= 0) return 0;
  int ends[2];
  if (pipe(ends) != 0) return errno;
  for (int index = 0; index < 2; index++) fcntl(ends[index], F_SETFD, FD_CLOEXEC);
  fcntl(ends[1], F_SETFL, O_NONBLOCK);
  wake_reader = ends[0];
  wake_writer = ends[1];
  int error = lc_signals_thread("signals", read_wakes, (void *)wake);
  if (error != 0) {
    close(ends[0]);
    close(ends[1]);
    wake_reader = wake_writer = -1;
  }
  return error;
}
