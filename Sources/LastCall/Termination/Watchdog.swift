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
    var isDisarmed = false
    var interrupts = 0
  }

  private let configuration: TerminationConfiguration
  private let logger: Logger
  private let state = NIOLockedValueBox(State())

  init(configuration: TerminationConfiguration, logger: Logger) {
    self.configuration = configuration
    self.logger = logger
  }

  /// The process ends at the latest after `left` and the slack. The earliest that was asked for holds.
  func arm(after left: Duration) {
    let wait = max(left, .zero) + Self.slack
    _ = OwnThread.start(name: "watchdog") { [weak self] in
      Self.sleep(wait)
      self?.bite()
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

  /// The stop has ended.
  func disarm() { state.withLockedValue { $0.isDisarmed = true } }

  private func bite() {
    guard state.withLockedValue({ !$0.isDisarmed }) else { return }
    logger.critical("the stop did not end in its time, since the concurrency pool is blocked: exit code \(configuration.exitCodes.forced)")
    _exit(configuration.exitCodes.forced)
  }

  private static func sleep(_ duration: Duration) {
    let (seconds, attoseconds) = duration.components
    var left = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
    var rest = timespec()
    while nanosleep(&left, &rest) != 0, errno == EINTR { left = rest }
  }
}
