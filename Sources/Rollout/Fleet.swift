import StopPlan

/// An app's replicas, counted and queued as they change, so that an event costs the same whether there are three or thousands.
struct Fleet: Sendable {
  private(set) var replicas: [ReplicaNumber: Replica] = [:]
  /// Which revision is to stay; nil while an update is paused, when the revision of a replica is no reason to replace it.
  private(set) var wantedRevision: Int?

  /// How many run: all but those that were told to go.
  private(set) var running = 0
  private(set) var stopping = 0
  private(set) var ready = 0
  private(set) var available = 0
  /// How many that run are to be replaced for their liveness.
  private(set) var unhealthy = 0
  private(set) var runningByRevision: [Int: Int] = [:]
  private(set) var healthyByRevision: [Int: Int] = [:]
  private(set) var servingByRevision: [Int: Int] = [:]

  /// Ready ones that have not settled, by since when they are ready.
  private var settling = ReplicaQueue<Instant>()
  /// Those that are not ready, by since when they are awaited.
  private var awaited = ReplicaQueue<Instant>()
  /// Those to be replaced: not ready; ready, and available, the unhealthy first.
  private var leavingNotReady = ReplicaQueue<Int>()
  private var leavingReady = ReplicaQueue<Int>()
  private var leavingAvailable = ReplicaQueue<Int>()

  var count: Int { replicas.count }

  subscript(number: ReplicaNumber) -> Replica? { replicas[number] }

  // MARK: - Changing

  mutating func add(_ replica: Replica) {
    replicas[replica.number] = replica
    tally(replica, 1)
    enqueue(replica)
  }

  @discardableResult
  mutating func remove(_ number: ReplicaNumber) -> Replica? {
    guard let replica = replicas.removeValue(forKey: number) else { return nil }
    tally(replica, -1)
    return replica
  }

  mutating func change(_ number: ReplicaNumber, _ body: (inout Replica) -> Void) {
    guard let old = replicas[number] else { return }
    var new = old
    body(&new)
    guard new != old else { return }
    replicas[number] = new
    tally(old, -1)
    tally(new, 1)
    enqueue(new)
  }

  /// Queues all replicas anew under the revision that is to stay. Costs as much as there are replicas: for a new revision, not for an event.
  mutating func keep(only revision: Int?) {
    wantedRevision = revision
    requeue()
  }

  private mutating func requeue() {
    settling.removeAll()
    awaited.removeAll()
    leavingNotReady.removeAll()
    leavingReady.removeAll()
    leavingAvailable.removeAll()
    for replica in replicas.values { enqueue(replica) }
  }

  /// Notes which ready replicas have settled by now.
  mutating func settle(_ span: TimeSpan, at now: Instant, each: (Replica) -> Void) {
    while let next = firstSettling(), next.since + span <= now {
      settling.removeFirst()
      change(next.number) { $0.hasSettled = true }
      if let replica = replicas[next.number] { each(replica) }
    }
  }

  // MARK: - Asking

  /// The ready replica that is next to settle.
  mutating func firstSettling() -> (number: ReplicaNumber, since: Instant)? {
    while let head = settling.head {
      if let replica = replicas[head.number], replica.isReady, !replica.hasSettled, replica.phase == .ready(since: head.key) {
        return (head.number, head.key)
      }
      settling.removeFirst()
    }
    return nil
  }

  /// The replica of the wanted revision that is awaited for longest.
  mutating func firstAwaited() -> (number: ReplicaNumber, since: Instant)? {
    while let head = awaited.head {
      if let replica = replicas[head.number], isAwaited(replica), replica.waitingSince == head.key { return (head.number, head.key) }
      awaited.removeFirst()
    }
    return nil
  }

  private func isAwaited(_ replica: Replica) -> Bool {
    // One that has served is no new replica that is late.
    replica.isRunning && !replica.isReady && !replica.hasSettled && !replica.isUnhealthy && replica.revision == wantedRevision
  }

