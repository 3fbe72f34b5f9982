/// Somebody who is told how a stop goes on, for spans, dashboards and the like. What it does must not wait: the stop goes on beside it.
///
/// All calls come one after the other from one task.
public protocol TerminationObserver: Sendable {
  /// The stop begins.
  func stopBegan(_ reason: StopReason, grace: Duration)
  /// A phase begins. `limit` is how long it may take.
  func phaseBegan(_ phase: TerminationPhase, limit: Duration)
  /// A phase is over. Not called for the phase in which a stop is ended at once.
  func phaseEnded(_ phase: TerminationPhase)
  /// The stop is over.
  func stopEnded(_ report: TerminationReport)
}

extension TerminationObserver {
  /// Does nothing.
  public func stopBegan(_ reason: StopReason, grace: Duration) {}
  /// Does nothing.
  public func phaseBegan(_ phase: TerminationPhase, limit: Duration) {}
  /// Does nothing.
  public func phaseEnded(_ phase: TerminationPhase) {}
  /// Does nothing.
  public func stopEnded(_ report: TerminationReport) {}
}
