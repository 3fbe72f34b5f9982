import StopPlan

/// What is stopped and started, and when the desired state is reached.
extension Rollout {
  /// How many replicas of which revision are to run.
  private var targets: [(revision: Int, count: Int)] {
    guard let frozen = saved.frozen else { return [(desired.revision, wanted)] }
    let revisions = Set(frozen.keys).union(fleet.healthyByRevision.keys)
    return revisions.sorted().map { ($0, frozen[$0] ?? 0) }
  }

  /// Stops what is not wanted, as far as enough stay available. What does not serve goes at once; what is ready and not settled goes as long
  /// as enough are ready.
  mutating func stopWhatMayGo(at now: Instant) {
    let floor = max(0, wanted - bounds.unavailable)
    while let number = fleet.firstLeavingNotReady() { stop(number) }
    while fleet.ready > floor, let number = fleet.firstLeavingReady() { stop(number) }
    while fleet.available > floor, let number = fleet.firstLeavingAvailable() { stop(number) }
    for (revision, count) in targets {
      let excess = (fleet.healthyByRevision[revision] ?? 0) - count
      guard excess > 0 else { continue }
      for replica in fleet.leastServing(of: revision).prefix(excess) {
        let isSpared = replica.isAvailable ? fleet.available <= floor : replica.isReady && fleet.ready <= floor
        if !isSpared { stop(replica.number) }
      }
    }
  }

  private mutating func stop(_ number: ReplicaNumber) {
    fleet.change(number) { $0.phase = .stopping }
    actions.append(.stop(number))
  }

  mutating func startWhatIsMissing(at now: Instant) {
    if let until = saved.crashes.until {
      guard now >= until else { return }
      saved.crashes.waited()
    }
    let limit = wanted + bounds.surge
    for (revision, count) in targets {
      var missing = count - (fleet.healthyByRevision[revision] ?? 0)
      // Who is being stopped still uses what a replica uses; without surge its place is free only when it has ended.
      while missing > 0, fleet.running + (bounds.surge == 0 ? fleet.stopping : 0) < limit {
        start(revision, at: now)
        missing -= 1
      }
    }
  }

  private mutating func start(_ revision: Int, at now: Instant) {
    saved.lastNumber += 1
    let number = ReplicaNumber(saved.lastNumber)
    fleet.add(Replica(number: number, revision: revision, phase: .starting, startedAt: now))
    actions.append(.start(number, revision: revision))
  }

  /// Tells once that unhealthy replicas wait, and once that none does any more. As many as surge allows are not held: a substitute is on its way.
  mutating func tellWhatIsHeld() {
    let held = max(0, fleet.unhealthy - bounds.surge)
    if held > 0, !saved.isHolding {
      actions.append(.note(.holding(held)))
    } else if held == 0, saved.isHolding {
      actions.append(.note(.holding(0)))
    }
    saved.isHolding = held > 0
  }

  mutating func settle(at now: Instant) {
    guard !saved.isSettled, fleet.count == wanted, (fleet.servingByRevision[desired.revision] ?? 0) == wanted else { return }
    saved.isSettled = true
    (saved.overdueAt, saved.retrying) = (nil, nil)
    saved.finished = saved.finished.filter { $0.key == desired.revision }
    // What has served is worth going back to, and what fails from now on is restarted, not undone.
    saved.served = desired.replicas > 0 ? Saved.Served(revision: desired.revision, bounds: bounds) : nil
    if saved.crashes.failures > 0 { saved.forgetAt = now + bounds.backoff.upperBound }
    let revision = desired.revision
    actions.append(.note(wanted == 0 ? .stopped : saved.isRepair == true ? .restored(revision: revision) : .complete(revision: revision)))
  }
}
