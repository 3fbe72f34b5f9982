/// What a program exits with after a stop.
///
/// | result | code | what a supervisor can do |
/// |---|---|---|
/// | clean, by a request or since its services have ended | 0 | nothing |
/// | clean, by a signal | 0, or 128 + its number (143 for TERM) by choice | nothing |
/// | a service failed | 70 (`EX_SOFTWARE`) | start it again |
/// | flush or close failed or was cut: data may be lost | 74 (`EX_IOERR`) | look into it |
/// | work was left when the drain was over, another hook or service was cut or failed, or the stop was ended at once | 75 (`EX_TEMPFAIL`) | give it more grace, or look into the report |
///
/// The codes are those of sysexits.h. Where several apply, the order is 74, 70, 75.
///
/// Tracked work that breaks off by itself during the drain is counted in the report as cut and changes no code: a handler that fails
/// does so without a stop too, a call that its client cancels is the client's doing, and neither is cured by more grace. Who sets a
/// bound of their own to a part of the drain and breaks work off by it says so by throwing in the hook that does it.
public struct ExitCodes: Sendable, Equatable {
  /// After a clean stop by a signal.
  public enum AfterSignal: Sendable, Equatable {
    /// 0, as for a program that does what it was told. Kubernetes and systemd count it as success.
    case zero
    /// 128 + the signal's number, as a shell says that a signal ended a program.
    case signal
  }

  /// After a clean stop by a signal.
  public var afterSignal = AfterSignal.zero
  /// A service failed.
  public var serviceFailed: Int32 = 70
  /// A flush or close failed or was cut.
  public var flushFailed: Int32 = 74
  /// Work was left, or something else was cut or failed.
  public var forced: Int32 = 75

  /// The standard codes.
  public init() {}

  /// The code of a result.
  public func code(for result: TerminationReport.Result, reason: StopReason) -> Int32 {
    switch result {
    case .clean:
      if afterSignal == .signal, case .signal(let signal) = reason { return 128 + signal.number }
      return 0
    case .serviceFailed: return serviceFailed
    case .flushFailed: return flushFailed
    case .forced: return forced
    }
  }
}
