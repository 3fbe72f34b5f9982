import Glibc

/// TERM and INT, taken by the main thread.
///
/// Both are blocked before any other thread exists, so every thread inherits that and only `sigwait` gets them: there is no handler,
/// nothing that must be async-signal-safe, and it does not matter which thread the kernel would have picked.
enum StopSignals {
  /// Blocks both signals; call it first in the program.
  static func block() {
    var signals = set
    pthread_sigmask(SIG_BLOCK, &signals, nil)
  }

  /// Waits for the next of them.
  static func next() -> Int32 {
    var signals = set
    var number: Int32 = 0
    while sigwait(&signals, &number) != 0 {}
    return number
  }

  private static var set: sigset_t {
    var signals = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, SIGTERM)
    sigaddset(&signals, SIGINT)
    return signals
  }
}
