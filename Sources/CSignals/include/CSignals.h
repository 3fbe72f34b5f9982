#pragma once
#include <stdint.h>
#include <sys/types.h>

// The part of signal handling that has to be async-signal-safe, and what Swift cannot express: one handler for every caught
// signal, which marks it and wakes a thread. Who gets what is decided in Swift.
// Functions that return int give 0, or an errno value. Signals are the platform's numbers, 1 to 64; bit n-1 of a mask is signal n.

typedef void (*lc_signals_wake)(void);

/// Makes the pipe and starts the one thread that calls `wake` after signals have come. Once; later calls do nothing.
int lc_signals_start(lc_signals_wake wake);

/// Catches the signal from now on. What was there before is kept for `lc_signals_give_back`; a fault of the program itself goes to it, not
/// to `wake`.
int lc_signals_catch(int number);

/// Ignores the signal from now on.
int lc_signals_ignore(int number);

/// Gives the signal its former disposition back, unless another part of the program has set one since: then `taken` is 1.
/// When it returns, no handler runs that would have marked the signal; one that comes too late raises it again.
int lc_signals_give_back(int number, int *taken);

/// Whether another part of the program has replaced the disposition that was set here.
int lc_signals_is_taken(int number);

/// The signals that were marked since the last call; those of `from_kernel` were sent by the kernel, as Ctrl-C is.
uint64_t lc_signals_take(uint64_t *from_kernel);

/// Waits until no handler runs that was entered before the call, about 5 s at most.
void lc_signals_settle(void);

/// Whether the signal is ignored now.
int lc_signals_is_ignored(int number);

/// The signals that were ignored when the program began (nohup, a shell's background job).
uint64_t lc_signals_ignored_at_start(void);

/// From now on SIGPIPE ends the program when standard output or error is a pipe or socket that nobody reads any more, and does
/// nothing otherwise: the write fails with EPIPE, as with SIG_IGN. Nothing changes when SIGPIPE was ignored at the start.
int lc_signals_pipe_rules(void);

/// posix_spawnp(3) with an empty signal mask, and with every signal at its default but those of `ignored`.
int lc_signals_spawn(pid_t *pid, const char *file, char *const *arguments, char *const *environment, uint64_t ignored);

/// Waits for the child; `code` is its exit code, or `signal` what ended it.
int lc_signals_wait(pid_t pid, int *code, int *signal);

/// Starts a detached thread with every signal blocked, so that others take them.
int lc_signals_thread(const char *name, void (*body)(void *), void *context);
