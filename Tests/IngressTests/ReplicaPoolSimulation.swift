import Seeded
import Testing

@testable import Ingress

/// A world around a pool: requests, connections and an engine that do random things in random order, and a ledger of what the
/// pool must have noticed.
private struct Simulation {
  private enum Holding {
    case connecting
    case exchanging
    case tunnel
  }

  private struct Active {
    var request: ReplicaPool.Request
    var lease: ReplicaPool.Lease
    var holding: Holding
  }

  /// The ledger's view of one incarnation of a replica.
  private struct Expected {
    var id: String
    var state = ReplicaState.ready
    var inFlight = 0
    var drainsReported = 0
    var drainsDue = 0
  }

  private var random: SeededRandom
  private var pool: ReplicaPool
  private var limits = IngressLimits()
  private var now: Int64 = 0
  private var active: [Active] = []
  private var waiting: [UInt64: ReplicaPool.Request] = [:]
  private var idle: Set<UInt64> = []
  private var expected: [ReplicaPool.ReplicaKey: Expected] = [:]
  private var nextRequest: UInt64 = 0
  private var nextConnection: UInt64 = 1_000_000
  private var holds = true
  private(set) var failures: [String] = []

  init(seed: UInt64) {
    random = SeededRandom(seed: seed)
    limits.maxHeld = 4
    limits.maxIdlePerReplica = 3
    limits.maxReplicas = 4
    pool = ReplicaPool(limits: limits)
  }

  private var time: MonotonicTime { MonotonicTime(nanoseconds: now) }

  private mutating func check(_ condition: Bool, _ message: @autoclosure () -> String) {
    if !condition { failures.append(message()) }
  }

  mutating func run(steps: Int) {
    for _ in 0..<steps where failures.isEmpty { step() }
    // The end: every request gets an answer although nothing new comes.
    while failures.isEmpty, !active.isEmpty { finish(0) }
    var wakes = 0
    while failures.isEmpty, !waiting.isEmpty {
      guard let next = pool.nextDeadline else { return check(false, "held requests are forgotten") }
      check(next > time || wakes < 100, "the pool asks to be woken for the past")
      now = max(now, next.nanoseconds)
      follow(pool.tick(at: time))
      while !active.isEmpty { finish(0) }
      wakes += 1
      check(wakes < 10_000, "waking without end")
    }
  }

  private mutating func step() {
    now += Int64.random(in: 0...40_000_000, using: &random)
    if let next = pool.nextDeadline, next <= time { follow(pool.tick(at: time)) }
    switch Int.random(in: 0..<13, using: &random) {
    case 0, 1, 2, 3: arrive()
    case 4, 5: if let index = active.indices.randomElement(using: &random) { finish(index) }
    case 6, 7: if let index = active.indices.randomElement(using: &random) { connect(index) }
    case 8: add()
    case 9: drain()
    case 10: if Int.random(in: 0..<3, using: &random) == 0 { remove() } else { loseIdle() }
    case 11: cancel()
    default: hold(Int.random(in: 0..<3, using: &random) > 0)
    }
    compare()
  }

  private mutating func arrive() {
    nextRequest += 1
    let request = ReplicaPool.Request(
      id: nextRequest, reusable: Bool.random(using: &random), deadline: time + .milliseconds(Int.random(in: 0...400, using: &random)))
    follow(pool.acquire(request, at: time), request)
  }

  private mutating func follow(_ selection: ReplicaPool.Selection, _ request: ReplicaPool.Request) {
    switch selection {
    case .use(let lease): start(request, lease)
    case .held:
      waiting[request.id] = request
      check(waiting.count <= limits.maxHeld, "more are held than may be")
    case .refused(let refusal): check(refusal != .stopped || !holds, "request \(request.id) was refused as stopped")
    }
  }

  private mutating func start(_ request: ReplicaPool.Request, _ lease: ReplicaPool.Lease) {
    guard expected[lease.replica]?.state == .ready else { return check(false, "replica \(lease.replica) was selected, it is not ready") }
    check(!request.tried.contains(lease.replica), "request \(request.id) was sent to a replica it had tried")
    check(request.reusable || lease.reused == nil, "request \(request.id) is on a reused connection")
    if let reused = lease.reused { check(idle.remove(reused) != nil, "connection \(reused) is not idle") }
    expected[lease.replica]?.inFlight += 1
    active.append(Active(request: request, lease: lease, holding: lease.reused == nil ? .connecting : .exchanging))
  }

  private mutating func follow(_ actions: [ReplicaPool.Action]) {
    for action in actions {
      switch action {
      case .start(let id, let lease):
        guard let request = waiting.removeValue(forKey: id) else { return check(false, "request \(id) is not held") }
        check(request.deadline > time, "request \(id) was started after its time")
        start(request, lease)
      case .refuse(let id, let refusal):
        guard let request = waiting.removeValue(forKey: id) else { return check(false, "request \(id) is not held") }
        check(refusal == .stopped ? !holds : request.deadline <= time, "request \(id) was refused before its time")
      case .close(let id): check(idle.remove(id) != nil, "connection \(id) is not idle")
      case .drained(let id):
        guard let key = expected.first(where: { $0.value.id == id && $0.value.state == .draining })?.key else {
          return check(false, "\(id) was reported as drained but does not drain")
        }
        expected[key]?.drainsReported += 1
        check(expected[key]?.inFlight == 0, "\(id) was reported as drained with requests in flight")
      }
    }
  }

