// What Swift cannot import by itself: raw system calls, macros, and the code between fork and exec.
// Every function returns what the kernel does: a result, or -errno. Compiles against glibc, and without any C library.
#ifndef LASTCALL_CLINUX_H
#define LASTCALL_CLINUX_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// Files.
long lc_open(const char *path, int flags, unsigned mode); // close-on-exec
long lc_open_process_file(int pid, int thread, const char *name); // /proc/PID/NAME, or /proc/PID/task/THREAD/NAME; for reading
long lc_change_directory(const char *path);
long lc_close(int fd);
void lc_close_from(int first); // that one and all above
long lc_read(int fd, void *bytes, unsigned long count);
long lc_write(int fd, const void *bytes, unsigned long count);
long lc_sync(int fd);
long lc_unlink(const char *path);
long lc_rename(const char *from, const char *to);
long lc_check_executable(const char *path); // 0, -EACCES, -EISDIR, -ENOENT, …
long lc_list(int directory, void *entries, unsigned long size); // getdents64(2)
long lc_entry_pid(const void *entries, long *offset); // the entry there when its name is a number, else -1; moves on to the next
long lc_set_cloexec(int fd, int on);
long lc_set_nonblocking(int fd, int on);
long lc_duplicate_above(int fd, int least); // close-on-exec
long lc_duplicate_onto(int fd, int number); // close-on-exec; what was there is closed
long lc_lock_now(int fd); // flock(2), exclusive, without waiting
long lc_pipe(int *ends); // close-on-exec
long lc_poll(struct pollfd *fds, unsigned long count, int64_t timeout); // nanoseconds; below 0 waits without end

// Unix sockets, close-on-exec and non-blocking.
long lc_unix_socket(const char *path, int type, int do_connect); // else bound, its file 0600 from the start
int lc_stream(void);
int lc_datagram(void);
long lc_accept(int fd);
long lc_receive(int fd, void *bytes, unsigned long count);
long lc_send(int fd, const void *bytes, unsigned long count);

// Processes.
int lc_pid(void);
int lc_group(void);
int lc_session(void);
char **lc_environ(void); // where there is a C library
long lc_become_subreaper(void);
void lc_set_precedence(int priority); // 1: we, and none of our children, run before all that is ordinary, where we may; 0: no more
long lc_want_parent_death(int signal); // we get that signal when our parent dies, at once when it already has
long lc_pidfd_open(int pid);
long lc_pidfd_send_signal(int pidfd, int signal);
long lc_kill(int pid, int signal);
long lc_sigqueue(int pid, int signal, long value);
long lc_reap(int *status); // the next child that ended or stopped; 0 when none has, -ECHILD when there is none at all
long lc_terminal_group(int fd);
long lc_set_terminal_group(int fd, int group);

// Signals; in a mask bit n-1 is signal n.
struct lc_arrival {
  int signal;
  int from_kernel; // si_code is SI_KERNEL, as for Ctrl-C
  int is_queued;   // by sigqueue(3), with a value
  int sender;
  long value;
};
long lc_take_signals(uint64_t *inherited); // blocks all, in the normal build but the faults; a signalfd for them
long lc_next_signal(int fd, struct lc_arrival *arrival);
long lc_wait_signal(int64_t timeout, struct lc_arrival *arrival); // as lc_next_signal, but waits; nanoseconds, below 0 without end
int lc_stop_ignoring_children(void); // whether SIGCHLD was ignored: the kernel would reap for us and lose every status (wait(2))

// Cgroups (cgroups(7), version 2).
long lc_open_cgroup(const char *path); // its cgroup.procs; made first unless it is there
void lc_kill_cgroup(const char *path); // KILL to all in it (Linux 5.14)
void lc_remove_cgroup(const char *path);

// Clocks, in nanoseconds.
int64_t lc_now(void);
int64_t lc_wall_clock(void);
// A timer of the wall clock. It is armed for a second since 1970, 0 disarms it; a wait returns 0 when the clock was set meanwhile.
long lc_wall_timer(void);
void lc_wall_timer_arm(int fd, int64_t seconds);
int lc_wall_timer_wait(int fd);

