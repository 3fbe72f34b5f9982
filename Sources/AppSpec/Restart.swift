import StopPlan

/// What happens when a replica ends that nobody stopped.
public struct Restart: Equatable, Sendable {
  /// When it is started again.
  public enum Policy: String, CaseIterable, Codable, Sendable {
    /// However it ended. The default of a service.
    case always
    /// When it ended by a signal or with another code than 0. The default of a job.
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

extension Restart: Codable {
  private enum CodingKeys: String, CodingKey { case policy, backoff }

  /// Reads what is there; the rest has its defaults.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init()
    policy = try container.value(.policy, or: policy)
    guard let text = try container.decodeIfPresent(String.self, forKey: .backoff) else { return }
    guard let range = Self.backoff(text) else { throw container.wrong("a range of time", text, .backoff) }
    backoff = range
  }

  /// Writes every part.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(policy, forKey: .policy)
    try container.encode(backoffText, forKey: .backoff)
  }

  /// The back-off as a user writes it: `1s..60s`.
  var backoffText: String { "\(backoff.lowerBound.written)..\(backoff.upperBound.written)" }

  /// A range `1s..60s`; a single length means that it does not grow.
  static func backoff(_ text: String) -> ClosedRange<TimeSpan>? {
    let bytes = Array(text.utf8)
    let dots = bytes.indices.dropLast().first { bytes[$0] == UInt8(ascii: ".") && bytes[$0 + 1] == UInt8(ascii: ".") }
    let shortest = TimeSpan(text: bytes[..<(dots ?? bytes.endIndex)])
    let longest = dots.map { TimeSpan(text: bytes[($0 + 2)...]) } ?? shortest
    guard let shortest, let longest, shortest <= longest else { return nil }
    return shortest...longest
  }
}

extension AppReader {
  /// Reads `restart`.
  mutating func readRestart(_ field: Field?, kind: App.Kind?) -> Restart {
    var restart = Restart(policy: kind == .job ? .onFailure : .always)
    let expected = "a mapping such as { policy: on-failure, backoff: 1s..60s }"
    guard let field, let fields = reader.fields(field, expected: expected, RestartKey.self) else { return restart }
    if let policyField = fields[.policy], let policy = reader.word(policyField, Restart.Policy.self) {
      // As Kubernetes, whose jobs may have OnFailure and Never only.
      if kind == .job, policy == .always {
        reader.report(
          "a job that is always started again is never done; write on-failure or never, or leave out \"kind: job\"", at: policyField)
      }
      restart.policy = policy
    }
    if let backoff = fields[.backoff].flatMap({ readBackoff($0) }) { restart.backoff = backoff }
    return restart
  }

  private mutating func readBackoff(_ field: Field) -> ClosedRange<TimeSpan>? {
    let limits = TimeSpan.milliseconds(10)...TimeSpan.seconds(24 * 3600)
    let expected = "a range such as 1s..60s, from a shorter to a longer time of 10ms to 24h"
    guard let text = reader.text(field, expected: expected) else { return nil }
    guard let backoff = Restart.backoff(text), limits.contains(backoff.lowerBound), limits.contains(backoff.upperBound) else {
      reader.report(expected: expected, at: field)
      return nil
    }
    return backoff
  }
}
