/// Why a signal could not be caught or ignored.
public struct SignalError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The signal.
  public let signal: Signal
  /// What the system said, an errno value; `EINVAL` for KILL, STOP and what the C library keeps for itself (signal(7), nptl(7)).
  public let code: Int32

  /// The reason in a sentence.
  public var description: String {
    signal.canBeCaught
      ? "signal \(signal.name) can be neither caught nor ignored here: \(SystemError.text(code))"
      : "signal \(signal.name) can be neither caught nor ignored by any program"
  }
}
