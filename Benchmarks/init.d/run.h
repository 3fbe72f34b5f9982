// One run of an init with something to keep, and the namespaces that make sure nothing of it stays behind.

#pragma once
#include <stdbool.h>
#include <sys/types.h>

/// Whether the init is PID 1 of a namespace of its own, or an ordinary child (of a PID 1 that only measures).
enum place { AS_PID_1, AS_CHILD };

struct run {
  pid_t pid;
  /// Read end of what was standard output of init and of all it keeps: its end of file says that all of them have ended.
  int output;
  /// When execve had passed the point from which signals belong to the new program.
  long long executed;
};

/// Monotonic time in nanoseconds.
long long nanoseconds(void);

/// Prints what failed, and why, and exits.
_Noreturn void fail(const char *what);

/// Moves the rest of the program into a PID namespace with its own /proc, as its PID 1: it all ends when this ends, whatever happens.
void contain(void);

/// Starts a command with nothing on standard input and error, and waits until it has been executed.
struct run start(char **command, enum place place);

/// Waits at most that long for something to read, true also at the end of the file.
bool readable(const struct run *run, long long milliseconds);

/// Reads exactly that much within the bound, or fails.
void receive(const struct run *run, void *bytes, size_t count, long long milliseconds);

/// Waits for init and gives back what belongs to the run.
void finish(struct run *run);

/// Reaps whatever orphans have come to this program as PID 1.
void reap_strangers(void);
