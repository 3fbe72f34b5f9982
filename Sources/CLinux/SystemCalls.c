// Here and not in the header: there it would give the modules that share system headers with ours other definitions of them.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "CLinux.h"
#include "SystemCall.h"
#ifndef LASTCALL_FREESTANDING
#include <sched.h>
#endif
#include <sys/prctl.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

// MARK: Files

static long open_at(const char *path, int flags, unsigned mode) {
  return lc_call5(SYS_openat, AT_FDCWD, (long)path, flags | O_CLOEXEC, mode, 0);
}
long lc_open(const char *path, int flags, unsigned mode) { return open_at(path, flags, mode); }

static char *append(char *end, const char *text) {
  while ((*end = *text++)) end++;
  return end;
}

long lc_open_process_file(int pid, int thread, const char *name) {
  char path[64];
  char *end = lc_write_decimal(append(path, "/proc/"), pid);
  if (thread > 0) end = lc_write_decimal(append(end, "/task/"), thread);
  append(append(end, "/"), name);
  return open_at(path, O_RDONLY, 0);
}

long lc_change_directory(const char *path) { return lc_call1(SYS_chdir, (long)path); }
void lc_close_from(int first) {
  if (lc_call3(SYS_close_range, first, ~0u, 0) < 0)
    for (int fd = first; fd < 65536; fd++) lc_close(fd);
}
long lc_close(int fd) { return lc_call1(SYS_close, fd); }
long lc_read(int fd, void *bytes, unsigned long count) { return lc_call3(SYS_read, fd, (long)bytes, count); }
long lc_write(int fd, const void *bytes, unsigned long count) { return lc_call3(SYS_write, fd, (long)bytes, count); }
long lc_sync(int fd) { return lc_call1(SYS_fsync, fd); }
long lc_unlink(const char *path) { return lc_call3(SYS_unlinkat, AT_FDCWD, (long)path, 0); }
long lc_rename(const char *from, const char *to) { return lc_call5(SYS_renameat2, AT_FDCWD, (long)from, AT_FDCWD, (long)to, 0); }

long lc_check_executable(const char *path) {
  long denied = lc_call3(SYS_faccessat, AT_FDCWD, (long)path, X_OK);
  if (denied < 0) return denied;
  long directory = open_at(path, O_PATH | O_DIRECTORY, 0);
  if (directory < 0) return 0;
  lc_close((int)directory);
  return -EISDIR;
}

long lc_list(int directory, void *entries, unsigned long size) { return lc_call3(SYS_getdents64, directory, (long)entries, size); }

// struct linux_dirent64 of getdents(2): d_ino, d_off, d_reclen, d_type, d_name.
long lc_entry_pid(const void *entries, long *offset) {
  const char *entry = (const char *)entries + *offset;
  unsigned short length;
  memcpy(&length, entry + 16, sizeof length);
  *offset += length;
  long pid = 0;
  for (const char *digit = entry + 19; *digit; digit++) {
    if (*digit < '0' || *digit > '9') return -1;
    if (pid > 99999999) return -1;
    pid = pid * 10 + (*digit - '0');
  }
  return pid;
}

long lc_set_cloexec(int fd, int on) { return lc_call3(SYS_fcntl, fd, F_SETFD, on ? FD_CLOEXEC : 0); }
long lc_set_nonblocking(int fd, int on) {
  long flags = lc_call2(SYS_fcntl, fd, F_GETFL);
  if (flags < 0) return flags;
  return lc_call3(SYS_fcntl, fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}
long lc_duplicate_above(int fd, int least) { return lc_call3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, least); }
long lc_lock_now(int fd) { return lc_call2(SYS_flock, fd, LOCK_EX | LOCK_NB); }
long lc_pipe(int *ends) { return lc_call2(SYS_pipe2, (long)ends, O_CLOEXEC); }

long lc_poll(struct pollfd *fds, unsigned long count, int64_t timeout) {
  struct timespec limit = {.tv_sec = timeout / 1000000000, .tv_nsec = timeout % 1000000000};
  return lc_call5(SYS_ppoll, (long)fds, count, timeout < 0 ? 0 : (long)&limit, 0, 0);
}

// MARK: Unix sockets

