// What Swift cannot import by itself: variadic calls, macros, raw system calls, and the code between fork and exec.
// Compiles against glibc and musl. Every function returns what the kernel does: a result, or -errno.
#ifndef LASTCALL_CLINUX_H
#define LASTCALL_CLINUX_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#ifndef PR_SET_CHILD_SUBREAPER
#define PR_SET_CHILD_SUBREAPER 36
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

extern char **environ;

static inline long lc_result(long result) { return result < 0 ? -(long)errno : result; }
static inline int lc_last_error(void) { return errno; }
static inline int lc_si_kernel(void) { return SI_KERNEL; }
static inline int lc_stream(void) { return SOCK_STREAM; }
static inline int lc_datagram(void) { return SOCK_DGRAM; }
static inline int lc_is_directory(const char *path) {
  struct stat s;
  return stat(path, &s) == 0 && S_ISDIR(s.st_mode);
}
static inline char **lc_environ(void) { return environ; }

static inline long lc_open(const char *path, int flags, unsigned mode) { return lc_result(open(path, flags | O_CLOEXEC, mode)); }
static inline long lc_openat(int directory, const char *path, int flags, unsigned mode) {
  return lc_result(openat(directory, path, flags | O_CLOEXEC, mode));
}
static inline long lc_set_cloexec(int fd, int on) { return lc_result(fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0)); }
static inline long lc_is_open(int fd) { return lc_result(fcntl(fd, F_GETFD)); }
static inline long lc_set_nonblocking(int fd, int on) {
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return -(long)errno;
  return lc_result(fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK));
}
static inline long lc_duplicate_above(int fd, int least) { return lc_result(fcntl(fd, F_DUPFD_CLOEXEC, least)); }

static inline long lc_become_subreaper(void) { return lc_result(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)); }
static inline long lc_pidfd_open(int pid) { return lc_result(syscall(SYS_pidfd_open, pid, 0)); }
static inline long lc_pidfd_send_signal(int pidfd, int signal) {
  return lc_result(syscall(SYS_pidfd_send_signal, pidfd, signal, (void *)0, 0));
}
static inline long lc_kill(int pid, int signal) { return lc_result(kill(pid, signal)); }
static inline long lc_sigqueue(int pid, int signal, long value) {
  union sigval v;
  v.sival_ptr = (void *)value;
  return lc_result(sigqueue(pid, signal, v));
}

// A signalfd for every signal a process may get from others; the mask that was in force is put into *inherited.
// The faults stay unblocked: a fault of our own must end us.
static inline long lc_take_signals(sigset_t *inherited) {
  sigset_t all;
  sigfillset(&all);
  int faults[] = {SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS};
  for (unsigned i = 0; i < sizeof faults / sizeof *faults; i++) sigdelset(&all, faults[i]);
  if (sigprocmask(SIG_SETMASK, &all, inherited) < 0) return -(long)errno;
  return lc_result(signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK));
}

// An ignored SIGCHLD would make the kernel reap for us and lose every status (wait(2)). Returns whether it was ignored.
static inline int lc_stop_ignoring_children(void) {
  struct sigaction old, plain;
  memset(&plain, 0, sizeof plain);
  plain.sa_handler = SIG_DFL;
  if (sigaction(SIGCHLD, &plain, &old) < 0) return 0;
  return old.sa_handler == SIG_IGN;
}

