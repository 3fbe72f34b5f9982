import Testing

@testable import Ingress

private func at(_ milliseconds: Int64) -> MonotonicTime { MonotonicTime(nanoseconds: milliseconds * 1_000_000) }

private func address(_ port: Int) -> ReplicaAddress { .inet(host: "127.0.0.1", port: port) }

private func request(_ id: UInt64, reusable: Bool = true, deadline: Int64 = 30_000) -> ReplicaPool.Request {
  ReplicaPool.Request(id: id, reusable: reusable, deadline: at(deadline))
}

@Suite struct ReplicaPoolTests {
  private func lease(_ selection: ReplicaPool.Selection) throws -> ReplicaPool.Lease {
    guard case .use(let lease) = selection else { throw Unexpected(selection) }
    return lease
  }

  private struct Unexpected: Error {
    let selection: ReplicaPool.Selection
    init(_ selection: ReplicaPool.Selection) { self.selection = selection }
  }

  @Test func leastInFlightThenInTurn() throws {
    var pool = ReplicaPool(limits: IngressLimits())
    for port in 1...3 { _ = try pool.add("r\(port)", address(port), at: at(0)) }
    let first = try (1...3).map { try lease(pool.acquire(request($0), at: at(0))).address }
    #expect(Set(first) == [address(1), address(2), address(3)])
    let second = try (4...6).map { try lease(pool.acquire(request($0), at: at(0))) }
    #expect(Set(second.map(\.address)) == [address(1), address(2), address(3)])
    _ = pool.release(second[1], served: true, parking: nil, at: at(1))
    #expect(try lease(pool.acquire(request(7), at: at(1))).address == second[1].address)
  }

  @Test func idleConnectionsAreLastInFirstOutBoundedAndTimed() throws {
    var limits = IngressLimits()
    limits.maxIdlePerReplica = 2
    var pool = ReplicaPool(limits: limits)
    _ = try pool.add("r", address(1), at: at(0))
    let leases = try (1...3).map { try lease(pool.acquire(request($0), at: at(0))) }
    #expect(leases.allSatisfy { $0.reused == nil })
    #expect(pool.release(leases[0], served: true, parking: 10, at: at(0)) == [])
    #expect(pool.release(leases[1], served: true, parking: 11, at: at(100)) == [])
    #expect(pool.release(leases[2], served: true, parking: 12, at: at(200)) == [.close(10)])
    #expect(try lease(pool.acquire(request(4, reusable: false), at: at(200))).reused == nil)
    #expect(try lease(pool.acquire(request(5), at: at(200))).reused == 12)
    #expect(pool.nextDeadline == at(4100))
    // Too old by a nanosecond is too old.
    #expect(try lease(pool.acquire(request(6), at: at(4100))).reused == nil)
    #expect(pool.tick(at: at(4100)) == [.close(11)])
    #expect(pool.nextDeadline == nil)
  }

  @Test func drainClosesIdleAndReportsOnce() throws {
    var pool = ReplicaPool(limits: IngressLimits())
    _ = try pool.add("r", address(1), at: at(0))
    let one = try lease(pool.acquire(request(1), at: at(0)))
    let two = try lease(pool.acquire(request(2), at: at(0)))
    let three = try lease(pool.acquire(request(3), at: at(0)))
    _ = pool.release(three, served: true, parking: 10, at: at(0))
    #expect(try pool.drain("r") == [.close(10)])
    #expect(try pool.drain("r") == [])
    #expect(pool.acquire(request(4), at: at(0)) == .held)
    #expect(pool.upgraded(one) == [])
    #expect(pool.release(two, served: true, parking: 11, at: at(0)) == [.close(11), .drained("r")])
    #expect(pool.replicas[0].status.tunnels == 1)
    // Ready again at the same address only; the held request goes there.
    #expect(throws: ReplicaPoolError.addressDiffers("r", address(1))) { try pool.add("r", address(2), at: at(1)) }
    guard case .start(4, let four)? = try pool.add("r", address(1), at: at(1)).first else { return #expect(Bool(false), "not started") }
    #expect(try pool.drain("r") == [])
    #expect(pool.release(four, served: true, parking: nil, at: at(1)) == [.drained("r")])
    #expect(throws: ReplicaPoolError.unknownReplica("x")) { try pool.drain("x") }
    #expect(try pool.remove("r") == [])
    #expect(pool.replicas.count == 1)
    pool.tunnelEnded(one)
    #expect(pool.replicas.isEmpty)
  }

  @Test func failedConnectionsGoElsewhereThenWait() throws {
    var pool = ReplicaPool(limits: IngressLimits())
    _ = try pool.add("a", address(1), at: at(0))
    _ = try pool.add("b", address(2), at: at(0))
    let first = try lease(pool.acquire(request(1, deadline: 1000), at: at(0)))
    let (again, selection, _) = pool.connectFailed(first, request(1, deadline: 1000), at: at(0))
    let second = try lease(selection)
    #expect(second.address != first.address)
    let (third, held, _) = pool.connectFailed(second, again, at: at(0))
    #expect(held == .held)
    #expect(third.tried == [])
    #expect(pool.acquire(request(2, deadline: 1000), at: at(10)) == .held)
    #expect(pool.nextDeadline == at(100))
    // Each unreachable replica is tried by one request; success lets the others go.
    let probes = pool.tick(at: at(100)).compactMap { action in
      if case .start(let id, let lease) = action { (id, lease) } else { nil as (UInt64, ReplicaPool.Lease)? }
    }
    #expect(probes.map(\.0) == [1, 2])
    #expect(pool.acquire(request(3, deadline: 1000), at: at(100)) == .held)
    #expect(pool.connected(probes[0].1, at: at(101)).count == 1)
    // And when nothing gets better they are refused at their time.
    let (_, last, _) = pool.connectFailed(probes[1].1, request(2, deadline: 1000), at: at(1000))
    #expect(last == .refused(.unreachable))
  }

  @Test func heldRequestsAreBoundedInNumberAndTime() throws {
    var limits = IngressLimits()
    limits.maxHeld = 2
    var pool = ReplicaPool(limits: limits)
    #expect(pool.acquire(request(1, deadline: 50), at: at(0)) == .held)
    #expect(pool.acquire(request(2, deadline: 60), at: at(0)) == .held)
    #expect(pool.acquire(request(3), at: at(0)) == .refused(.holdFull))
    #expect(pool.nextDeadline == at(50))
    #expect(pool.tick(at: at(50)) == [.refuse(1, .noReplica)])
    pool.cancelHeld(2)
    #expect(pool.nextDeadline == nil)
    #expect(pool.tick(at: at(100)) == [])
  }

  @Test func whereNoReplicaIsToComeNobodyWaits() throws {
    var pool = ReplicaPool(limits: IngressLimits())
    #expect(pool.acquire(request(1), at: at(0)) == .held)
    #expect(pool.refuse() == [.refuse(1, .stopped)])
    #expect(pool.acquire(request(2), at: at(1)) == .refused(.stopped))
    pool.hold()
    #expect(pool.acquire(request(3), at: at(2)) == .held)
    _ = pool.refuse()
    _ = try pool.add("a", .inet(host: "127.0.0.1", port: 1), at: at(3))
    _ = try pool.drain("a")
    // Who adds a replica means that there are to be some.
    #expect(pool.acquire(request(4), at: at(4)) == .held)
  }
}
