// The parts of Benchmarks/init that need exact moments: `measure WHAT ... INIT ARGUMENTS`, one line of JSON on standard output.
// WHERE is pid1 (INIT is PID 1 of a namespace) or child. Everything runs in a PID namespace of its own: see contain().

#define _GNU_SOURCE
#include "run.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const long long MILLISECOND = 1000000;
enum { READY_MS = 20000, EARLY_WINDOW_MS = 3, EARLY_BOUND_MS = 1000, EARLY_PATIENCE_MS = 8, EARLY_PENDING = 256 };
enum { CLEANUP_BATCH = 20, CLEANUP_BOUND_MS = 5000, WARM_UP = 200, GONE_BOUND_MS = 30000 };

static void wait_until(long long moment) {
  while (nanoseconds() < moment) continue;
}

// early WHERE FIRST STEP TOTAL: SIGTERM at moments spread evenly over the first 3 ms after execve; of TOTAL moments, this call takes
// FIRST and every STEP-th after it, so that several inits can be measured in turns and all see the same moments.
//
// A run is lost when init or what it keeps has not ended within EARLY_BOUND_MS. (That they end without the command having been told
// is no loss: a signal that comes before the command exists, or before it has a handler, is done with when all has ended.)

struct early {
  struct run run;
  long long bound;
  bool told;
};

static struct {
  int runs, told, lost;
} counted;

// True once all have ended; reads what they say meanwhile.
static bool has_ended(struct early *early, long long milliseconds) {
  long long end = nanoseconds() + milliseconds * MILLISECOND;
  while (readable(&early->run, (end - nanoseconds()) / MILLISECOND)) {
    char byte;
    if (read(early->run.output, &byte, 1) != 1) return true;
    early->told = byte == 'T';
  }
  return false;
}

static void count(struct early *early, bool ended) {
  counted.runs++;
  counted.told += ended && early->told;
  counted.lost += !ended;
  if (!ended) kill(early->run.pid, SIGKILL);
  finish(&early->run);
}

// What has not ended yet is waited for beside the next runs. Keeps those that may still end.
static int look_again(struct early *pending, int waiting, bool until_bound) {
  int kept = 0;
  for (int i = 0; i < waiting; i++) {
    long long left = (pending[i].bound - nanoseconds()) / MILLISECOND;
    bool ended = has_ended(&pending[i], until_bound ? left : 0);
    if (ended || until_bound || left <= 0)
      count(&pending[i], ended);
    else
      pending[kept++] = pending[i];
  }
  return kept;
}

static void early(enum place place, int first, int step, int total, char **command) {
  static struct early pending[EARLY_PENDING];
  int waiting = 0;
  for (int i = first; i < total; i += step) {
    struct early early = {.run = start(command, place)};
    wait_until(early.run.executed + (2LL * i + 1) * EARLY_WINDOW_MS * MILLISECOND / (2LL * total));
    kill(early.run.pid, SIGTERM);
    early.bound = nanoseconds() + EARLY_BOUND_MS * MILLISECOND;
    if (has_ended(&early, EARLY_PATIENCE_MS))
      count(&early, true);
    else
      pending[waiting++] = early;
    waiting = look_again(pending, waiting, waiting == EARLY_PENDING);
  }
  look_again(pending, waiting, true);
  printf("{\"runs\": %d, \"told\": %d, \"lost\": %d}\n", counted.runs, counted.told, counted.lost);
}

// cleanup RUNS: how many workers finished what they began at SIGTERM. They only sleep, so a batch of them runs at once.

static bool worker_finished(struct run *run) {
  bool finished = false;
  char byte;
  while (readable(run, CLEANUP_BOUND_MS) && read(run->output, &byte, 1) == 1) finished |= byte == 'F';
  kill(run->pid, SIGKILL);
  finish(run);
  return finished;
}

static void cleanup(int runs, char **command) {
  int finished = 0;
  for (int done = 0; done < runs;) {
    struct run batch[CLEANUP_BATCH];
    int size = runs - done < CLEANUP_BATCH ? runs - done : CLEANUP_BATCH;
    char ready;
    for (int i = 0; i < size; i++) batch[i] = start(command, AS_PID_1);
    for (int i = 0; i < size; i++) receive(&batch[i], &ready, 1, READY_MS);
    for (int i = 0; i < size; i++) kill(batch[i].pid, SIGTERM);
    for (int i = 0; i < size; i++) finished += worker_finished(&batch[i]);
    done += size;
  }
  printf("{\"runs\": %d, \"finished\": %d}\n", runs, finished);
}

