import Logging
import NIOConcurrencyHelpers

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// Ends the process when the concurrency pool is blocked, so that nothing else would: on threads of its own, which take no part in it.
final class Watchdog: Sendable {
  /// How long after the deadline the termination's own end is waited for.
  static let slack = Duration.seconds(1)

  private struct State {
    var interrupts = 0
    /// When it ends the process, on the machine's clock.
    var due: Int64 = .max
    var code: Int32
  }

  private let configuration: TerminationConfiguration
  private let logger: Logger
  private let state: NIOLockedValueBox<State>

  init(configuration: TerminationConfiguration, logger: Logger) {
    self.configuration = configuration
    self.logger = logger
    state = NIOLockedValueBox(State(code: configuration.exitCodes.forced))
  }

  /// The process ends at the latest after `left` and the slack. The earliest that was asked for holds; another is not waited for.
  func arm(after left: Duration) {
    let wait = left.bounded + Self.slack
    let due = TerminationClock.process.nanoseconds() + wait.wholeNanoseconds
    let isEarlier = state.withLockedValue { state in
      guard due < state.due else { return false }
      state.due = due
      return true
    }
    guard isEarlier else { return }
    _ = OwnThread.start(name: "watchdog") { [self] in
      Self.sleep(wait)
      bite()
    }
  }

  /// A signal came. On the thread that reads signals, since the pool may be blocked before the stop begins.
  func saw(_ received: ReceivedSignal) {
    guard let kind = configuration.stopOn[received.signal] else { return }
    let interrupts = state.withLockedValue { state in
      if received.signal == .int, received.isFromKernel { state.interrupts += 1 }
      return state.interrupts
    }
    let grace = kind == .immediate ? min(configuration.shortened, configuration.grace) : configuration.grace
    // A third Ctrl-C ends a stop at once.
    arm(after: interrupts > 2 && configuration.escalation != .never ? .zero : grace)
  }

  /// The stop has ended, and the process exits with this code: by itself, or after the slack when an exit handler hangs.
  func ended(with code: Int32) {
    state.withLockedValue { $0.code = code }
    arm(after: .zero)
  }

  private func bite() {
    let code = state.withLockedValue { $0.code }
    // The log may be what hangs: it gets a moment, and no more.
    _ = OwnThread.start(name: "watchdog") {
      Self.sleep(.milliseconds(200))
      _exit(code)
    }
    logger.critical("the stop did not end in its time: the concurrency pool, or an exit handler, is blocked; exit code \(code)")
    _exit(code)
  }

  private static func sleep(_ duration: Duration) {
    let (seconds, attoseconds) = duration.components
    var left = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
    var rest = timespec()
    while nanosleep(&left, &rest) != 0, errno == EINTR { left = rest }
  }
}
