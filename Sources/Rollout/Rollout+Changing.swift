import StopPlan

/// What is asked of an app, and what becomes of its replicas by themselves.
extension Rollout {
  /// The revision that replicas are replaced for not having; nil while that is paused.
  var revisionToKeep: Int? { isPaused ? nil : desired.revision }

  // MARK: - Requests

  mutating func wish(for wished: Desired, bounds: RolloutBounds?, at now: Instant) {
    let (from, wantedBefore) = (desired, wanted)
    if let bounds {
      saved.bounds = bounds
      if saved.served?.revision == wished.revision { saved.served?.bounds = bounds }
    }
    guard wished != from else { return }
    saved.desired = wished
    let isNew = wished.revision != from.revision
    if isNew || from.replicas == 0 { (saved.finished[wished.revision], saved.refused) = (nil, nil) }
    unsettle(at: now)
    saved.isRepair = false
    if wished.replicas == 0 {
      saved.overdueAt = nil
      saved.begun = wished.revision
      saved.frozen = saved.frozen.map { _ in [:] }
    } else if !isPaused, isNew || from.replicas == 0 {
      begin(at: now)
    } else {
      if isPaused, isNew { actions.append(.note(.paused)) }
      if wished.replicas != from.replicas {
        if from.replicas > 0 || !isNew { actions.append(.note(.scaled(from: from.replicas, to: wished.replicas))) }
        scaleFrozen(from: wantedBefore, isNew: isNew)
      }
    }
    if isNew { fleet.keep(only: revisionToKeep) }
  }

  private mutating func begin(at now: Instant) {
    saved.crashes.reset()
    (saved.forgetAt, saved.retrying) = (nil, nil)
    saved.overdueAt = now + bounds.deadline
    saved.begun = desired.revision
    actions.append(.note(.began(revision: desired.revision)))
  }

  mutating func pause() {
    guard !isPaused else { return }
    var frozen = fleet.runningByRevision
    // What failed and waits for its restart is of the revision that most are of; what was stopped for the update is not replaced.
    let revision = desired.revision
    let stopped = fleet.replicas.values.count { !$0.isRunning && !$0.isUnhealthy && $0.revision != revision && bounds.surge == 0 }
    let failed = wanted - fleet.running - stopped
    if failed > 0 { frozen[mainRevision(frozen) ?? desired.revision, default: 0] += failed }
    saved.frozen = frozen
    actions.append(.note(.paused))
    fleet.keep(only: nil)
  }

  mutating func resume(at now: Instant) {
    guard isPaused else { return }
    saved.frozen = nil
    saved.resumedAt = now
    actions.append(.note(.resumed))
    if desired.revision != saved.begun, wanted > 0 {
      begin(at: now)
    } else if saved.overdueAt != nil {
      saved.overdueAt = now + bounds.deadline
    }
    fleet.keep(only: desired.revision)
  }

  /// Scales while paused: more of the revision that most are of; fewer of what has failed, then of what serves least.
  private mutating func scaleFrozen(from before: Int, isNew: Bool) {
    guard var frozen = saved.frozen else { return }
    if wanted > before, let revision = mainRevision(frozen) ?? (isNew ? nil : desired.revision) {
      frozen[revision, default: 0] += wanted - before
    }
    // What the update had started beyond the number stays beyond it; what it had stopped is missing already.
    let total = frozen.values.reduce(0, +)
    var surplus = wanted < before ? total - min(total, wanted + max(0, total - before)) : 0
    for revision in frozen.keys.sorted() where surplus > 0 {
      let missing = min(surplus, max(0, (frozen[revision] ?? 0) - (fleet.healthyByRevision[revision] ?? 0)))
      frozen[revision, default: 0] -= missing
      surplus -= missing
    }
    if surplus > 0 {
      for replica in fleet.leastServing(of: nil).prefix(surplus) { frozen[replica.revision, default: 0] -= 1 }
    }
    saved.frozen = frozen.filter { $0.value > 0 }
  }

  private func mainRevision(_ counts: [Int: Int]) -> Int? {
    counts.max { ($0.value, -$0.key) < ($1.value, -$1.key) }.flatMap { $0.value > 0 ? $0.key : nil }
  }

  // MARK: - What befalls replicas

  mutating func failed(_ number: ReplicaNumber, at now: Instant) {
    guard let replica = fleet[number], replica.isRunning, !replica.isUnhealthy else { return }
    if undoes(replica), undo(number, .unhealthy, at: now) { return }
    unsettle(at: now)
    fleet.change(number) { $0.isUnhealthy = true }
    countFailure(of: replica, at: now)
  }

