/// Decides which replica gets a request, which idle connection is used, who waits and when a replica has drained.
///
/// A pure state machine: it is told what happened and when, and answers with what has to be done. In-flight counts are taken
/// at selection, so from the moment `drain` returns nothing can reach the replica that it does not count.
struct ReplicaPool {
  typealias RequestID = UInt64
  typealias ConnectionID = UInt64
  /// Identifies one `add` of a replica; an id that is removed and added again gets a new key.
  typealias ReplicaKey = Int

  /// A replica that was selected for a request; has to be given back exactly once (`release`, `connectFailed`, `upgraded`).
  struct Lease: Equatable {
    let replica: ReplicaKey
    let address: ReplicaAddress
    /// The idle connection to use; nil means to make a new one.
    let reused: ConnectionID?
    /// Whether this attempt finds out if an unreachable replica is back.
    let isProbe: Bool
  }

  enum Refusal: Equatable {
    /// No replica became ready in time: 503.
    case noReplica
    /// As many requests wait as may: 503.
    case holdFull
    /// Replicas are there but none could be connected to in time: 502.
    case unreachable
    /// No replica is to come, and none is there: 503.
    case stopped
  }

  enum Selection: Equatable {
    case use(Lease)
    /// An action `start` or `refuse` will follow.
    case held
    case refused(Refusal)
  }

  enum Action: Equatable {
    case start(RequestID, Lease)
    case refuse(RequestID, Refusal)
    case close(ConnectionID)
    case drained(String)
  }

  /// A request on its way to a replica.
  struct Request {
    let id: RequestID
    /// Whether a pooled connection may be used for it.
    let reusable: Bool
    /// When it is refused if it still waits.
    let deadline: MonotonicTime
    /// Replicas that could not be connected to in this round.
    var tried: [ReplicaKey] = []
  }

  let limits: IngressLimits
  var replicas: [Replica] = []
  private(set) var held: [HeldRequest] = []
  /// Whether a request without a replica waits for one.
  private(set) var isHolding = true
  private var nextKey = 0
  private var turn = 0

  init(limits: IngressLimits) {
    self.limits = limits
  }

  // MARK: Replicas

  /// Makes a replica ready; nothing happens if it is. A draining one becomes ready again if the address is the same.
  mutating func add(_ id: String, _ address: ReplicaAddress, at now: MonotonicTime) throws(ReplicaPoolError) -> [Action] {
    if let index = index(of: id) {
      guard replicas[index].address == address else { throw .addressDiffers(id, replicas[index].address) }
      if replicas[index].state == .draining { replicas[index].becomeReady() }
      // Whoever adds a replica has seen it ready.
      replicas[index].suspicion = nil
    } else {
      guard replicas.count < limits.maxReplicas else { throw .tooManyReplicas(limits.maxReplicas) }
      replicas.append(Replica(key: nextKey, id: id, address: address))
      nextKey += 1
    }
    isHolding = true
    return releaseHeld(at: now)
  }

  /// No replica is to come: what waits for one is refused, and what comes from now on and finds none; until `hold`, or until one is added.
  mutating func refuse() -> [Action] {
    isHolding = false
    defer { held = [] }
    return held.map { .refuse($0.request.id, .stopped) }
  }

  /// A request that finds no replica waits for one again.
  mutating func hold() { isHolding = true }

  /// From here on the replica is not selected. `drained` follows when nothing is in flight: at once if nothing is now.
  mutating func drain(_ id: String) throws(ReplicaPoolError) -> [Action] {
    guard let index = index(of: id) else { throw .unknownReplica(id) }
    if replicas[index].state == .draining { return [] }
    replicas[index].state = .draining
    return replicas[index].closeIdle() + announceDrained(index)
  }

  /// Forgets a replica. What it still has in flight goes on but is no longer reported as drained.
  mutating func remove(_ id: String) throws(ReplicaPoolError) -> [Action] {
    guard let index = index(of: id) else { throw .unknownReplica(id) }
    replicas[index].state = .gone
    let actions = replicas[index].closeIdle()
    forgetIfEmpty(index)
    return actions
  }

