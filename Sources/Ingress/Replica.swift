/// One replica in the pool: its state, its counts and its idle connections.
struct Replica {
  let key: ReplicaPool.ReplicaKey
  let id: String
  let address: ReplicaAddress
  var state = ReplicaState.ready
  var inFlight = 0
  var tunnels = 0
  var served = 0
  /// Whether `drained` was reported for the drain that is under way.
  var isDrained = false
  /// Idle connections, the one that was used last at the end.
  var idle: [IdleConnection] = []
  /// Set while the last attempt to connect failed.
  var suspicion: Suspicion?

  struct IdleConnection {
    let id: ReplicaPool.ConnectionID
    let since: MonotonicTime
  }

  struct Suspicion {
    /// No attempt before this time.
    var until: MonotonicTime
    var failures: Int
    /// Whether an attempt is under way.
    var isProbed: Bool
  }

  init(key: ReplicaPool.ReplicaKey, id: String, address: ReplicaAddress) {
    self.key = key
    self.id = id
    self.address = address
  }

  /// From when on the replica may be selected; nil while only an event can change that.
  var selectableFrom: MonotonicTime? {
    guard state == .ready else { return nil }
    guard let suspicion else { return MonotonicTime(nanoseconds: .min) }
    return suspicion.isProbed ? nil : suspicion.until
  }

  mutating func becomeReady() {
    state = .ready
    isDrained = false
  }

  /// Counts a request and picks its connection: the idle one that was used last, if it is not too old.
  mutating func lease(reusable: Bool, at now: MonotonicTime, idle timeout: Duration) -> ReplicaPool.Lease {
    inFlight += 1
    let isProbe = suspicion != nil
    if isProbe { suspicion?.isProbed = true }
    var reused: ReplicaPool.ConnectionID?
    if reusable, !isProbe, let last = idle.last, last.since + timeout > now {
      reused = last.id
      idle.removeLast()
    }
    return ReplicaPool.Lease(replica: key, address: address, reused: reused, isProbe: isProbe)
  }

  /// Notes a failed attempt to connect; the pause before the next doubles, from `connectRetry` to ten times that.
  mutating func suspect(_ lease: ReplicaPool.Lease, at now: MonotonicTime, limits: IngressLimits) {
    // Attempts that were under way at the same time are one failure, not many.
    if suspicion != nil, !lease.isProbe { return }
    let failures = (suspicion?.failures ?? 0) + 1
    let factor = failures >= 5 ? 10 : min(1 << (failures - 1), 10)
    suspicion = Suspicion(until: now + limits.connectRetry * factor, failures: failures, isProbed: false)
  }

  /// Keeps a connection; returns the one that has to be closed for it.
  mutating func park(_ connection: ReplicaPool.ConnectionID, at now: MonotonicTime, limit: Int) -> ReplicaPool.ConnectionID? {
    idle.append(IdleConnection(id: connection, since: now))
    return idle.count > limit ? idle.removeFirst().id : nil
  }

  mutating func closeIdle() -> [ReplicaPool.Action] {
    defer { idle = [] }
    return idle.map { .close($0.id) }
  }

  var status: ReplicaStatus {
    ReplicaStatus(
      replica: id, address: address.description, state: state, inFlight: inFlight, tunnels: tunnels, pooled: idle.count,
      served: served, unreachable: suspicion != nil)
  }
}
