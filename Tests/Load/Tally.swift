/// What happened on one connection or on many, in fixed memory.
public struct Tally: Sendable {
  /// What one behaviour came to.
  public struct PerBehaviour: Sendable, Equatable {
    /// Connections that behave so.
    public var connections = 0
    /// Attempts that ended.
    public var requests = 0
    /// Attempts with a whole and right answer.
    public var ok = 0
    /// The durations of those, from the first byte sent (or the start of the connect) to the last received.
    public var latency = LatencyHistogram()
  }

  static let sampleLimit = 20
  private static let replicaLimit = 1_000

  /// By behaviour.
  public internal(set) var behaviours: [Behaviour: PerBehaviour] = [:]
  /// Lost attempts by class.
  public internal(set) var failures: [FailureClass: Int] = [:]
  /// The first failures.
  public internal(set) var samples: [FailureSample] = []
  /// Answers by replica; replicas beyond the first 1,000 are counted together under `others`.
  public internal(set) var replicas: [String: Int] = [:]
  /// Connections made.
  public internal(set) var opened = 0
  /// Connections made anew because the server had closed the last one cleanly or said it would.
  public internal(set) var reopened = 0
  /// Of these: those whose last response said `Connection: close`.
  public internal(set) var announced = 0
  /// Idle connections that the server reset; nothing was sent on them.
  public internal(set) var idleReset = 0

  /// Nothing yet.
  public init() {}

  /// A connection of this behaviour, before its first request.
  init(connectionOf behaviour: Behaviour) {
    behaviours[behaviour] = PerBehaviour(connections: 1)
  }

  /// All attempts that ended.
  public var requests: Int { behaviours.values.reduce(0) { $0 + $1.requests } }
  /// All attempts with a whole and right answer.
  public var ok: Int { behaviours.values.reduce(0) { $0 + $1.ok } }
  /// Everything but ok.
  public var lost: Int { requests - ok }

  mutating func recordOK(_ behaviour: Behaviour, microseconds: UInt64, replica: String?) {
    var entry = behaviours[behaviour] ?? PerBehaviour()
    behaviours[behaviour] = nil
    entry.requests += 1
    entry.ok += 1
    entry.latency.record(microseconds)
    behaviours[behaviour] = entry
    if let replica { count(replica, 1) }
  }

  mutating func recordLost(_ sample: FailureSample) {
    behaviours[sample.behaviour, default: PerBehaviour()].requests += 1
    failures[sample.failure, default: 0] += 1
    if samples.count < Self.sampleLimit { samples.append(sample) }
  }

  private mutating func count(_ replica: String, _ answers: Int) {
    let known = replicas[replica] != nil || replicas.count < Self.replicaLimit
    replicas[known ? replica : "others", default: 0] += answers
  }

  /// Takes in what another has counted.
  public mutating func merge(_ other: Tally) {
    for (behaviour, theirs) in other.behaviours {
      var entry = behaviours[behaviour] ?? PerBehaviour()
      behaviours[behaviour] = nil
      entry.connections += theirs.connections
      entry.requests += theirs.requests
      entry.ok += theirs.ok
      entry.latency.merge(theirs.latency)
      behaviours[behaviour] = entry
    }
    failures.merge(other.failures, uniquingKeysWith: +)
    for (replica, answers) in other.replicas { count(replica, answers) }
    samples = Array((samples + other.samples).sorted { $0.offset < $1.offset }.prefix(Self.sampleLimit))
    opened += other.opened
    reopened += other.reopened
    announced += other.announced
    idleReset += other.idleReset
  }
}
