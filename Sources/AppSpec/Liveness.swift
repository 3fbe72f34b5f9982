import StopPlan

/// How lastcall knows that a replica that was ready still works. One that does not is stopped and started again.
public struct Liveness: Equatable, Sendable {
  /// What is looked at; never `notify`, whose part the watchdog has (`Notify.watchdog`).
  public var check: Readiness.Check
  /// The time from one probe's end to the next one's start, 10 ms…1 h; 5 s unless written.
  public var every: TimeSpan
  /// How long one probe may take, 10 ms…1 h; 1 s unless written.
  public var timeout: TimeSpan
  /// How many probes in a row have to fail, 1…1000; 3 unless written, as in Kubernetes (failureThreshold).
  public var failures: Int
  /// The time from when the replica is ready to the first probe, 0…24 h; 0 unless written.
  public var after: TimeSpan

  /// A liveness check.
  public init(
    _ check: Readiness.Check, every: TimeSpan = .seconds(5), timeout: TimeSpan = .seconds(1), failures: Int = 3, after: TimeSpan = .zero
  ) {
    self.check = check
    self.every = every
    self.timeout = timeout
    self.failures = failures
    self.after = after
  }
}

extension Liveness: Codable {
  private enum CodingKeys: String, CodingKey { case every, timeout, failures, after }

  /// Reads the check, which must be there, and the rest, which has defaults.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init(try Readiness.Check(from: decoder))
    every = try container.span(.every) ?? every
    timeout = try container.span(.timeout) ?? timeout
    failures = try container.value(.failures, or: failures)
    after = try container.span(.after) ?? after
  }

  /// Writes every part.
  public func encode(to encoder: any Encoder) throws {
    try check.encode(to: encoder)
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(every, forKey: .every)
    try container.encode(timeout, forKey: .timeout)
    try container.encode(failures, forKey: .failures)
    try container.encode(after, forKey: .after)
  }
}

extension AppReader {
  /// Reads `live`.
  mutating func readLiveness(_ field: Field?) -> Liveness? {
    let expected = "a mapping such as { http: /healthz, every: 5s, failures: 3 }"
    guard let field, let fields = reader.fields(field, expected: expected, LiveKey.self) else { return nil }
    let every = fields[.every].flatMap { reader.span($0, in: Self.probeLimits) }
    let timeout = fields[.timeout].flatMap { reader.span($0, in: Self.probeLimits) }
    let failures = fields[.failures].flatMap { reader.whole($0, in: 1...1000) }
    let after = fields[.after].flatMap { reader.span($0, in: .zero ... .seconds(24 * 3600)) }
    guard let check = readCheck(of: fields, at: field, otherwise: "", underSocket: "live: { exec: [./check] }") else { return nil }
    return Liveness(
      check, every: every ?? .seconds(5), timeout: timeout ?? .seconds(1), failures: failures ?? 3, after: after ?? .zero)
  }
}
