import StopPlan

/// What happens when a replica ends that nobody stopped.
public struct Restart: Equatable, Sendable {
  /// When it is started again.
  public enum Policy: String, CaseIterable, Sendable {
    /// However it ended. The default.
    case always
    /// When it ended by a signal or with another code than 0.
    case onFailure = "on-failure"
    /// Not.
    case never
  }

  /// When it is started again.
  public var policy: Policy
  /// The wait before the first restart, and the longest to which repeated failures raise it: 10 ms…24 h; 1 s…60 s unless written.
  public var backoff: ClosedRange<TimeSpan>

  /// A restart policy.
  public init(policy: Policy = .always, backoff: ClosedRange<TimeSpan> = .seconds(1) ... .seconds(60)) {
    self.policy = policy
    self.backoff = backoff
  }
}

extension AppReader {
  /// Reads `restart`.
  mutating func readRestart(_ field: Field?) -> Restart {
    var restart = Restart()
    let expected = "a mapping such as { policy: on-failure, backoff: 1s..60s }"
    guard let field, let fields = reader.fields(field, expected: expected, RestartKey.self) else { return restart }
    if let policy = fields[.policy].flatMap({ reader.word($0, Restart.Policy.self) }) { restart.policy = policy }
    if let backoff = fields[.backoff].flatMap({ readBackoff($0) }) { restart.backoff = backoff }
    return restart
  }

  /// Reads a range `1s..60s`; a single length means that it does not grow.
  private mutating func readBackoff(_ field: Field) -> ClosedRange<TimeSpan>? {
    let limits = TimeSpan.milliseconds(10)...TimeSpan.seconds(24 * 3600)
    let expected = "a range such as 1s..60s, from a shorter to a longer time of 10ms to 24h"
    guard let text = reader.text(field, expected: expected) else { return nil }
    let bytes = Array(text.utf8)
    let dots = bytes.indices.dropLast().first { bytes[$0] == UInt8(ascii: ".") && bytes[$0 + 1] == UInt8(ascii: ".") }
    let shortest = TimeSpan(text: bytes[..<(dots ?? bytes.endIndex)])
    let longest = dots.map { TimeSpan(text: bytes[($0 + 2)...]) } ?? shortest
    guard let shortest, let longest, shortest <= longest, limits.contains(shortest), limits.contains(longest) else {
      reader.report(expected: expected, at: field)
      return nil
    }
    return shortest...longest
  }
}