// latency COUNT: from just before kill(2) to the receipt by the command, the next one sent when the last has been received.

static int by_size(const void *left, const void *right) {
  long long a = *(const long long *)left, b = *(const long long *)right;
  return (a > b) - (a < b);
}

static long long forwarded_after(struct run *run) {
  long long sent = nanoseconds(), received;
  kill(run->pid, SIGUSR1);
  receive(run, &received, sizeof received, 2000);
  return received - sent;
}

static void latency(int signals, char **command) {
  long long *after = calloc(signals, sizeof *after);
  if (after == NULL) fail("memory");
  struct run run = start(command, AS_PID_1);
  char ready;
  receive(&run, &ready, 1, READY_MS);
  for (int i = 0; i < WARM_UP; i++) forwarded_after(&run);
  for (int i = 0; i < signals; i++) after[i] = forwarded_after(&run);
  kill(run.pid, SIGKILL);
  finish(&run);
  qsort(after, signals, sizeof *after, by_size);
  printf("{\"signals\": %d, \"p50_us\": %.3f, \"p99_us\": %.3f}\n", signals, after[signals / 2] / 1e3, after[signals * 99LL / 100] / 1e3);
}

// reaping: the command measures it itself, see load.c.

static void reaping(char **command) {
  struct run run = start(command, AS_PID_1);
  long long spent;
  receive(&run, &spent, sizeof spent, 60000);
  kill(run.pid, SIGKILL);
  finish(&run);
  printf("{\"seconds\": %.9f}\n", spent / 1e9);
}

// stop WHERE: from SIGTERM until init has ended, and whether it left anything alive (as PID 1 it cannot).

static void stop(enum place place, char **command) {
  struct run run = start(command, place);
  char ready;
  receive(&run, &ready, 1, READY_MS);
  long long told = nanoseconds();
  kill(run.pid, SIGTERM);
  finish(&run);
  double seconds = (nanoseconds() - told) / 1e9;
  reap_strangers();
  bool left = kill(-1, 0) == 0;
  kill(-1, SIGKILL);
  printf("{\"seconds\": %.9f, \"left\": %s}\n", seconds, left ? "true" : "false");
}

// idle SECONDS: memory when there is nothing to do, and how often it woke up.

static long number_after(pid_t pid, const char *file, const char *label) {
  char path[64], line[256];
  snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
  FILE *lines = fopen(path, "re");
  if (lines == NULL) fail(path);
  long number = -1;
  while (number == -1 && fgets(line, sizeof line, lines) != NULL)
    if (strncmp(line, label, strlen(label)) == 0) number = strtol(line + strlen(label), NULL, 10);
  fclose(lines);
  if (number == -1) fail(label);
  return number;
}

static void idle(int seconds, char **command) {
  struct run run = start(command, AS_PID_1);
  sleep(1);
  long before = number_after(run.pid, "status", "voluntary_ctxt_switches:");
  sleep(seconds);
  long after = number_after(run.pid, "status", "voluntary_ctxt_switches:");
  long rss = number_after(run.pid, "smaps_rollup", "Rss:");
  long pss = number_after(run.pid, "smaps_rollup", "Pss:");
  kill(run.pid, SIGKILL);
  finish(&run);
  printf("{\"wake_ups\": %ld, \"rss_kb\": %ld, \"pss_kb\": %ld}\n", after - before, rss, pss);
}

static enum place place_of(const char *where) { return strcmp(where, "pid1") == 0 ? AS_PID_1 : AS_CHILD; }

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  bool is_early = strcmp(what, "early") == 0 && argc > 6;
  if (!is_early && argc < 4) return fputs("measure: wrong arguments; it is Benchmarks/init that calls this\n", stderr), 2;
  contain();
  if (is_early) early(place_of(argv[2]), atoi(argv[3]), atoi(argv[4]), atoi(argv[5]), argv + 6);
  if (strcmp(what, "cleanup") == 0) cleanup(atoi(argv[2]), argv + 3);
  if (strcmp(what, "latency") == 0) latency(atoi(argv[2]), argv + 3);
  if (strcmp(what, "reaping") == 0) reaping(argv + 2);
  if (strcmp(what, "stop") == 0) stop(place_of(argv[2]), argv + 3);
  if (strcmp(what, "idle") == 0) idle(atoi(argv[2]), argv + 3);
  return 0;
}