int lc_stream(void) { return SOCK_STREAM; }
int lc_datagram(void) { return SOCK_DGRAM; }

long lc_unix_socket(const char *path, int type, int do_connect) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  unsigned long length = 0;
  while (path[length]) {
    if (length == sizeof address.sun_path - 1) return -ENAMETOOLONG;
    address.sun_path[length] = path[length];
    length++;
  }
  long fd = lc_call3(SYS_socket, AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return fd;
  long result;
  if (do_connect) {
    result = lc_call3(SYS_connect, fd, (long)&address, sizeof address);
  } else {
    long mask = lc_call1(SYS_umask, 0177);
    result = lc_call3(SYS_bind, fd, (long)&address, sizeof address);
    lc_call1(SYS_umask, mask);
    if (result == 0 && type == SOCK_STREAM) result = lc_call2(SYS_listen, fd, 64);
  }
  if (result == 0) return fd;
  lc_close((int)fd);
  return result;
}

long lc_accept(int fd) { return lc_call5(SYS_accept4, fd, 0, 0, SOCK_CLOEXEC | SOCK_NONBLOCK, 0); }
long lc_receive(int fd, void *bytes, unsigned long count) {
  return lc_call6(SYS_recvfrom, fd, (long)bytes, count, MSG_DONTWAIT, 0, 0);
}
long lc_send(int fd, const void *bytes, unsigned long count) {
  return lc_call6(SYS_sendto, fd, (long)bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0);
}

// MARK: Processes

#ifndef LASTCALL_FREESTANDING
extern char **environ;
char **lc_environ(void) { return environ; }
#endif

int lc_pid(void) { return (int)lc_call1(SYS_getpid, 0); }
int lc_group(void) { return (int)lc_call1(SYS_getpgid, 0); }
int lc_session(void) { return (int)lc_call1(SYS_getsid, 0); }
long lc_become_subreaper(void) { return lc_call5(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); }
void lc_set_precedence(int priority) {
  int ordinary = SCHED_OTHER, ours = SCHED_RR | SCHED_RESET_ON_FORK;
  // Whoever has given us another policy keeps it.
  if (lc_call1(SYS_sched_getscheduler, 0) == (priority ? ordinary : ours))
    lc_call3(SYS_sched_setscheduler, 0, priority ? ours : ordinary, (long)&priority);
}
long lc_want_parent_death(int signal) {
  long parent = lc_call1(SYS_getppid, 0);
  long result = lc_call5(SYS_prctl, PR_SET_PDEATHSIG, signal, 0, 0, 0);
  if (lc_call1(SYS_getppid, 0) != parent) lc_kill(lc_pid(), signal);
  return result;
}
long lc_pidfd_open(int pid) { return lc_call2(SYS_pidfd_open, pid, 0); }
long lc_pidfd_send_signal(int pidfd, int signal) { return lc_call5(SYS_pidfd_send_signal, pidfd, signal, 0, 0, 0); }
long lc_kill(int pid, int signal) { return lc_call2(SYS_kill, pid, signal); }

long lc_sigqueue(int pid, int signal, long value) {
  siginfo_t info;
  memset(&info, 0, sizeof info);
  info.si_signo = signal;
  info.si_code = SI_QUEUE;
  info.si_pid = lc_pid();
  info.si_uid = (unsigned)lc_call1(SYS_getuid, 0);
  info.si_value.sival_ptr = (void *)value;
  return lc_call3(SYS_rt_sigqueueinfo, pid, signal, (long)&info);
}

long lc_reap(int *status) { return lc_call5(SYS_wait4, -1, (long)status, WNOHANG | WUNTRACED, 0, 0); }

long lc_terminal_group(int fd) {
  int group;
  long result = lc_call3(SYS_ioctl, fd, TIOCGPGRP, (long)&group);
  return result < 0 ? result : group;
}
long lc_set_terminal_group(int fd, int group) { return lc_call3(SYS_ioctl, fd, TIOCSPGRP, (long)&group); }

// MARK: Signals

#define BIT(signal) ((uint64_t)1 << ((signal) - 1))

