// What an init is given to keep while it is measured: `load KIND ...`. Reports go to standard output, which the measuring program
// reads: R when there is something to signal, T when SIGTERM was received, F when a worker has finished its cleanup.
//
// Every kind ends by itself after LIFETIME seconds: a broken init must not leave anything behind.

#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LIFETIME = 60, BOMB_LIFETIME = 20, FAN_OUT = 40, LOOK_AGAIN = 50000 };

static long long nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void sleep_for(long long duration) {
  struct timespec left = {duration / 1000000000, duration % 1000000000};
  while (nanosleep(&left, &left) == -1 && errno == EINTR) continue;
}

static void report(char what) {
  if (write(STDOUT_FILENO, &what, 1) != 1) _exit(1);
}

static pid_t fork_or_exit(void) {
  pid_t pid = fork();
  if (pid == -1) _exit(1);
  return pid;
}

static void block(int signal) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  sigprocmask(SIG_BLOCK, &set, NULL);
}

static void wait_for(int signal) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  int arrived;
  while (sigwait(&set, &arrived) != 0) continue;
}

_Noreturn static void pause_for_life(void) {
  alarm(LIFETIME);
  for (;;) pause();
}

// early: ends on SIGTERM, and says that it was told.

static void told(int signal) {
  (void)signal;
  report('T');
  _exit(7);
}

static void early(void) {
  signal(SIGTERM, told);
  alarm(10);
  for (;;) pause();
}

// cleanup KIND: main ends at once on SIGTERM (its default action); a worker needs 0.3 s more.

_Noreturn static void worker(void) {
  alarm(LIFETIME);
  block(SIGTERM);
  report('R');
  wait_for(SIGTERM);
  sleep_for(300000000);
  report('F');
  _exit(0);
}

static void cleanup(const char *kind) {
  if (fork_or_exit() == 0) {
    if (strcmp(kind, "group") != 0) setsid();
    if (strcmp(kind, "double") == 0 && fork_or_exit() != 0) _exit(0);
    worker();
  }
  pause_for_life();
}

// latency: writes the time of each SIGUSR1's receipt. It is taken before the write, which therefore costs the figure nothing.

static void latency(void) {
  alarm(LIFETIME);
  block(SIGUSR1);
  report('R');
  for (;;) {
    wait_for(SIGUSR1);
    long long received = nanoseconds();
    if (write(STDOUT_FILENO, &received, sizeof received) != sizeof received) _exit(1);
  }
}

// orphans TOTAL BATCH: writes how long it took until init had reaped them, forking not counted. A parent makes BATCH zombies and
// ends, whereupon they are init's; the clock runs from that end until the last of them is gone. Who looks for that sleeps between
// two looks: if it spun, the scheduler would weigh it against init, by sessions, and that would be what is measured.

struct batch {
  long long released;
  pid_t pids[];
};

static void make_zombies_and_end(struct batch *batch, int count) {
  int alive[2];
  if (pipe(alive) == -1) _exit(1);
  for (int i = 0; i < count; i++) {
    pid_t pid = fork_or_exit();
    if (pid == 0) _exit(0);
    batch->pids[i] = pid;
  }
  close(alive[1]);
  // The end of file comes when the last of them has closed its copy, which it does by ending.
  char byte;
  while (read(alive[0], &byte, 1) == -1 && errno == EINTR) continue;
  batch->released = nanoseconds();
  _exit(0);
}

static long long reap_one_batch(struct batch *batch, int count) {
  pid_t parent = fork_or_exit();
  if (parent == 0) make_zombies_and_end(batch, count);
  waitpid(parent, NULL, 0);
  for (int i = 0; i < count; i++)
    while (kill(batch->pids[i], 0) == 0) sleep_for(LOOK_AGAIN);
  return nanoseconds() - batch->released;
}

static void orphans(int total, int count) {
  alarm(LIFETIME);
  prctl(PR_SET_TIMERSLACK, 1);
  size_t size = sizeof(struct batch) + count * sizeof(pid_t);
  struct batch *batch = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (batch == MAP_FAILED) _exit(1);
  long long spent = 0;
  for (int made = 0; made < total; made += count) spent += reap_one_batch(batch, count);
  if (write(STDOUT_FILENO, &spent, sizeof spent) != sizeof spent) _exit(1);
}

// tree SIZE obey|ignore: main's descendants on two levels, all of one mind about SIGTERM, main too.

static void branch(int ready, int leaves) {
  for (int i = 0; i < leaves; i++) {
    if (fork_or_exit() != 0) continue;
    if (write(ready, "r", 1) != 1) _exit(1);
    pause_for_life();
  }
  if (write(ready, "r", 1) != 1) _exit(1);
  pause_for_life();
}

static void tree(int size, const char *manner) {
  if (strcmp(manner, "ignore") == 0) signal(SIGTERM, SIG_IGN);
  int ready[2];
  if (pipe(ready) == -1) _exit(1);
  for (int i = 0; i < FAN_OUT; i++)
    if (fork_or_exit() == 0) branch(ready[1], size / FAN_OUT - 1);
  char bytes[256];
  for (int seen = 0; seen < size / FAN_OUT * FAN_OUT;) {
    ssize_t count = read(ready[0], bytes, sizeof bytes);
    if (count > 0) seen += count;
  }
  report('R');
  pause_for_life();
}

// bomb LIMIT UID: every process forks whenever it can. RLIMIT_NPROC bounds it, which binds only who is not root.

static void bomb(rlim_t limit, uid_t user) {
  signal(SIGTERM, SIG_IGN);
  struct rlimit bound = {limit, limit};
  if (user == 0 || setrlimit(RLIMIT_NPROC, &bound) == -1 || setresgid(user, user, user) == -1 || setresuid(user, user, user) == -1) _exit(1);
  long long end = nanoseconds() + BOMB_LIFETIME * 1000000000LL;
  pid_t first = getpid();
  int full = 0;
  while (nanoseconds() < end) {
    if (fork() != -1) continue;
    if (getpid() == first && !full) report('R'), full = 1;
    sleep_for(1000000);
  }
}

// bare TERM|KILL COMMAND: the comparison, a PID 1 that does nothing but signal all there is and wait for it.

static void bare(int signal, char **command) {
  block(SIGTERM);
  if (fork_or_exit() == 0) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execv(command[0], command);
    _exit(127);
  }
  wait_for(SIGTERM);
  kill(-1, signal);
  while (waitpid(-1, NULL, 0) != -1 || errno == EINTR) continue;
}

int main(int argc, char **argv) {
  const char *kind = argc > 1 ? argv[1] : "";
  if (strcmp(kind, "pause") == 0) pause_for_life();
  if (strcmp(kind, "early") == 0) return early(), 0;
  if (strcmp(kind, "cleanup") == 0 && argc == 3) return cleanup(argv[2]), 0;
  if (strcmp(kind, "latency") == 0) return latency(), 0;
  if (strcmp(kind, "orphans") == 0 && argc == 4) return orphans(atoi(argv[2]), atoi(argv[3])), 0;
  if (strcmp(kind, "tree") == 0 && argc == 4) return tree(atoi(argv[2]), argv[3]), 0;
  if (strcmp(kind, "bomb") == 0 && argc == 4) return bomb(atoi(argv[2]), atoi(argv[3])), 0;
  if (strcmp(kind, "bare") == 0 && argc > 3) return bare(strcmp(argv[2], "KILL") == 0 ? SIGKILL : SIGTERM, argv + 3), 0;
  fprintf(stderr, "load: unknown kind or arguments: %s\n", kind);
  return 2;
}