  private mutating func end(_ index: Int) -> Active {
    let ended = active.remove(at: index)
    expected[ended.lease.replica]?.inFlight -= 1
    return ended
  }

  private mutating func connect(_ index: Int) {
    guard active[index].holding == .connecting else { return }
    if Bool.random(using: &random) {
      active[index].holding = .exchanging
      follow(pool.connected(active[index].lease, at: time))
    } else {
      let failed = end(index)
      let (request, selection, actions) = pool.connectFailed(failed.lease, failed.request, at: time)
      follow(actions)
      follow(selection, request)
    }
  }

  private mutating func finish(_ index: Int) {
    if active[index].holding == .exchanging, Int.random(in: 0..<6, using: &random) == 0 {
      active[index].holding = .tunnel
      expected[active[index].lease.replica]?.inFlight -= 1
      return follow(pool.upgraded(active[index].lease))
    }
    if active[index].holding == .tunnel {
      pool.tunnelEnded(active.remove(at: index).lease)
      return
    }
    let ended = end(index)
    var parking: UInt64?
    if ended.holding == .exchanging, Bool.random(using: &random) {
      nextConnection += 1
      parking = nextConnection
      idle.insert(nextConnection)
    }
    follow(pool.release(ended.lease, served: true, parking: parking, at: time))
  }

  private mutating func cancel() {
    if let id = waiting.keys.sorted().randomElement(using: &random) {
      waiting[id] = nil
      pool.cancelHeld(id)
    } else if let index = active.indices.filter({ active[$0].holding != .tunnel }).randomElement(using: &random) {
      let ended = end(index)
      follow(pool.release(ended.lease, served: false, parking: nil, at: time))
    }
  }

  private func key(_ id: String) -> ReplicaPool.ReplicaKey? { expected.first { $0.value.id == id && $0.value.state != .gone }?.key }

  private mutating func add() {
    let id = "r\(Int.random(in: 0..<3, using: &random))"
    let known = key(id)
    guard let actions = try? pool.add(id, .inet(host: "127.0.0.1", port: id == "r0" ? 1 : 2), at: time) else {
      return check(pool.replicas.count >= limits.maxReplicas, "adding \(id) failed")
    }
    holds = true
    if let known { expected[known]?.state = .ready } else if let key = pool.replicas.last?.key { expected[key] = Expected(id: id) }
    follow(actions)
  }

  private mutating func hold(_ holds: Bool) {
    self.holds = holds
    if holds { pool.hold() } else { follow(pool.refuse()) }
  }

  private mutating func drain() {
    let id = "r\(Int.random(in: 0..<3, using: &random))"
    guard let key = key(id) else { return check((try? pool.drain(id)) == nil, "an unknown replica was drained") }
    if expected[key]?.state == .ready {
      expected[key]?.state = .draining
      expected[key]?.drainsDue = 1
      expected[key]?.drainsReported = 0
    }
    guard let actions = try? pool.drain(id) else { return check(false, "draining \(id) failed") }
    follow(actions)
  }

  private mutating func remove() {
    let id = "r\(Int.random(in: 0..<3, using: &random))"
    guard let key = key(id), let actions = try? pool.remove(id) else { return }
    expected[key]?.state = .gone
    follow(actions)
  }

  private mutating func loseIdle() {
    for replica in pool.replicas {
      guard let connection = replica.idle.randomElement(using: &random) else { continue }
      idle.remove(connection.id)
      pool.idleLost(connection.id, of: replica.key)
    }
  }

  private mutating func compare() {
    for replica in pool.replicas {
      guard let expectation = expected[replica.key] else { return check(false, "an unexpected replica") }
      check(replica.inFlight >= 0 && replica.tunnels >= 0, "a count is negative")
      check(
        replica.inFlight == expectation.inFlight, "\(replica.id) counts \(replica.inFlight) in flight, there are \(expectation.inFlight)")
      check(replica.state == expectation.state, "\(replica.id) is \(replica.state), not \(expectation.state)")
      check(replica.idle.count <= limits.maxIdlePerReplica, "\(replica.id) keeps too many idle connections")
      check(replica.state == .ready || replica.idle.isEmpty, "\(replica.id) keeps idle connections though \(replica.state)")
      if replica.state == .draining {
        let due = replica.inFlight == 0 ? 1 : 0
        check(expectation.drainsReported == due, "\(replica.id): drained reported \(expectation.drainsReported) times, not \(due)")
      }
    }
    check(pool.held.count == waiting.count, "held requests differ")
    check(holds || waiting.isEmpty, "requests wait though no replica is to come")
    check(pool.replicas.reduce(0) { $0 + $1.idle.count } == idle.count, "idle connections differ")
    let healthy = pool.replicas.contains { $0.state == .ready && $0.suspicion == nil }
    check(!healthy || pool.held.allSatisfy { $0.notBefore > time || $0.request.deadline <= time }, "a request waits beside a ready replica")
    if !pool.held.isEmpty { check(pool.nextDeadline != nil, "held requests without a deadline") }
  }
}

@Suite struct ReplicaPoolSimulation {
  @Test func randomSchedules() {
    for seed in 0..<20_000 as Range<UInt64> {
      var simulation = Simulation(seed: seed)
      simulation.run(steps: 50)
      if !simulation.failures.isEmpty {
        #expect(simulation.failures == [], "seed \(seed)")
        return
      }
    }
  }
}