#ifdef LASTCALL_FREESTANDING
// A fault of our own ends us although it is blocked (sigprocmask(2)); what somebody sends is passed on.
static const uint64_t left_alone = 0;
#else
// Backtraces and sanitizers catch faults. A C library's threads need 32 and 33 for themselves (nptl(7)).
static const uint64_t left_alone =
    BIT(SIGILL) | BIT(SIGTRAP) | BIT(SIGBUS) | BIT(SIGFPE) | BIT(SIGSEGV) | BIT(SIGSYS) | BIT(32) | BIT(33);
#endif

long lc_take_signals(uint64_t *inherited) {
  uint64_t taken = ~left_alone;
#ifdef LASTCALL_FREESTANDING
  *inherited = lc_inherited_mask;
#else
  long result = lc_call5(SYS_rt_sigprocmask, SIG_SETMASK, (long)&taken, (long)inherited, sizeof taken, 0);
  if (result < 0) return result;
#endif
  if (lc_replica.is_resumed) *inherited = lc_replica.mask;
  return lc_call5(SYS_signalfd4, -1, (long)&taken, sizeof taken, SFD_CLOEXEC | SFD_NONBLOCK, 0);
}

long lc_next_signal(int fd, struct lc_arrival *arrival) {
  struct signalfd_siginfo info;
  long result = lc_read(fd, &info, sizeof info);
  if (result < 0) return result;
  arrival->signal = (int)info.ssi_signo;
  arrival->from_kernel = info.ssi_code == SI_KERNEL;
  arrival->is_queued = info.ssi_code == SI_QUEUE;
  arrival->sender = (int)info.ssi_pid;
  arrival->value = (long)info.ssi_ptr;
  return 1;
}

long lc_wait_signal(int64_t timeout, struct lc_arrival *arrival) {
  uint64_t taken = ~left_alone;
  struct timespec limit = {.tv_sec = timeout / 1000000000, .tv_nsec = timeout % 1000000000};
  siginfo_t info;
  long result = lc_call5(SYS_rt_sigtimedwait, (long)&taken, (long)&info, timeout < 0 ? 0 : (long)&limit, sizeof taken, 0);
  if (result < 0) return result;
  arrival->signal = (int)result;
  arrival->from_kernel = info.si_code == SI_KERNEL;
  arrival->is_queued = info.si_code == SI_QUEUE;
  arrival->sender = info.si_pid;
  arrival->value = (long)info.si_value.sival_ptr;
  return 1;
}

// The kernel's struct sigaction, as both architectures have it.
struct kernel_sigaction {
  void (*handler)(int);
  unsigned long flags;
  void (*restorer)(void);
  uint64_t mask;
};

int lc_stop_ignoring_children(void) {
  struct kernel_sigaction plain = {.handler = SIG_DFL}, old = {.handler = SIG_DFL};
  lc_call5(SYS_rt_sigaction, SIGCHLD, (long)&plain, (long)&old, sizeof plain.mask, 0);
  return old.handler == SIG_IGN || lc_replica.children_were_ignored;
}

// MARK: Cgroups

static long open_in_cgroup(const char *path, const char *name) {
  long directory = open_at(path, O_PATH | O_DIRECTORY, 0);
  if (directory < 0) return directory;
  long fd = lc_call5(SYS_openat, directory, (long)name, O_WRONLY | O_CLOEXEC, 0, 0);
  lc_close((int)directory);
  return fd;
}

long lc_open_cgroup(const char *path) {
  lc_call3(SYS_mkdirat, AT_FDCWD, (long)path, 0755);
  return open_in_cgroup(path, "cgroup.procs");
}

void lc_kill_cgroup(const char *path) {
  long fd = open_in_cgroup(path, "cgroup.kill");
  lc_write((int)fd, "1", 1);
  lc_close((int)fd);
}

void lc_remove_cgroup(const char *path) { lc_call3(SYS_unlinkat, AT_FDCWD, (long)path, AT_REMOVEDIR); }

// MARK: Clocks

