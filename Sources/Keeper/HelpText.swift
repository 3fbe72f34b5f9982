import StopPlan

enum HelpText {
  static var version: ByteView { "lastcall-init 0.1.0\n" }

  static var help: ByteView {
    """
    Usage: lastcall-init [options] [--] command [arguments]

    Runs one command, keeps its whole process tree, and stops it by a plan: as PID 1 of a container, or anywhere.
    Signals are forwarded, orphans reaped, and it ends only when the tree is empty, with the command's exit status.

      --stop PLAN       how to stop: signals and waits, as TERM/25/KILL or QUIT/10/TERM@tree/5/KILL. Scopes are
                        main, group, rest, tree; hook(command) and pause(2) may come first. Without it: tell the
                        command, tell the rest when it has ended or half of the grace is gone, KILL at grace
      --grace TIME      budget of the whole stop (8 s)
      --floor TIME      least time between the first signal and KILL when the grace runs out (1 s or a quarter of it)
      --reserve TIME    end of the grace that hooks and pauses cannot use
      --until WHAT      what has to be gone for the stop to be complete: tree (all of it) or main (the command)
      --scope SCOPE     who gets forwarded signals, and the first one of a stop: main, group or tree
      --pre-stop CMD    run this first; split as a shell does it, without a shell
      --pause TIME      wait between --pre-stop and the first signal
      --stop-on SIGS    signals that begin the stop (TERM,INT); all others are forwarded
      -r, --rewrite A:B forward signal A as B; 0 drops it
      --exit A-B=C      exit with C instead of A to B
      --parent-death S  get signal S when the parent dies
      --setsid          a session of its own for the command; --no-setsid: never
      --timeout TIME    begin the stop after that long; exit 124 then, 137 if it came to KILL
      --events FD|PATH  write what happens as JSON lines
      --dry-run         say what it would do, and what is odd here
      -v, --verbose     say what happens on stderr
      -h, --help        this text
      -V, --version     the version

    Times are seconds (8, 0.5) or have a unit (500ms, 2m). All options can be set by the environment too:
    LASTCALL_STOP, LASTCALL_PRE_STOP, LASTCALL_VERBOSE=1, … The command gets LASTCALL_GRACE, one second less.

    On a terminal the command has the foreground and Ctrl-C; two within 2 s begin the stop, more hurry it.

    Exit status: the command's; 128 + n when signal n ended it; 124 after --timeout, 137 when it came to KILL;
    125 when lastcall-init itself failed, 126 when the command cannot be executed, 127 when it is not found;
    2 for wrong options.

    """
  }
}
