import CLinux
import Linux
import StopPlan

/// Ctrl-Z and `fg` for a program that runs in a group of its own, under a shell that knows only our group.
struct JobControl {
  private let ownGroup = lc_group()
  var mainGroup: Int32 = 0

  /// For the terminal at our standard input, when it is ours.
  init?() { if foregroundGroup < 0 { return nil } }

  private var foregroundGroup: Int32 { Terminal.foregroundGroup(.input) }

  /// Whether the foreground is our group's, and not that of another job of the shell.
  var isInForeground: Bool { foregroundGroup == ownGroup }

  /// The program was stopped from the terminal: stop with it, so that the shell takes the terminal back.
  func mainStopped(by signal: Signal) {
    // By TTIN or TTOU: the shell has given us the foreground without a word, for it continues only what is stopped.
    if signal > .tstp, isInForeground { return continued() }
    if lc_pid() != 1, lc_session() != lc_pid() {
      _ = lc_kill(0, Signal.stop.number)
    } else if signal == .tstp {
      // No shell could continue us: Ctrl-Z does nothing, as to a PID 1, or the terminal would be dead.
      _ = lc_kill(-mainGroup, Signal.cont.number)
    }
  }

  /// The shell continued us, in the foreground or the background.
  func continued() {
    if isInForeground { Terminal.setForegroundGroup(.input, mainGroup) }
    _ = lc_kill(-mainGroup, Signal.cont.number)
  }

  /// Gives the terminal back.
  func end() {
    if foregroundGroup == mainGroup { Terminal.setForegroundGroup(.input, ownGroup) }
  }
}
