import Foundation

/// What a run came to.
public struct LoadReport: Sendable, Codable, Equatable {
  /// What one behaviour came to; latencies in milliseconds over right answers.
  public struct PerBehaviour: Sendable, Codable, Equatable {
    /// Connections that behaved so.
    public var connections: Int
    /// Attempts that ended.
    public var requests: Int
    /// Attempts with a whole and right answer.
    public var ok: Int
    /// All others.
    public var lost: Int
    /// Median.
    public var p50ms: Double
    /// 99th percentile.
    public var p99ms: Double
    /// The longest.
    public var maxms: Double
  }

  /// Where the load went, as `host:port`.
  public var target: String
  /// Seed of the bodies.
  public var seed: UInt64
  /// Connections kept busy.
  public var connections: Int
  /// How long the run took.
  public var seconds: Double
  /// Seconds until every connection had its first right answer; nil when that never came.
  public var readyAfter: Double?
  /// Attempts that ended.
  public var requests: Int
  /// Attempts with a whole and right answer.
  public var ok: Int
  /// All others.
  public var lost: Int
  /// Connections made.
  public var opened: Int
  /// Connections made anew because the server had closed the last one cleanly or said it would.
  public var reopened: Int
  /// Of these: those whose last response said `Connection: close`.
  public var announced: Int
  /// Idle connections that the server reset; nothing was sent on them, so nothing was lost.
  public var idleReset: Int
  /// Lost attempts by class; every class is there.
  public var failures: [FailureClass: Int]
  /// By behaviour; those that were in the mix.
  public var behaviours: [Behaviour: PerBehaviour]
  /// Right answers by the replica that gave them.
  public var replicas: [String: Int]
  /// The first 20 failures.
  public var samples: [FailureSample]

  init(plan: LoadPlan, tally: Tally, seconds: Double, readyAfter: Double?) {
    target = plan.target.authority
    seed = plan.seed
    connections = plan.connections
    self.seconds = seconds
    self.readyAfter = readyAfter
    requests = tally.requests
    ok = tally.ok
    lost = tally.lost
    opened = tally.opened
    reopened = tally.reopened
    announced = tally.announced
    idleReset = tally.idleReset
    failures = Dictionary(uniqueKeysWithValues: FailureClass.allCases.map { ($0, tally.failures[$0] ?? 0) })
    behaviours = tally.behaviours.mapValues { entry in
      let milliseconds = { (value: UInt64) in Double(value) / 1_000 }
      return PerBehaviour(
        connections: entry.connections, requests: entry.requests, ok: entry.ok, lost: entry.requests - entry.ok,
        p50ms: milliseconds(entry.latency.quantile(0.5)), p99ms: milliseconds(entry.latency.quantile(0.99)),
        maxms: milliseconds(entry.latency.maximum))
    }
    replicas = tally.replicas
    samples = tally.samples
  }

  /// Whether something was asked for and nothing lost.
  public var isClean: Bool { requests > 0 && lost == 0 }

  /// The report as one line of JSON, keys sorted.
  public func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }

  /// The report as a table for people.
  public var table: String {
    var lines = ["\(requests) requests to \(target) on \(connections) connections in \(fixed(seconds, 1)) s: \(ok) ok, \(lost) lost"]
    lines.append("")
    lines.append(row("behaviour", ["connections", "requests", "lost", "p50 ms", "p99 ms", "max ms"]))
    for behaviour in Behaviour.allCases {
      guard let entry = behaviours[behaviour] else { continue }
      let numbers = ["\(entry.connections)", "\(entry.requests)", "\(entry.lost)"]
      lines.append(row(behaviour.rawValue, numbers + [fixed(entry.p50ms, 1), fixed(entry.p99ms, 1), fixed(entry.maxms, 1)]))
    }
    lines.append("")
    lines.append(
      "connections opened \(opened), reopened after the server's close \(reopened) (announced \(announced)), reset while idle \(idleReset)")
    if !replicas.isEmpty { lines.append("answered by \(replicas.count) replicas: \(replicaList)") }
    if lost > 0 {
      let counts = FailureClass.allCases.compactMap { kind in failures[kind].flatMap { $0 > 0 ? "\(kind.rawValue) \($0)" : nil } }
      lines.append("lost: \(counts.joined(separator: ", "))")
      for sample in samples {
        let connection = sample.reused ? "reused" : "new"
        lines.append(
          "  \(fixed(sample.offset, 3)) s \(sample.behaviour.rawValue) \(sample.failure.rawValue)"
            + " (port \(sample.localPort), \(connection) connection): \(sample.detail)")
      }
    }
    return lines.joined(separator: "\n")
  }

  private var replicaList: String {
    let most = replicas.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
    return most.prefix(12).map { "\($0.key) (\($0.value))" }.joined(separator: ", ") + (most.count > 12 ? ", …" : "")
  }

  private func row(_ name: String, _ values: [String]) -> String {
    let padded = values.map { String(repeating: " ", count: max(0, 12 - $0.count)) + $0 }
    return name + String(repeating: " ", count: max(0, 11 - name.count)) + padded.joined()
  }

  private func fixed(_ value: Double, _ digits: Int) -> String {
    String(format: "%.\(digits)f", value)
  }
}
