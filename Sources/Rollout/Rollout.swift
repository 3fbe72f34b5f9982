import StopPlan

/// Decides for one app which replicas are started and stopped, and when: desired and observed state and the time go in, actions come out.
///
/// Never fewer available than `desired - unavailable` by its own doing, never more running than `desired + surge`.
/// A new revision that does not get ready is undone and the old one goes on serving.
public struct Rollout: Sendable {
  /// What can happen.
  public enum Event: Equatable, Sendable {
    /// The app is to be something else.
    case desired(Desired)
    /// A replica's program has said, or was found, to be ready.
    case ready(ReplicaNumber)
    /// A replica has ended; `endedWell` when its program exited with 0.
    case ended(ReplicaNumber, endedWell: Bool)
    /// Time has passed.
    case clock
  }

  /// What is to be done.
  public enum Action: Equatable, Sendable {
    /// Start a replica of that revision.
    case start(ReplicaNumber, revision: Int)
    /// Take the replica out of the ingress, drain it and stop it by its plan. Comes once for a replica.
    case stop(ReplicaNumber)
    /// Send `.clock` at this moment; nil takes the last one back.
    case arm(Instant?)
    /// Tell who listens.
    case note(Note)
  }

  /// What is worth telling.
  public enum Note: Equatable, Sendable {
    /// A new revision is being rolled out.
    case began(revision: Int)
    /// All replicas are of the desired revision and available, and nothing else runs.
    case complete(revision: Int)
    /// The new revision was given up: that replica was not ready in time, or ended.
    case undone(revision: Int, replica: ReplicaNumber, Failure)
    /// The revision is not up by its deadline for want of that replica, and there is none to go back to; it goes on being tried.
    case overdue(revision: Int, replica: ReplicaNumber?)
    /// A replica ended by itself; the next start waits until then.
    case backingOff(ReplicaNumber, until: Instant)
    /// Nothing runs any more, as desired.
    case stopped
  }

  /// Why a new revision was given up.
  public enum Failure: Equatable, Sendable {
    /// It was not ready by the deadline.
    case late
    /// It ended before it was available.
    case ended
  }

  /// The bounds in force.
  public let bounds: RolloutBounds
  /// What the app is to be.
  public private(set) var desired = Desired(replicas: 0, revision: 0)
  /// All replicas that have not ended, the oldest first.
  public private(set) var replicas: [Replica] = []
  /// The revision that served before the one being rolled out, to go back to; nil when there is none to go back to.
  private var previousRevision: Int?
  private var lastNumber = 0
  private var isSettled = true
  private var backoff: Backoff
  private var nextStart: Instant?
  /// When a revision that has none to go back to is overdue; nil when that was said.
  private var overdueAt: Instant?
  private var actions: [Action] = []

  /// An app without replicas.
  public init(_ bounds: RolloutBounds) {
    self.bounds = bounds
    backoff = Backoff(bounds.backoff)
  }

  /// The replicas that have been ready for the settle time.
  public func available(at now: Instant) -> Int { replicas.filter { isAvailable($0, at: now) }.count }

  /// Whether the desired state is reached.
  public var isComplete: Bool { isSettled }

  /// Takes in what happened and returns what to do about it.
  public mutating func handle(_ event: Event, at now: Instant) -> [Action] {
    switch event {
    case .desired(let desired): wish(for: desired, at: now)
    case .ready(let number): change(number) { if $0.phase == .starting { $0.phase = .ready(since: now) } }
    case .ended(let number, let endedWell): ended(number, endedWell: endedWell, at: now)
    case .clock: break
    }
    giveUpIfLate(at: now)
    stopWhatMayGo(at: now)
    startWhatIsMissing(at: now)
    settle(at: now)
    actions.append(.arm(nextMoment(after: now)))
    defer { actions = [] }
    return actions
  }

  private mutating func change(_ number: ReplicaNumber, _ body: (inout Replica) -> Void) {
    if let index = replicas.firstIndex(where: { $0.number == number }) { body(&replicas[index]) }
  }

  private func isAvailable(_ replica: Replica, at now: Instant) -> Bool {
    if case .ready(let since) = replica.phase { now >= since + bounds.settle } else { false }
  }

  private mutating func wish(for wished: Desired, at now: Instant) {
    if wished.revision != desired.revision, wished.replicas > 0 {
      // Only what has served is worth going back to.
      if isSettled, desired.replicas > 0 { previousRevision = desired.revision }
      actions.append(.note(.began(revision: wished.revision)))
      backoff.reset()
      nextStart = nil
      overdueAt = now + bounds.deadline
    }
    if wished.replicas == 0 { overdueAt = nil }
    if wished != desired { isSettled = false }
    desired = wished
  }

  // MARK: - Endings