static const int lc_group_inherit = 0, lc_group_own = 1, lc_group_session = 2;

struct lc_spawn {
  const char *const *argv;
  const char *const *environment;
  const char *directory;    // or NULL
  uint64_t mask;            // in force in the program
  uint64_t ignored;         // signals that are ignored in the program (given back, where we had to change it)
  uint64_t defaulted;       // signals that have their default action in the program (what a library of ours ignores)
  int group;                // lc_group_…
  int terminal;             // a descriptor whose foreground group the child becomes, or -1
  int in, out, err;         // its standard descriptors, or -1 to inherit
  const int *placed;        // descriptors that become 3, 4, 5, …; each is at least 3 + placed_count itself
  int placed_count;
  int only_named;           // everything above the placed ones is closed, unless kept: libraries open descriptors without close-on-exec
  int inherits_below;       // if not 0, all that it inherits has numbers below this one, and the others are not even copied for it
  const int *kept;          // descriptors that lose close-on-exec where they are
  int kept_count;
  int *watcher;             // where the pid goes of a process in the new group that sends us a signal for each SIGINT that the
                            // terminal gives the group, or NULL; it dies with us, and is no child for lc_reap
  int cgroup;               // its cgroup.procs (cgroups(7)), which it enters before it becomes the program, or -1
  int tries_shell;          // what has no format that the kernel knows is a script for /bin/sh, as for execvp(3); needs room for one
                            // more before argv
  char *listen_pid;         // where in the environment its pid is written in decimal (12 bytes of room), or NULL
};

// A program that inherits everything, in a group of its own.
struct lc_spawn lc_spawn_inheriting(void);

// Starts a program. When this returns the child has its group and session and has become the program, or *failure says why not.
// All signals are blocked meanwhile, so that no handler of ours runs in the child and none is lost to it.
long lc_spawn(const struct lc_spawn *s, const char *path, int *failure);

// Ends what lc_spawn.watcher named.
void lc_end_watcher(int pid);

// What only a keeper of replicas asks for (ReplicaCalls.c).
long lc_size(int fd); // moves to the end
long lc_truncate(int fd, long size);
long lc_last_byte(int fd); // of a file that can be read; -ENODATA or -EINVAL when it is empty
long lc_read_link(const char *path, char *text, unsigned long size);
long lc_change_owner(const char *path, unsigned user);
long lc_memory_file(const char *name); // survives exec
long lc_rewind(int fd);
int lc_is_same_file(int fd, int other); // one open file under two numbers, as far as the kernel tells (kcmp(2))
long lc_pass_credentials(int fd);
struct lc_message {
  int sender;    // its pid, 0 when it is in no namespace of ours
  unsigned user; // its effective user, ~0 without credentials
  int count;     // how many descriptors came
  int descriptors[253];
};
long lc_receive_message(int fd, void *bytes, unsigned long count, struct lc_message *message); // descriptors are close-on-exec
long lc_send_message(int fd, const void *bytes, unsigned long length, const int *descriptors, int count); // at most 253
unsigned lc_user(void);
long lc_become_user(unsigned user, unsigned group, const unsigned *groups, unsigned long count);
void lc_set_umask(unsigned mask);
long lc_set_limit(int pid, int resource, uint64_t soft, uint64_t hard); // of us for pid 0; ~0 is none
long lc_execute(const char *path, const char *const *argv, const char *const *environment, int gives_mask_back);
void lc_set_watchdog_pid(char *place); // where in the environment programs find their pid as WATCHDOG_PID (12 bytes of room), or NULL
void lc_resume_signals(uint64_t inherited, int children_were_ignored); // what lc_take_signals and lc_stop_ignoring_children are to say
                                                                       // in a keeper that a keeper has become

// Writes a number that is not negative; returns the end of the text, where a NUL is.
char *lc_write_decimal(char *text, int value);

#endif