  // MARK: Requests

  /// Selects a replica for a request, or holds it.
  mutating func acquire(_ request: Request, at now: MonotonicTime) -> Selection {
    if let lease = select(request, at: now) { return .use(lease) }
    return hold(request, notBefore: now, refusal: .noReplica, at: now)
  }

  /// A lease's connection was made.
  mutating func connected(_ lease: Lease, at now: MonotonicTime) -> [Action] {
    guard let index = index(of: lease.replica), replicas[index].suspicion != nil else { return [] }
    replicas[index].suspicion = nil
    return releaseHeld(at: now)
  }

  /// A lease's connection could not be made and nothing was sent: ends the lease and selects another replica.
  mutating func connectFailed(_ lease: Lease, _ request: Request, at now: MonotonicTime) -> (Request, Selection, [Action]) {
    var request = request
    request.tried.append(lease.replica)
    var actions: [Action] = []
    if let index = index(of: lease.replica) {
      replicas[index].suspect(lease, at: now, limits: limits)
      actions = endRequest(index)
    }
    if now >= request.deadline { return (request, .refused(.unreachable), actions) }
    if let next = select(request, at: now) { return (request, .use(next), actions) }
    request.tried = []
    return (request, hold(request, notBefore: now + limits.connectRetry, refusal: .unreachable, at: now), actions)
  }

  /// A request on a replica has ended.
  ///
  /// - Parameters:
  ///   - served: whether it was answered in full.
  ///   - parking: the connection, if it can take another request.
  mutating func release(_ lease: Lease, served: Bool, parking: ConnectionID?, at now: MonotonicTime) -> [Action] {
    guard let index = index(of: lease.replica) else { return parking.map { [.close($0)] } ?? [] }
    if served { replicas[index].served += 1 }
    if lease.isProbe { replicas[index].suspicion?.isProbed = false }
    var actions: [Action] = []
    if let parking {
      if replicas[index].state == .ready, limits.maxIdlePerReplica > 0 {
        if let evicted = replicas[index].park(parking, at: now, limit: limits.maxIdlePerReplica) { actions.append(.close(evicted)) }
      } else {
        actions.append(.close(parking))
      }
    }
    actions += endRequest(index)
    return actions
  }

  /// A request's connection became a tunnel: it is counted apart and nobody waits for it.
  mutating func upgraded(_ lease: Lease) -> [Action] {
    guard let index = index(of: lease.replica) else { return [] }
    replicas[index].tunnels += 1
    replicas[index].served += 1
    return endRequest(index)
  }

  /// A tunnel has ended.
  mutating func tunnelEnded(_ lease: Lease) {
    guard let index = index(of: lease.replica) else { return }
    replicas[index].tunnels -= 1
    forgetIfEmpty(index)
  }

  /// An idle connection was closed by its replica, or cannot be trusted any more.
  mutating func idleLost(_ connection: ConnectionID, of replica: ReplicaKey) {
    guard let index = index(of: replica) else { return }
    replicas[index].idle.removeAll { $0.id == connection }
  }

  /// A held request's client went away.
  mutating func cancelHeld(_ id: RequestID) {
    held.removeAll { $0.request.id == id }
  }

  // MARK: Time

  /// When `tick` has something to do, or nil: then there is nothing to wait for.
  var nextDeadline: MonotonicTime? {
    var next: MonotonicTime?
    func consider(_ time: MonotonicTime) { next = min(next ?? time, time) }
    var selectable: MonotonicTime?
    for replica in replicas {
      if let oldest = replica.idle.first { consider(oldest.since + limits.upstreamIdle) }
      if let time = replica.selectableFrom { selectable = min(selectable ?? time, time) }
    }
    for entry in held {
      consider(entry.request.deadline)
      if let selectable { consider(max(entry.notBefore, selectable)) }
    }
    return next
  }

