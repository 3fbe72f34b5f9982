import StopPlan

/// How lastcall knows that a replica can do its work.
public struct Readiness: Equatable, Sendable {
  /// What is looked at.
  public enum Check: Equatable, Sendable {
    /// A GET request that is answered with a status of 200…399.
    case http(HTTPTarget)
    /// A connection to a port on 127.0.0.1; nil is the replica's own port (`via: proxy`).
    case tcp(port: Int?)
    /// A command that exits with 0.
    case exec(CommandWords)
    /// The replica says `READY=1` itself (sd_notify(3)). It is not a probe: `every` and `timeout` mean nothing for it.
    case notify
  }

  /// What is looked at.
  public var check: Check
  /// The time from one probe's end to the next one's start, 10 ms…1 h; 200 ms unless written.
  public var every: TimeSpan
  /// How long one probe may take, 10 ms…1 h; 1 s unless written.
  public var timeout: TimeSpan

  /// A readiness check.
  public init(_ check: Check, every: TimeSpan = .milliseconds(200), timeout: TimeSpan = .seconds(1)) {
    self.check = check
    self.every = every
    self.timeout = timeout
  }
}

extension Readiness: Codable {
  private enum CodingKeys: String, CodingKey { case every, timeout }

  /// Reads the check, which must be there, and the times, which have defaults.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init(try Check(from: decoder))
    every = try container.span(.every) ?? every
    timeout = try container.span(.timeout) ?? timeout
  }

  /// Writes every part.
  public func encode(to encoder: any Encoder) throws {
    try check.encode(to: encoder)
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(every, forKey: .every)
    try container.encode(timeout, forKey: .timeout)
  }
}

extension Readiness.Check: Codable {
  private enum CodingKeys: String, CodingKey { case http, tcp, exec, notify }

  /// A port, or none for the replica's own.
  private struct Port: Codable { var port: Int? }

  /// Reads the one kind that is there.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    if let target = try container.decodeIfPresent(HTTPTarget.self, forKey: .http) {
      self = .http(target)
    } else if let port = try container.decodeIfPresent(Port.self, forKey: .tcp) {
      self = .tcp(port: port.port)
    } else if let command = try container.decodeIfPresent(CommandWords.self, forKey: .exec) {
      self = .exec(command)
    } else if container.contains(.notify) {
      self = .notify
    } else {
      throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "expected http, tcp, exec or notify"))
    }
  }

  /// Writes the kind as the key.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    switch self {
    case .http(let target): try container.encode(target, forKey: .http)
    case .tcp(let port): try container.encode(Port(port: port), forKey: .tcp)
    case .exec(let command): try container.encode(command, forKey: .exec)
    case .notify: try container.encode(true, forKey: .notify)
    }
  }
}

/// The kinds of probe, as keys.
enum ProbeKind: String, CaseIterable {
  case http, tcp, exec
}

extension AppReader {
  /// How often a probe may be made, and how long it may take.
  static var probeLimits: ClosedRange<TimeSpan> { .milliseconds(10) ... .seconds(3600) }

  /// Reads `ready`, or gives what an app has that does not write it: under `via: proxy` its own port must accept, else nothing is checked.
  mutating func readReadiness(_ field: Field?) -> Readiness? {
    guard let field else { return listen?.via == .proxy && !isInSidecar ? Readiness(.tcp(port: nil)) : nil }
    let expected = "notify, or a mapping such as { http: /readyz, every: 200ms }"
    if case .scalar(let scalar) = field.node.value {
      if scalar.text == "notify" { return Readiness(.notify) }
      reader.report(expected: expected, at: field)
      return nil
    }
    guard let fields = reader.fields(field, expected: expected, ReadyKey.self) else { return nil }
    let every = fields[.every].flatMap { reader.span($0, in: Self.probeLimits) }
    let timeout = fields[.timeout].flatMap { reader.span($0, in: Self.probeLimits) }
    let check = readCheck(
      of: fields, at: field, otherwise: ", or \"ready: notify\"", underSocket: "ready: notify or ready: { exec: [./check] }")
    return check.map { Readiness($0, every: every ?? .milliseconds(200), timeout: timeout ?? .seconds(1)) }
  }

  /// Reads the one kind of probe that is written.
  /// - Parameters:
  ///   - otherwise: what to say that may be written instead.
  ///   - underSocket: what may be written where replicas share a port.
  mutating func readCheck<Key: FieldKey>(
    of fields: Fields<Key>, at field: Field, otherwise: String, underSocket: String
  ) -> Readiness.Check? {
    let kinds = ProbeKind.allCases.filter { kind in Key(rawValue: kind.rawValue).map { fields[$0] != nil } ?? false }
    guard let kind = kinds.first, let kindField = Key(rawValue: kind.rawValue).flatMap({ fields[$0] }), kinds.count == 1 else {
      guard !kinds.isEmpty || fields.lacks(ProbeKind.allCases.compactMap { Key(rawValue: $0.rawValue) }) else { return nil }
      let found = kinds.isEmpty ? "none" : kinds.map(\.rawValue).joined(separator: " and ")
      reader.report("expected one of http, tcp and exec\(otherwise); found \(found)", at: field)
      return nil
    }
    if kind != .exec, listen?.via == .socket, !isInSidecar {
      reader.report(
        "under \"via: socket\" the replicas share one port, so a probe lands on any of them; write \(underSocket)", at: kindField)
      return nil
    }
    switch kind {
    case .http: return readProbeTarget(kindField).map { .http($0) }
    case .tcp: return readTCPCheck(kindField)
    case .exec: return readCommand(kindField).map { .exec($0) }
    }
  }

  private mutating func readTCPCheck(_ field: Field) -> Readiness.Check? {
    if case .scalar(let scalar) = field.node.value, scalar.isPlain, scalar.text == "true" {
      return hasOwnPort(or: "tcp: 9000", at: field) ? .tcp(port: nil) : nil
    }
    guard case .scalar(let scalar) = field.node.value, wholeNumber(scalar.text) != nil else {
      reader.report(expected: "a port, or true for the replica's own", at: field)
      return nil
    }
    return readTargetPort(field).map { .tcp(port: $0) }
  }
}
