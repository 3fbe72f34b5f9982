/// What a hook is told: why the program stops, and how much time it has.
public struct StopContext: Sendable {
  /// Why the program stops.
  public let reason: StopReason
  /// The hook's name.
  public let name: String
  let limit: Duration
  let now: @Sendable () -> Duration
  let say: @Sendable (TerminationReport.Entry) -> Void

  /// How long the hook has until it is cancelled and no longer waited for, as things were when it was told; at least zero.
  public var timeLeft: Duration { max(limit - now(), .zero) }

  /// Adds an entry to the report.
  /// - Parameters:
  ///   - key: what about, "flushed".
  ///   - value: what, "1,204 records".
  public func report(_ key: String, _ value: String) { say(TerminationReport.Entry(hook: name, key: key, value: value)) }
}
