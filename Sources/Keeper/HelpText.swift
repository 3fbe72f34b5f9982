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
    case .dumbInit: "Usage: dumb-init [-cv] [-r A:B]... [--] command [arguments]\n"
    case .tini: "Usage: tini [-sgvw] [-p SIGNAL] [-e CODE]... [--] command [arguments]\n"
    case .catatonit: "Usage: catatonit [-g] [--] command [arguments], or catatonit -P\n"
    }
  }

  private static var own: ByteView {
    """
    Usage: lastcall-init [options] [--] command [arguments]
           lastcall-init began [TIME [PID]]

    Runs a command, keeps its process tree, stops it by a plan, ends with its status when the tree is empty.

      --stop PLAN        signals and waits, as TERM/25/KILL or QUIT/10/TERM@tree/5/KILL; scopes main, group, rest, tree;
                         hook(command), pause(2). Else: tell the command; the rest when that has ended, or at half of
                         the grace; KILL at grace
      --grace TIME       budget of the whole stop (8)
      --floor TIME       least time from first signal to KILL (1, or a quarter of the grace)
      --reserve TIME     end of the grace that hooks cannot use
      --until WHAT       tree (all has to be gone) or main (the command)
      --scope SCOPE      who gets signals: main, group or tree
      --pre-stop CMD     run this first (no shell)
      --pause TIME       then wait before the first signal
      --stop-on SIGNALS  what begins the stop (TERM,INT); others are forwarded
      --with 'NAME: CMD' a sidecar: started before the command, stopped after it
      --with-policy, --main-policy WHAT  when it dies: ignore, restart, stop
      --notice SIGNAL, --notice-file PATH  sent, or made, when the stop is coming
      -r, --rewrite A:B  forward signal A as B; 0 drops it
      --exit A-B=C       exit with C instead
      --parent-death S   get S when the parent dies
      --cgroup DIR       a cgroup v2 for the command, killed as a whole
      --setsid           a session of its own; --no-setsid: never
      --timeout TIME     begin the stop then; exit 124, or 137 after KILL
      --events FD|PATH   write JSON lines
      --dry-run          say what it would do
      -v, --verbose; -h, --help; -V, --version

    TIME: seconds, or 500ms, 2m. Each option can be a variable: LASTCALL_STOP, LASTCALL_VERBOSE=1. The command gets
    LASTCALL_GRACE. As a preStop hook, began announces the stop to PID 1.

    Exit: the command's status, or 128 + its signal; 124 or 137 after --timeout; 125 when lastcall-init failed, 126 or
    127 when the command cannot be executed or found; 2 for wrong options.

    """
  }
}