static inline int64_t lc_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
static inline int64_t lc_wall_clock(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline long lc_poll(struct pollfd *fds, unsigned long count, int64_t timeout) {
  struct timespec t, *limit = (struct timespec *)0;
  if (timeout >= 0) {
    t.tv_sec = timeout / 1000000000;
    t.tv_nsec = timeout % 1000000000;
    limit = &t;
  }
  return lc_result(ppoll(fds, count, limit, (const sigset_t *)0));
}

// The next child that ended or stopped; 0 when none has, -ECHILD when there is none at all.
static inline long lc_reap(int *status) { return lc_result(waitpid(-1, status, WNOHANG | WUNTRACED)); }
static inline long lc_reap_one(int pid, int *status) { return lc_result(waitpid(pid, status, WNOHANG)); }

static inline long lc_terminal_group(int fd) { return lc_result(tcgetpgrp(fd)); }
static inline long lc_set_terminal_group(int fd, int group) { return lc_result(tcsetpgrp(fd, group)); }

static inline long lc_flock(int fd, int operation) { return lc_result(flock(fd, operation)); }
static inline int lc_lock_exclusive_now(void) { return LOCK_EX | LOCK_NB; }

// A unix socket bound to a path, its file 0600 from the start. Bind relative to a directory descriptor through
// /proc/self/fd when the path is longer than sun_path holds (unix(7): 107 bytes and the NUL).
static inline long lc_unix_socket(const char *path, int type, int do_connect) {
  struct sockaddr_un address;
  if (strlen(path) >= sizeof address.sun_path) return -ENAMETOOLONG;
  memset(&address, 0, sizeof address);
  address.sun_family = AF_UNIX;
  strcpy(address.sun_path, path);
  int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -(long)errno;
  int failed;
  if (do_connect) {
    failed = connect(fd, (struct sockaddr *)&address, sizeof address) < 0;
  } else {
    mode_t mask = umask(0177);
    failed = bind(fd, (struct sockaddr *)&address, sizeof address) < 0;
    if (!failed && type == SOCK_STREAM) failed = listen(fd, 64) < 0;
    umask(mask);
  }
  if (failed) {
    long error = errno;
    close(fd);
    return -error;
  }
  return fd;
}
static inline long lc_accept(int fd) { return lc_result(accept4(fd, (struct sockaddr *)0, (socklen_t *)0, SOCK_CLOEXEC | SOCK_NONBLOCK)); }
static inline long lc_receive(int fd, void *bytes, unsigned long count) { return lc_result(recv(fd, bytes, count, MSG_DONTWAIT)); }
static inline long lc_send(int fd, const void *bytes, unsigned long count) {
  return lc_result(send(fd, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL));
}
static inline long lc_read(int fd, void *bytes, unsigned long count) { return lc_result(read(fd, bytes, count)); }
static inline long lc_write(int fd, const void *bytes, unsigned long count) { return lc_result(write(fd, bytes, count)); }
static inline long lc_pipe(int *ends) { return lc_result(pipe2(ends, O_CLOEXEC)); }

// One entry of a directory; 0 at its end.
static inline const char *lc_next_entry(DIR *directory) {
  struct dirent *entry = readdir(directory);
  return entry ? entry->d_name : (const char *)0;
}

static const int lc_group_inherit = 0, lc_group_own = 1, lc_group_session = 2;

struct lc_spawn {
  const char *const *argv;
  const char *const *environment;
  const char *directory;    // or NULL
  const sigset_t *mask;     // in force in the program
  uint64_t ignored;         // bit n-1: signal n is ignored in the program (given back, where we had to change it)
  uint64_t defaulted;       // bit n-1: signal n has its default action in the program (what a library of ours ignores)
  int group;                // lc_group_…
  int terminal;             // a descriptor whose foreground group the child becomes, or -1
  int in, out, err;         // its standard descriptors, or -1 to inherit
  const int *placed;        // descriptors that become 3, 4, 5, …; each is at least 3 + placed_count itself
  int placed_count;
  int only_named;           // everything above the placed ones is closed, unless kept: libraries open descriptors without close-on-exec
  const int *kept;          // descriptors that lose close-on-exec where they are
  int kept_count;
  char *listen_pid;         // where in the environment its pid is written in decimal (12 bytes of room), or NULL
};

static inline void lc_write_decimal(char *text, int value) {
  char digits[12];
  int count = 0;
  do { digits[count++] = (char)('0' + value % 10); value /= 10; } while (value > 0);
  while (count > 0) *text++ = digits[--count];
  *text = 0;
}

static inline int lc_child(const struct lc_spawn *s, const char *path) {
  if (s->group == lc_group_session) setsid();
  if (s->group == lc_group_own) setpgid(0, 0);
  if (s->terminal >= 0) {
    sigset_t background;
    sigemptyset(&background);
    sigaddset(&background, SIGTTOU);
    sigprocmask(SIG_BLOCK, &background, (sigset_t *)0);
    tcsetpgrp(s->terminal, getpid());
  }
  if (s->in >= 0 && dup2(s->in, 0) < 0) return errno;
  if (s->out >= 0 && dup2(s->out, 1) < 0) return errno;
  if (s->err >= 0 && dup2(s->err, 2) < 0) return errno;
  for (int i = 0; i < s->placed_count; i++)
    if (dup2(s->placed[i], 3 + i) < 0) return errno;
  if (s->only_named) {
    unsigned first = 3 + (unsigned)s->placed_count;
    if (syscall(SYS_close_range, first, ~0u, 1u << 2 /* CLOSE_RANGE_CLOEXEC */) < 0)
      for (int fd = (int)first; fd < 65536; fd++) fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
  for (int i = 0; i < s->kept_count; i++) fcntl(s->kept[i], F_SETFD, 0);
  if (s->directory && chdir(s->directory) < 0) return errno;
  if (s->listen_pid) lc_write_decimal(s->listen_pid, getpid());
  for (int n = 1; n <= 64; n++) {
    uint64_t bit = (uint64_t)1 << (n - 1);
    if (s->ignored & bit) signal(n, SIG_IGN);
    if (s->defaulted & bit) signal(n, SIG_DFL);
  }
  sigprocmask(SIG_SETMASK, s->mask, (sigset_t *)0);
  execve(path, (char *const *)s->argv, (char *const *)s->environment);
  return errno;
}

// Starts a program. Everything that decides who gets a signal is done when this returns: the child has its group and session and
// has become the program, or *failure says why not. All signals are blocked meanwhile, so that no handler of ours runs in the child
// and none is lost to it.
static inline long lc_spawn(const struct lc_spawn *s, const char *path, int *failure) {
  int ends[2];
  sigset_t all, before;
  *failure = 0;
  if (pipe2(ends, O_CLOEXEC) < 0) return -(long)errno;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  pid_t pid = fork();
  if (pid < 0) {
    long error = errno;
    close(ends[0]);
    close(ends[1]);
    sigprocmask(SIG_SETMASK, &before, (sigset_t *)0);
    return -error;
  }
  if (pid == 0) {
    int error = lc_child(s, path);
    while (write(ends[1], &error, sizeof error) < 0 && errno == EINTR) {}
    _exit(127);
  }
  sigprocmask(SIG_SETMASK, &before, (sigset_t *)0);
  close(ends[1]);
  ssize_t count;
  do { count = read(ends[0], failure, sizeof *failure); } while (count < 0 && errno == EINTR);
  close(ends[0]);
  if (count != sizeof *failure) *failure = 0;
  else waitpid(pid, (int *)0, 0);
  return pid;
}

#endif
