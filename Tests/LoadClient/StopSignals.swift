import Foundation
import Load

/// Ends the run on INT or TERM; USR1 sends new connections to the other target.
enum StopSignals {
  /// Blocks these signals for this thread and all it starts later; call it first. `sigwait` then takes them.
  static func block() {
    var signals = set
    pthread_sigmask(SIG_BLOCK, &signals, nil)
  }

  /// Stops `run` at the first of the signals; the second one ends the program with status 1.
  static func stop(_ run: LoadRun) {
    let thread = Thread {
      var signals = set
      var number: Int32 = 0
      for stopsRun in [true, false] {
        repeat {
          guard sigwait(&signals, &number) == 0 else { return }
          if number == SIGUSR1 { run.switchTarget() }
        } while number == SIGUSR1
        if stopsRun { run.stop() }
      }
      FileHandle.standardError.write(Data("LoadClient: ended by a second signal, requests in flight were given up\n".utf8))
      exit(1)
    }
    thread.start()
  }

  private static var set: sigset_t {
    var signals = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, SIGINT)
    sigaddset(&signals, SIGTERM)
    sigaddset(&signals, SIGUSR1)
    return signals
  }
}
