#define _GNU_SOURCE
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

long long nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

void fail(const char *what) {
  fprintf(stderr, "measure: %s: %s\n", what, strerror(errno));
  exit(1);
}

// Inits look at their tree in /proc, so a namespace needs its own.
static bool mount_proc(void) {
  return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 && mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0;
}

void contain(void) {
  if (unshare(CLONE_NEWPID | CLONE_NEWNS) == -1) fail("a PID namespace (root is needed)");
  pid_t first = fork();
  if (first == -1) fail("fork");
  if (first != 0) {
    int status = 0;
    while (waitpid(first, &status, 0) == -1 && errno == EINTR) continue;
    exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (!mount_proc()) fail("/proc of the namespace");
}

_Noreturn static void become(char **command, enum place place, int output, int executed) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  if ((place == AS_CHILD || mount_proc()) && nothing != -1 && dup2(nothing, STDIN_FILENO) != -1 && dup2(output, STDOUT_FILENO) != -1 &&
      dup2(nothing, STDERR_FILENO) != -1)
    execv(command[0], command);
  char reason = (char)errno;
  if (write(executed, &reason, 1) != 1) _exit(126);
  _exit(127);
}

struct run start(char **command, enum place place) {
  int output[2], executed[2];
  if (pipe2(output, O_CLOEXEC) == -1 || pipe2(executed, O_CLOEXEC) == -1) fail("pipe");
  long flags = SIGCHLD | (place == AS_PID_1 ? CLONE_NEWPID | CLONE_NEWNS : 0);
  pid_t pid = (pid_t)syscall(SYS_clone, flags, 0, 0, 0, 0);
  if (pid == -1) fail("clone");
  if (pid == 0) become(command, place, output[1], executed[1]);
  close(output[1]);
  close(executed[1]);
  // execve closes the other end when it can no longer fail. Looked at without sleeping, for the moment matters.
  fcntl(executed[0], F_SETFL, O_NONBLOCK);
  char reason;
  ssize_t count;
  while ((count = read(executed[0], &reason, 1)) == -1) continue;
  struct run run = {pid, output[0], nanoseconds()};
  close(executed[0]);
  if (count == 0) return run;
  errno = reason;
  fail(command[0]);
}

bool readable(const struct run *run, long long milliseconds) {
  struct pollfd wanted = {run->output, POLLIN, 0};
  return poll(&wanted, 1, milliseconds > 0 ? (int)milliseconds : 0) > 0;
}

void receive(const struct run *run, void *bytes, size_t count, long long milliseconds) {
  long long end = nanoseconds() + milliseconds * 1000000;
  for (size_t have = 0; have < count;) {
    errno = ETIMEDOUT;
    if (!readable(run, (end - nanoseconds()) / 1000000)) fail("no report from what init keeps");
    ssize_t more = read(run->output, (char *)bytes + have, count - have);
    errno = ECHILD;
    if (more <= 0) fail("init and what it keeps have ended too early");
    have += more;
  }
}

void finish(struct run *run) {
  while (waitpid(run->pid, NULL, 0) == -1 && errno == EINTR) continue;
  close(run->output);
}

void reap_strangers(void) {
  while (waitpid(-1, NULL, WNOHANG) > 0) continue;
}