static int64_t clock_time(int clock) {
  struct timespec t = {0, 0};
  lc_call2(SYS_clock_gettime, clock, (long)&t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
int64_t lc_now(void) { return clock_time(CLOCK_MONOTONIC); }
int64_t lc_wall_clock(void) { return clock_time(CLOCK_REALTIME); }

long lc_wall_timer(void) {
  int fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

void lc_wall_timer_arm(int fd, int64_t seconds) {
  struct itimerspec when = {.it_value = {.tv_sec = seconds}};
  timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &when, NULL);
}

int lc_wall_timer_wait(int fd) {
  uint64_t count;
  ssize_t length;
  do length = read(fd, &count, sizeof count);
  while (length < 0 && errno == EINTR);
  return length == sizeof count;
}

// MARK: Starting a program

struct lc_spawn lc_spawn_inheriting(void) {
  struct lc_spawn s = {.group = lc_group_own, .terminal = -1, .in = -1, .out = -1, .err = -1, .cgroup = -1};
  return s;
}

char *lc_write_decimal(char *text, int value) {
  char digits[12];
  int count = 0;
  do {
    digits[count++] = (char)('0' + value % 10);
    value /= 10;
  } while (value > 0);
  while (count > 0) *text++ = digits[--count];
  *text = 0;
  return text;
}

static void set_mask(uint64_t mask, uint64_t *before) {
  lc_call5(SYS_rt_sigprocmask, SIG_SETMASK, (long)&mask, (long)before, sizeof mask, 0);
}

static long duplicate_onto(int fd, int number) { return fd < 0 ? 0 : lc_call3(SYS_dup3, fd, number, 0); }

#ifndef LASTCALL_FREESTANDING
long lc_duplicate_onto(int fd, int number) { return lc_call3(SYS_dup3, fd, number, O_CLOEXEC); }

// What only full Swift asks for.
static long place(const struct lc_spawn *s) {
  long result;
  for (int i = 0; i < s->placed_count; i++)
    if ((result = duplicate_onto(s->placed[i], i + 3)) < 0) return result;
  if (s->only_named && lc_call3(SYS_close_range, 3 + s->placed_count, ~0u, 1u << 2 /* CLOSE_RANGE_CLOEXEC */) < 0)
    for (int fd = 3 + s->placed_count; fd < 65536; fd++) lc_set_cloexec(fd, 1);
  return s->directory ? lc_change_directory(s->directory) : 0;
}
#endif

// In the new process, every signal blocked; returns only -errno.
static long become(const struct lc_spawn *s, const char *path) {
  long result;
  if (s->group == lc_group_session) lc_call1(SYS_setsid, 0);
  if (s->cgroup >= 0 && (result = lc_write(s->cgroup, "0", 1)) < 0) return result;
  if (s->terminal >= 0) lc_set_terminal_group(s->terminal, lc_pid());
  const int standard[] = {s->in, s->out, s->err};
  for (int i = 0; i < 3; i++)
    if ((result = duplicate_onto(standard[i], i)) < 0) return result;
#ifndef LASTCALL_FREESTANDING
  if ((result = place(s)) < 0) return result;
#endif
  for (int i = 0; i < s->kept_count; i++) lc_set_cloexec(s->kept[i], 0);
  if (s->listen_pid) lc_write_decimal(s->listen_pid, lc_pid());
  if (lc_replica.watchdog_pid) lc_write_decimal(lc_replica.watchdog_pid, lc_pid());
  for (int n = 1; n <= 64; n++) {
    struct kernel_sigaction action = {.handler = s->ignored & BIT(n) ? SIG_IGN : SIG_DFL};
    if ((s->ignored | s->defaulted) & BIT(n)) lc_call5(SYS_rt_sigaction, n, (long)&action, 0, sizeof action.mask, 0);
  }
  set_mask(s->mask, 0);
  result = lc_call3(SYS_execve, (long)path, (long)s->argv, (long)s->environment);
  if (result == -ENOEXEC && s->tries_shell) {
    const char **argv = (const char **)s->argv;
    *argv-- = path;
    lc_call3(SYS_execve, (long)(*argv = "/bin/sh"), (long)argv, (long)s->environment);
  }
  return result;
}

// See lc_spawn.watcher.
static int watch_interrupts(int group) {
  int keeper = lc_pid();
  // No exit signal: wait4(2) passes over it, and an empty tree is still ECHILD.
  int pid = (int)lc_call5(SYS_clone, 0, 0, 0, 0, 0);
  if (pid != 0) {
    // Here, so that it is in the group when we return; its signals are blocked, and wait for it.
    if (pid > 0) lc_call2(SYS_setpgid, pid, group);
    return pid;
  }
  lc_call5(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  lc_close_from(0);
  uint64_t interrupt = (uint64_t)1 << (SIGINT - 1);
  siginfo_t info;
  while (lc_call1(SYS_getppid, 0) == keeper)
    // What a process sends to the group it sends to the program too, and is no Ctrl-C.
    if (lc_call5(SYS_rt_sigtimedwait, (long)&interrupt, (long)&info, 0, sizeof interrupt, 0) == SIGINT && info.si_code == SI_KERNEL)
      // A real-time signal, for those queue.
      lc_kill(keeper, 64);
  for (;;) lc_call1(SYS_exit_group, 0);
}

void lc_end_watcher(int pid) {
  lc_kill(pid, SIGKILL);
  lc_call5(SYS_wait4, pid, 0, 0x40000000 /* __WALL */, 0, 0);
}

#ifndef LASTCALL_FREESTANDING
// What the child of spawn_sharing is given, and what it says.
struct sharing {
  const struct lc_spawn *s;
  const char *path;
  int failure;
};

static int become_sharing(void *given) {
  struct sharing *sharing = given;
  int limit = sharing->s->inherits_below;
  // Where close_range(2) is unknown, the whole table is copied after all.
  if (limit > 0 && lc_call3(SYS_close_range, limit, ~0u, 1u << 1 /* CLOSE_RANGE_UNSHARE */) < 0) lc_call1(SYS_unshare, CLONE_FILES);
  if (sharing->s->group == lc_group_own) lc_call2(SYS_setpgid, 0, 0);
  sharing->failure = (int)-become(sharing->s, sharing->path);
  for (;;) lc_call1(SYS_exit_group, 127);
}

// As vfork(2), with a stack of its own: nothing of a large process is copied, and our thread waits until the child is the program.
static long spawn_sharing(const struct lc_spawn *s, const char *path, int *failure) {
  char stack[16384] __attribute__((aligned(16)));
  struct sharing sharing = {s, path, 0};
  uint64_t before;
  set_mask(~(uint64_t)0, &before);
  int shared = CLONE_VM | CLONE_VFORK | (s->inherits_below > 0 ? CLONE_FILES : 0);
  long pid = clone(become_sharing, stack + sizeof stack, shared | SIGCHLD, &sharing);
  if (pid < 0) pid = -errno;
  set_mask(before, 0);
  *failure = sharing.failure;
  if (pid > 0 && *failure) lc_call5(SYS_wait4, pid, 0, 0, 0, 0);
  return pid;
}
#endif

long lc_spawn(const struct lc_spawn *s, const char *path, int *failure) {
  int ends[2], hold[2] = {-1, -1};
  uint64_t before;
  *failure = 0;
#ifndef LASTCALL_FREESTANDING
  if (!s->watcher && !s->tries_shell) return spawn_sharing(s, path, failure);
#endif
  long result = lc_pipe(ends);
  if (result < 0) return result;
  if (s->watcher) lc_pipe(hold);
  set_mask(~(uint64_t)0, &before);
  // A fork without the C library's: its child makes nothing but system calls.
  long pid = lc_call5(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) {
    char byte;
    if (s->group == lc_group_own) lc_call2(SYS_setpgid, 0, 0);
    // The program must not run before its group is watched.
    lc_close(hold[1]);
    lc_read(hold[0], &byte, 1);
    int error = (int)-become(s, path);
    while (lc_write(ends[1], &error, sizeof error) == -EINTR) {}
    for (;;) lc_call1(SYS_exit_group, 127);
  }
  if (pid > 0 && s->watcher) {
    lc_call2(SYS_setpgid, pid, pid);
    *s->watcher = watch_interrupts((int)pid);
  }
  lc_close(hold[1]);
  lc_close(hold[0]);
  set_mask(before, 0);
  lc_close(ends[1]);
  if (pid > 0) {
    while ((result = lc_read(ends[0], failure, sizeof *failure)) == -EINTR) {}
    if (result == sizeof *failure) lc_call5(SYS_wait4, pid, 0, 0, 0, 0);
    else *failure = 0;
  }
  lc_close(ends[0]);
  return pid;
}
