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

extension AppReader {
  /// Reads `ready`, or gives what an app has that does not write it: under `via: proxy` its own port must accept, else nothing is checked.
  mutating func readReadiness(_ field: Field?) -> Readiness? {
    guard let field else { return listen?.via == .proxy ? Readiness(.tcp(port: nil)) : nil }
    let expected = "notify, or a mapping such as { http: /readyz, every: 200ms }"
    if case .scalar(let scalar) = field.node.value {
      if scalar.text == "notify" { return Readiness(.notify) }
      reader.report(expected: expected, at: field)
      return nil
    }
    guard let fields = reader.fields(field, expected: expected, ReadyKey.self) else { return nil }
    let limits = TimeSpan.milliseconds(10)...TimeSpan.seconds(3600)
    let every = fields[.every].flatMap { reader.span($0, in: limits) }
    let timeout = fields[.timeout].flatMap { reader.span($0, in: limits) }
    let kinds = fields.written.filter { $0 == .http || $0 == .tcp || $0 == .exec }
    guard let kind = kinds.first, let kindField = fields[kind], kinds.count == 1 else {
      guard !kinds.isEmpty || fields.lacks(.http, .tcp, .exec) else { return nil }
      let found = kinds.isEmpty ? "none" : kinds.map(\.rawValue).joined(separator: " and ")
      reader.report("expected one of http, tcp and exec, or \"ready: notify\"; found \(found)", at: field)
      return nil
    }
    return readCheck(kind, kindField).map { Readiness($0, every: every ?? .milliseconds(200), timeout: timeout ?? .seconds(1)) }
  }

  private mutating func readCheck(_ kind: ReadyKey, _ field: Field) -> Readiness.Check? {
    if kind != .exec, listen?.via == .socket {
      reader.report(
        "under \"via: socket\" the replicas share one port, so a probe lands on any of them; write ready: notify or ready: { exec: [./check] }",
        at: field)
      return nil
    }
    switch kind {
    case .http: return readProbeTarget(field).map { .http($0) }
    case .tcp: return readTCPCheck(field)
    default: return readCommand(field).map { .exec($0) }
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