  /// The oldest replica to be replaced that is not ready.
  mutating func firstLeavingNotReady() -> ReplicaNumber? {
    while let head = leavingNotReady.head {
      if let replica = replicas[head.number], !replica.isReady, isLeaving(replica) { return head.number }
      leavingNotReady.removeFirst()
    }
    return nil
  }

  /// The next replica to be replaced that is ready and not settled, the unhealthy first, then the oldest.
  mutating func firstLeavingReady() -> ReplicaNumber? { Self.first(of: &leavingReady, in: replicas, wantedRevision, isAvailable: false) }

  /// The next replica to be replaced that is available, the unhealthy first, then the oldest.
  mutating func firstLeavingAvailable() -> ReplicaNumber? {
    Self.first(of: &leavingAvailable, in: replicas, wantedRevision, isAvailable: true)
  }

  private static func first(
    of queue: inout ReplicaQueue<Int>, in replicas: [ReplicaNumber: Replica], _ wanted: Int?, isAvailable: Bool
  ) -> ReplicaNumber? {
    while let head = queue.head {
      if let replica = replicas[head.number], replica.isReady, replica.isAvailable == isAvailable, isLeaving(replica, wanted),
        rank(replica) == head.key
      {
        return head.number
      }
      queue.removeFirst()
    }
    return nil
  }

  /// Healthy running replicas of a revision, those that serve least first: not ready, not settled, available; the youngest first.
  func leastServing(of revision: Int?) -> [Replica] {
    func rank(_ replica: Replica) -> Int { replica.isAvailable ? 2 : replica.isReady ? 1 : 0 }
    return replicas.values.filter { $0.isRunning && !$0.isUnhealthy && (revision == nil || $0.revision == revision) }
      .sorted { rank($0) == rank($1) ? $0.number > $1.number : rank($0) < rank($1) }
  }

  /// How many ready replicas will have settled by `moment` that were not counted yet.
  func settled(by moment: Instant, _ span: TimeSpan) -> Int {
    replicas.values.count {
      if $0.isReady, case .ready(let since) = $0.phase { !$0.hasSettled && since + span <= moment } else { false }
    }
  }

  private func isLeaving(_ replica: Replica) -> Bool { Self.isLeaving(replica, wantedRevision) }

  private static func isLeaving(_ replica: Replica, _ wanted: Int?) -> Bool {
    replica.isRunning && (replica.isUnhealthy || wanted.map { replica.revision != $0 } ?? false)
  }

  // MARK: - Counting

  private mutating func enqueue(_ replica: Replica) {
    let number = replica.number
    switch replica.phase {
    case .stopping: break
    case .ready(let since) where replica.isReady:
      if !replica.hasSettled { settling.insert(number, at: since) }
      guard isLeaving(replica) else { break }
      if replica.isAvailable {
        leavingAvailable.insert(number, at: Self.rank(replica))
      } else {
        leavingReady.insert(number, at: Self.rank(replica))
      }
    case .starting, .ready:
      awaited.insert(number, at: replica.waitingSince)
      if isLeaving(replica) { leavingNotReady.insert(number, at: 0) }
    }
    // Stale entries behind one that holds are dropped together, so that an app that flaps for years keeps its size.
    let entries = settling.count + awaited.count + leavingNotReady.count + leavingReady.count + leavingAvailable.count
    if entries > 256 + 8 * replicas.count { requeue() }
  }

  private static func rank(_ replica: Replica) -> Int { replica.isUnhealthy ? 0 : 1 }

  private mutating func tally(_ replica: Replica, _ sign: Int) {
    guard replica.isRunning else {
      stopping += sign
      return
    }
    running += sign
    if replica.isReady { ready += sign }
    if replica.isAvailable { available += sign }
    add(sign, to: &runningByRevision, replica.revision)
    if replica.isUnhealthy {
      unhealthy += sign
    } else {
      add(sign, to: &healthyByRevision, replica.revision)
      if replica.isAvailable { add(sign, to: &servingByRevision, replica.revision) }
    }
  }

  private func add(_ sign: Int, to counts: inout [Int: Int], _ revision: Int) {
    let sum = counts[revision, default: 0] + sign
    counts[revision] = sum == 0 ? nil : sum
  }
}