  mutating func ended(_ number: ReplicaNumber, _ ending: Ending, at now: Instant) {
    guard let replica = fleet.remove(number), replica.isRunning else { return }
    if ending != .lost, ending != .restart, undoes(replica), undo(number, .ended, at: now) { return }
    switch ending {
    case .done, .refused: finished(replica, ending)
    case .lost: unsettle(at: now)
    case .restart where now - replica.startedAt >= bounds.backoff.lowerBound:
      retries(replica)
      unsettle(at: now)
    case .restart, .failed:
      if ending == .restart { retries(replica) }
      unsettle(at: now)
      actions.append(.note(.backingOff(number, until: countFailure(of: replica, at: now))))
    }
  }

  private mutating func finished(_ replica: Replica, _ ending: Ending) {
    saved.finished[replica.revision, default: 0] += 1
    if ending == .refused { saved.refused = replica.revision }
    if let left = saved.frozen?[replica.revision] { saved.frozen?[replica.revision] = left > 1 ? left - 1 : nil }
    actions.append(.note(.notReplaced(replica.number, ending)))
    if saved.isSettled, wanted == 0 { actions.append(.note(.stopped)) }
  }

  /// A revision whose replicas ask to be restarted again and again is late in the end.
  private mutating func retries(_ replica: Replica) {
    if undoes(replica), saved.retrying == nil { saved.retrying = .init(number: replica.number, since: replica.startedAt) }
  }

  @discardableResult
  private mutating func countFailure(of replica: Replica, at now: Instant) -> Instant {
    saved.forgetAt = nil
    let hadServed = if case .ready(let since) = replica.phase { now - since >= bounds.backoff.upperBound } else { false }
    return saved.crashes.failed(startedAt: replica.startedAt, hadServed: hadServed, at: now, bounds: bounds.backoff)
  }

  mutating func forgetFailures(at now: Instant) {
    guard let moment = saved.forgetAt, now >= moment else { return }
    saved.forgetAt = nil
    saved.crashes.reset()
  }

  // MARK: - Giving up

  /// Whether the failure of this replica is one of the update.
  private func undoes(_ replica: Replica) -> Bool {
    !saved.isSettled && !isPaused && replica.revision == desired.revision && !replica.hasSettled && previousRevision != nil
  }

  mutating func giveUpIfLate(at now: Instant) {
    guard !saved.isSettled, !isPaused else { return }
    if previousRevision == nil {
      guard let moment = overdueAt, now >= moment else { return }
      saved.overdueAt = nil
      actions.append(.note(.overdue(revision: desired.revision, replica: fleet.firstAwaited()?.number)))
    } else if let awaited = fleet.firstAwaited(), now >= deadline(from: awaited.since) {
      _ = undo(awaited.number, .late, at: now)
    } else if let retrying = saved.retrying, now >= deadline(from: retrying.since) {
      _ = undo(retrying.number, .ended, at: now)
    }
  }

  /// Moves the deadline of a start: never to an earlier moment, and by no more than all its extensions may make in all.
  mutating func extend(_ number: ReplicaNumber, to moment: Instant) {
    guard let replica = fleet[number], replica.phase == .starting else { return }
    let moment = min(moment, deadline(from: replica.startedAt) + bounds.extending)
    let since = moment - bounds.deadline
    guard since > replica.waitingSince else { return }
    fleet.change(number) { ($0.waitingSince, $0.extendedUntil) = (since, moment) }
  }

  /// One that was awaited longer because it had asked for that has its settle time, too.
  mutating func ready(_ number: ReplicaNumber, at now: Instant) {
    guard let replica = fleet[number], replica.phase == .starting else { return }
    if replica.extendedUntil != nil, replica.revision == desired.revision, let overdue = saved.overdueAt {
      saved.overdueAt = max(overdue, now + bounds.settle + .milliseconds(1))
    }
    fleet.change(number) { ($0.phase, $0.extendedUntil) = (.ready(since: now), nil) }
  }

  /// When a state that has none to go back to is overdue: later, but within the bound, when who is awaited has asked for that.
  var overdueAt: Instant? {
    mutating get {
      guard let moment = saved.overdueAt else { return nil }
      guard let awaited = fleet.firstAwaited(), let until = fleet[awaited.number]?.extendedUntil else { return moment }
      return max(moment, min(until, moment + bounds.extending))
    }
  }

  /// Goes back to the revision that served before.
  /// - Returns: false when there is none.
  private mutating func undo(_ number: ReplicaNumber, _ failure: Failure, at now: Instant) -> Bool {
    guard let served = saved.served, served.revision != desired.revision else { return false }
    actions.append(.note(.undone(revision: desired.revision, replica: number, failure)))
    saved.desired.revision = served.revision
    // What was asked for is not reached.
    saved.isRepair = true
    saved.begun = served.revision
    saved.bounds = served.bounds
    saved.retrying = nil
    saved.overdueAt = now + bounds.deadline
    fleet.keep(only: served.revision)
    return true
  }
}
