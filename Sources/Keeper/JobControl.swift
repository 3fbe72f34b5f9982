import CLinux
import Linux
import StopPlan

/// Ctrl-Z and `fg` for a program that runs in a foreground group of its own, under a shell that knows only our group.
struct JobControl {
  let terminal: Descriptor
  let ownGroup: Int32
  let mainGroup: Int32

  /// The terminal, when our group is in its foreground.
  static func foregroundTerminal() -> Descriptor? {
    Terminal.foregroundGroup(.input) == getpgrp() ? .input : nil
  }

  /// The program was stopped from the terminal: stop with it, so that the shell takes the terminal back.
  func mainStopped() {
    // PID 1 cannot be stopped, and nobody would continue it.
    guard getpid() != 1, getsid(0) != getpid() else { return }
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
