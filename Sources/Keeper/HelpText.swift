import StopPlan

enum HelpText {
  /// What scripts read of the other tools' versions is as they expect it.
  static func version(_ dialect: Dialect) -> ByteView {
    switch dialect {
    case .own: "lastcall-init 0.1.0\n"
    case .dumbInit: "dumb-init v1.2.5 - lastcall-init 0.1.0\n"
    case .tini: "tini version 0.19.0 - lastcall-init 0.1.0\n"
    case .catatonit: "tini version 0.2.1_catatonit - lastcall-init 0.1.0\n"
    }
  }

  static func help(_ dialect: Dialect) -> ByteView {
    switch dialect {
    case .own: own
    case .dumbInit:
      """
      Usage: dumb-init [-c] [-r A:B]... [-v] [--] command [arguments]
        -c, --single-child  no session; signals go to the command alone
        -r, --rewrite A:B   pass signal A on as B; 0 drops it
        -v, --verbose; -h, --help; -V, --version

      """
    case .tini:
      """
      Usage: tini [-sgvw] [-p SIGNAL] [-e CODE]... [--] command [arguments]
        -s         adopt orphans when not PID 1
        -g         signals go to the command's process group
        -w         name who is reaped
        -p SIGNAL  get it when the parent dies
        -e CODE    exit with 0 instead
        -v; -h; --version

      """
    case .catatonit:
      """
      Usage: catatonit [-g] [--] command [arguments], or catatonit -P
        -g  signals go to the command's process group
        -P  run nothing: reap until TERM or INT
        -h, --help; -V, --version

      """
    }
  }

  private static var own: ByteView {
    """
    Usage: lastcall-init [options] [--] command [arguments]
           lastcall-init began [TIME [PID]]

    Runs a command, keeps its process tree, stops it by a plan, and ends with the command's status when the tree is empty.

      --stop PLAN        signals and waits, as TERM/25/KILL or QUIT/10/TERM@tree/5/KILL. Scopes: main, group, rest, tree.
                         hook(command) and pause(2) may come first. Without it: tell the command, tell the rest when
                         that has ended or half of the grace is gone, KILL at grace
      --grace TIME       budget of the whole stop (8)
      --floor TIME       least time between first signal and KILL (1, or a quarter of the grace)
      --reserve TIME     end of the grace that hooks and pauses cannot use
      --until WHAT       tree (all has to be gone) or main (the command)
      --scope SCOPE      who gets signals: main, group or tree
      --pre-stop CMD     run this first (no shell)
      --pause TIME       then wait before the first signal
      --stop-on SIGNALS  what begins the stop (TERM,INT); others are forwarded
      --with 'NAME: CMD' a sidecar: started before the command, stopped after it
      --with-policy, --main-policy WHAT  when it dies: ignore, restart or stop (restart; stop)
      --notice SIGNAL, --notice-file PATH  what the command gets, or is made, when the stop is coming
      -r, --rewrite A:B  forward signal A as B; 0 drops it
      --exit A-B=C       exit with C instead
      --parent-death S   get signal S when the parent dies
      --cgroup DIR       a cgroup v2 for the command, killed as a whole
      --setsid           a session of its own; --no-setsid: never
      --timeout TIME     begin the stop then; exit 124, or 137 when it came to KILL
      --events FD|PATH   write events as JSON lines
      --dry-run          say what it would do, and what is odd here
      -v, --verbose
      -h, --help
      -V, --version

    TIME is in seconds or has a unit (500ms, 2m). Each option can be an environment variable: LASTCALL_STOP,
    LASTCALL_VERBOSE=1. The command gets LASTCALL_GRACE. As a preStop hook, began announces the stop to PID 1.

    Exit: the command's status; 128 + n when signal n ended it; 124 or 137 after --timeout; 125 when lastcall-init
    failed, 126 or 127 when the command cannot be executed or found; 2 for wrong options.

    """
  }
}