  /// Closes connections that were idle too long, refuses requests that waited too long, tries unreachable replicas again.
  mutating func tick(at now: MonotonicTime) -> [Action] {
    var actions: [Action] = []
    for index in replicas.indices {
      let keep = replicas[index].idle.firstIndex { $0.since + limits.upstreamIdle > now } ?? replicas[index].idle.endIndex
      actions += replicas[index].idle[..<keep].map { .close($0.id) }
      replicas[index].idle.removeFirst(keep)
    }
    actions += releaseHeld(at: now)
    held.removeAll { entry in
      guard entry.request.deadline <= now else { return false }
      actions.append(.refuse(entry.request.id, entry.refusal))
      return true
    }
    return actions
  }

  // MARK: Inside

  /// Least in flight first; ties go round. An unreachable replica is tried by one request at a time, once its pause is over.
  private mutating func select(_ request: Request, at now: MonotonicTime) -> Lease? {
    let count = replicas.count
    if count == 0 { return nil }
    var best: Int?
    for offset in 1...count {
      let index = (turn + offset) % count
      guard let from = replicas[index].selectableFrom, from <= now, !request.tried.contains(replicas[index].key) else { continue }
      // An unreachable replica has little in flight, so its turn to be probed comes as soon as its pause is over.
      if let found = best, replicas[index].inFlight >= replicas[found].inFlight { continue }
      best = index
    }
    guard let best else { return nil }
    turn = best
    return replicas[best].lease(reusable: request.reusable, at: now, idle: limits.upstreamIdle)
  }

  private mutating func hold(_ request: Request, notBefore: MonotonicTime, refusal: Refusal, at now: MonotonicTime) -> Selection {
    if !isHolding { return .refused(.stopped) }
    if request.deadline <= now { return .refused(refusal) }
    if held.count >= limits.maxHeld { return .refused(.holdFull) }
    held.append(HeldRequest(request: request, notBefore: notBefore, refusal: refusal))
    return .held
  }

  /// Starts held requests, oldest first, as far as there are replicas for them.
  private mutating func releaseHeld(at now: MonotonicTime) -> [Action] {
    if held.isEmpty { return [] }
    var actions: [Action] = []
    var waiting: [HeldRequest] = []
    for entry in held {
      if entry.notBefore <= now, entry.request.deadline > now, let lease = select(entry.request, at: now) {
        actions.append(.start(entry.request.id, lease))
      } else {
        waiting.append(entry)
      }
    }
    held = waiting
    return actions
  }

  private mutating func endRequest(_ index: Int) -> [Action] {
    replicas[index].inFlight -= 1
    let actions = announceDrained(index)
    forgetIfEmpty(index)
    return actions
  }

  private mutating func announceDrained(_ index: Int) -> [Action] {
    guard replicas[index].state == .draining, replicas[index].inFlight == 0, !replicas[index].isDrained else { return [] }
    replicas[index].isDrained = true
    return [.drained(replicas[index].id)]
  }

  private mutating func forgetIfEmpty(_ index: Int) {
    let replica = replicas[index]
    if replica.state == .gone, replica.inFlight == 0, replica.tunnels == 0 { replicas.remove(at: index) }
  }

  private func index(of key: ReplicaKey) -> Int? { replicas.firstIndex { $0.key == key } }

  private func index(of id: String) -> Int? { replicas.firstIndex { $0.id == id && $0.state != .gone } }
}

/// A request that waits for a replica.
struct HeldRequest {
  let request: ReplicaPool.Request
  /// Its next attempt is not earlier.
  let notBefore: MonotonicTime
  /// What it is answered when its time is over.
  let refusal: ReplicaPool.Refusal
}

/// Why an operation on the pool was refused.
enum ReplicaPoolError: Error, Equatable, CustomStringConvertible {
  case unknownReplica(String)
  case addressDiffers(String, ReplicaAddress)
  case tooManyReplicas(Int)

  var description: String {
    switch self {
    case .unknownReplica(let id): "replica \(id) is not known here; add it first"
    case .addressDiffers(let id, let address): "replica \(id) has the address \(address); remove it before adding it elsewhere"
    case .tooManyReplicas(let limit): "there are \(limit) replicas already, which is the limit; remove one first"
    }
  }
}
