import CLinux
import Linux
import StopPlan

/// Ctrl-Z and `fg` for a program that runs in a foreground group of its own, under a shell that knows only our group.
struct JobControl {
  let terminal: Descriptor
  let ownGroup: Int32
  var mainGroup: Int32 = 0

  /// For the terminal at our standard input, when our group is in its foreground.
  static var inForeground: JobControl? {
    let own = lc_group()
    return Terminal.foregroundGroup(.input) == own ? JobControl(terminal: .input, ownGroup: own) : nil
  }

  /// The program was stopped from the terminal: stop with it, so that the shell takes the terminal back.
  func mainStopped() {
    // PID 1 cannot be stopped, and nobody would continue it.
    guard lc_pid() != 1, lc_session() != lc_pid() else { return }
    _ = lc_kill(0, Signal.stop.number)
  }

  /// The shell continued us, in the foreground or the background.
  func continued() {
    if Terminal.foregroundGroup(terminal) == ownGroup { Terminal.setForegroundGroup(terminal, mainGroup) }
    _ = lc_kill(-mainGroup, Signal.cont.number)
  }

  /// Gives the terminal back.
  func end() {
    if Terminal.foregroundGroup(terminal) == mainGroup { Terminal.setForegroundGroup(terminal, ownGroup) }
  }
}