  private mutating func ended(_ number: ReplicaNumber, endedWell: Bool, at now: Instant) {
    guard let index = replicas.firstIndex(where: { $0.number == number }) else { return }
    let replica = replicas.remove(at: index)
    guard replica.isRunning else { return }
    if case .ready(let since) = replica.phase, now - since >= bounds.backoff.upperBound { backoff.reset() }
    let wasAvailable = isAvailable(replica, at: now)
    if !isSettled, replica.revision == desired.revision, !wasAvailable, undo(replica, .ended) { return }
    isSettled = false
    guard bounds.replacesEnded(endedWell) else {
      desired.replicas = max(0, desired.replicas - 1)
      return
    }
    let until = now + backoff.next()
    nextStart = until
    actions.append(.note(.backingOff(number, until: until)))
  }

  private mutating func giveUpIfLate(at now: Instant) {
    guard !isSettled else { return }
    if previousRevision == nil {
      guard let overdueAt, now >= overdueAt else { return }
      self.overdueAt = nil
      let missing = replicas.first { $0.phase == .starting }
      actions.append(.note(.overdue(revision: desired.revision, replica: missing?.number)))
      return
    }
    for replica in replicas where replica.revision == desired.revision && replica.phase == .starting {
      if now >= replica.startedAt + bounds.deadline, undo(replica, .late) { return }
    }
  }

  /// Goes back to the revision that served before.
  /// - Returns: false when there is none.
  private mutating func undo(_ replica: Replica, _ failure: Failure) -> Bool {
    guard let previous = previousRevision else { return false }
    actions.append(.note(.undone(revision: desired.revision, replica: replica.number, failure)))
    desired.revision = previous
    previousRevision = nil
    overdueAt = nil
    return true
  }

  // MARK: - Replacing

  /// Stops what is not wanted, as far as enough stay available.
  private mutating func stopWhatMayGo(at now: Instant) {
    let floor = max(0, desired.replicas - bounds.unavailable)
    var availableLeft = available(at: now)
    // Those that serve least go first: not ready before ready, of another revision before the desired one, the youngest before the oldest.
    let order = replicas.filter(\.isRunning).sorted { lhs, rhs in
      let left = (isAvailable(lhs, at: now) ? 1 : 0, lhs.revision == desired.revision ? 1 : 0)
      let right = (isAvailable(rhs, at: now) ? 1 : 0, rhs.revision == desired.revision ? 1 : 0)
      return left == right ? lhs.number < rhs.number : left < right
    }
    var ofDesired = order.filter { $0.revision == desired.revision }.count
    for replica in order {
      let isAvailable = isAvailable(replica, at: now)
      let isOld = replica.revision != desired.revision
      guard isOld || ofDesired > desired.replicas else { continue }
      if isAvailable, availableLeft - 1 < floor { continue }
      if isAvailable { availableLeft -= 1 }
      if !isOld { ofDesired -= 1 }
      change(replica.number) { $0.phase = .stopping }
      actions.append(.stop(replica.number))
    }
  }

  private mutating func startWhatIsMissing(at now: Instant) {
    if let nextStart, now < nextStart { return }
    var ofDesired = replicas.filter { $0.isRunning && $0.revision == desired.revision }.count
    var running = replicas.filter(\.isRunning).count
    // Who is being stopped still uses what a replica uses; without surge its place is free only when it has ended.
    let leaving = bounds.surge == 0 ? replicas.count - running : 0
    while ofDesired < desired.replicas, running + leaving < desired.replicas + bounds.surge {
      lastNumber += 1
      let number = ReplicaNumber(lastNumber)
      replicas.append(Replica(number: number, revision: desired.revision, phase: .starting, startedAt: now))
      actions.append(.start(number, revision: desired.revision))
      ofDesired += 1
      running += 1
    }
  }

  private mutating func settle(at now: Instant) {
    guard !isSettled else { return }
    let isAsDesired =
      replicas.count == desired.replicas && replicas.allSatisfy { $0.revision == desired.revision && isAvailable($0, at: now) }
    guard isAsDesired else { return }
    isSettled = true
    // It has served: what fails from now on is restarted, not undone.
    previousRevision = nil
    overdueAt = nil
    actions.append(.note(desired.replicas == 0 ? .stopped : .complete(revision: desired.revision)))
  }

  /// The next moment at which time alone changes something.
  private func nextMoment(after now: Instant) -> Instant? {
    var next: Instant?
    func consider(_ moment: Instant) {
      if moment > now { next = min(next ?? moment, moment) }
    }
    for replica in replicas where replica.isRunning {
      switch replica.phase {
      case .starting: if previousRevision != nil, !isSettled { consider(replica.startedAt + bounds.deadline) }
      case .ready(let since): consider(since + bounds.settle)
      case .stopping: break
      }
    }
    if let nextStart { consider(nextStart) }
    if let overdueAt, previousRevision == nil, !isSettled { consider(overdueAt) }
    return next
  }
}
