import StopPlan

/// Decides for one app which replicas are started and stopped, and when: desired and observed state and the time go in, actions come out.
///
/// Never fewer available than `wanted - unavailable` by its own doing, never more running than `wanted + surge`.
/// A new revision that does not get ready is undone and the old one goes on serving.
///
/// Whoever carries it out records `saved`, when it changed, and the replicas that `.start` and `.stop` name in one transaction before it acts.
/// Then the machine can be thrown away at any moment and made anew by `init(restoring:replicas:at:)`.
public struct Rollout: Sendable {
  /// What can happen.
  public enum Event: Equatable, Sendable {
    /// The app is to be something else; the bounds are those of the new revision, nil when they stay as they are.
    case desired(Desired, bounds: RolloutBounds? = nil)
    /// A replica's program has said, or was found, to be ready.
    case ready(ReplicaNumber)
    /// A replica has asked to be awaited until then, later than its deadline (sd_notify(3), EXTEND_TIMEOUT_USEC).
    case extended(ReplicaNumber, until: Instant)
    /// A replica goes by itself: its program says so, or has ended and what runs beside it is yet to be stopped. It serves no more. It is
    /// replaced when it has ended, by what its end means; give `.unhealthy` when that takes too long.
    case quitting(ReplicaNumber)
    /// A replica's liveness check failed: it has to be replaced.
    case unhealthy(ReplicaNumber)
    /// A replica's liveness check succeeds again before it was stopped: it may stay.
    case healthy(ReplicaNumber)
    /// A replica has ended.
    case ended(ReplicaNumber, Ending)
    /// Replicas of the old revision are not replaced by new ones until `.resume`. What fails is still replaced, by its own revision, the
    /// number still changes, and the deadline stands still: as `kubectl rollout pause` does.
    case pause
    /// The update goes on; its deadline begins anew.
    case resume
    /// Time has passed.
    case clock
  }

  /// What is to be done.
  public enum Action: Equatable, Sendable {
    /// Start a replica of that revision.
    case start(ReplicaNumber, revision: Int)
    /// Take the replica out of the ingress, drain it and stop it by its plan. Comes once for a replica, however often the machine is restored.
    case stop(ReplicaNumber)
    /// Send `.clock` at this moment; nil takes the last one back. It is in force until the next one, or until `.clock` was sent.
    case arm(Instant?)
    /// Tell who listens.
    case note(Note)
  }

  /// The bounds in force.
  public var bounds: RolloutBounds { saved.bounds }
  /// What the app is to be.
  public var desired: Desired { saved.desired }
  /// What has to be recorded so that the machine can be restored; cheap to compare.
  public internal(set) var saved: Saved
  var fleet = Fleet()
  var actions: [Action] = []
  /// The moment of the last `.arm`; nil when none is in force.
  private var armed: Instant?
  /// After it was restored it only takes in what is found, until the first `.clock`: what died meanwhile must not count as serving.
  private var isTakingIn = false

  /// An app without replicas. Apps with different seeds pause for different times when they fail together.
  public init(_ bounds: RolloutBounds, seed: UInt64 = 0) { saved = Saved(bounds: bounds, seed: seed) }

  /// The machine as it was when `saved` was recorded.
  ///
  /// It decides nothing before the first `.clock`: give it `.ended` for replicas that died meanwhile (`.lost` for those whose start was
  /// recorded and never done) and `.ready` for those found ready, then `.clock`. A replica that was recorded as stopping is to be stopped by
  /// who recorded it, since `.stop` comes once. The deadlines of what is not ready begin anew: nobody could hear it.
  ///
  /// - Parameter replicas: all that were recorded as started and not as ended.
  public init(restoring saved: Saved, replicas: [Replica], at now: Instant) {
    self.saved = saved
    self.saved.clamp(to: now)
    for replica in replicas {
      self.saved.lastNumber = max(self.saved.lastNumber, replica.number.value)
      fleet.add(replica)
    }
    isTakingIn = true
    fleet.keep(only: revisionToKeep)
    fleet.settle(bounds.settle, at: now) { _ in }
  }

  // MARK: - Asking

  /// All replicas that have not ended, the oldest first. Sorts them: for showing, not for every event.
  public var replicas: [Replica] { fleet.replicas.values.sorted { $0.number < $1.number } }

  /// The same in no order, for what is asked at every start.
  public var unordered: some Collection<Replica> { fleet.replicas.values }

  /// How many replicas are to be started yet, unless something else is asked for.
  public var missing: Int { max(0, wanted - fleet.running) }

  /// How many replicas have not ended.
  public var count: Int { fleet.count }

  /// A replica that has not ended.
  public func replica(_ number: ReplicaNumber) -> Replica? { fleet[number] }

  /// The replicas that have been ready for the settle time.
  public func available(at now: Instant) -> Int { fleet.available + fleet.settled(by: now, bounds.settle) }

  /// How many replicas are to run: the desired number less those that ended for good.
  public var wanted: Int { max(0, desired.replicas - (saved.finished[desired.revision] ?? 0)) }

  /// Whether nothing is to run any more, and that is no good end.
  public var hasFailedForGood: Bool { desired.replicas > 0 && wanted == 0 && saved.refused == desired.revision }

  /// Whether the desired state is reached.
  public var isComplete: Bool { saved.isSettled }

  /// Whether replacing the old by the new is paused.
  public var isPaused: Bool { saved.frozen != nil }

  /// The revision that served before the one being rolled out, to go back to; nil when there is none.
  public var previousRevision: Int? { saved.served.flatMap { $0.revision == desired.revision ? nil : $0.revision } }

  /// Until when the next start waits after a failure; nil when none waits.
  public var backingOffUntil: Instant? { saved.crashes.until }

  /// How many failures came in a row. They are forgotten when the app has been complete for the longest pause, and by a new revision.
  public var failuresInARow: Int { saved.crashes.failures }

  // MARK: - Events

  /// Takes in what happened and returns what to do about it.
  public mutating func handle(_ event: Event, at now: Instant) -> [Action] {
    if event == .clock { (armed, isTakingIn) = (nil, false) }
    // Who wants nothing waits for nothing that may still be found.
    if case .desired(let desired, _) = event, desired.replicas == 0 { isTakingIn = false }
    settleReplicas(at: now)
    take(event, at: now)
    if !isTakingIn {
      settleReplicas(at: now)
      forgetFailures(at: now)
      giveUpIfLate(at: now)
      stopWhatMayGo(at: now)
      startWhatIsMissing(at: now)
      tellWhatIsHeld()
      settle(at: now)
      arm(at: now)
    }
    defer { actions = [] }
    return actions
  }

  private mutating func take(_ event: Event, at now: Instant) {
    switch event {
    case .desired(let desired, let bounds): wish(for: desired, bounds: bounds, at: now)
    case .ready(let number): ready(number, at: now)
    case .extended(let number, let until): extend(number, to: until)
    case .quitting(let number):
      guard let replica = fleet[number], replica.isRunning, !replica.isQuitting else { return }
      fleet.change(number) { $0.isQuitting = true }
      unsettle(at: now)
    case .unhealthy(let number): failed(number, at: now)
    case .healthy(let number): fleet.change(number) { if $0.isRunning { $0.isUnhealthy = false } }
    case .ended(let number, let ending): ended(number, ending, at: now)
    case .pause: pause()
    case .resume: resume(at: now)
    case .clock: break
    }
  }

  private mutating func settleReplicas(at now: Instant) {
    let revision = desired.revision
    var hasProgress = false
    fleet.settle(bounds.settle, at: now) { if $0.revision == revision { hasProgress = true } }
    if hasProgress { saved.retrying = nil }
  }

  /// The desired state is not reached any more.
  mutating func unsettle(at now: Instant) {
    guard saved.isSettled else { return }
    saved.isSettled = false
    saved.isRepair = true
    saved.overdueAt = wanted > 0 ? now + bounds.deadline : nil
  }

  private mutating func arm(at now: Instant) {
    let moment = nextMoment(after: now)
    if moment != armed { actions.append(.arm(moment)) }
    armed = moment
  }

  /// The next moment at which time alone changes something.
  private mutating func nextMoment(after now: Instant) -> Instant? {
    var next: Instant?
    func consider(_ moment: Instant?) {
      if let moment, moment > now { next = min(next ?? moment, moment) }
    }
    consider(fleet.firstSettling().map { $0.since + bounds.settle })
    consider(saved.crashes.until)
    consider(saved.forgetAt)
    guard !saved.isSettled, !isPaused else { return next }
    if previousRevision == nil {
      consider(overdueAt)
    } else {
      consider(fleet.firstAwaited().map { deadline(from: $0.since) })
      consider(saved.retrying.map { deadline(from: $0.since) })
    }
    return next
  }

  /// The deadline of what is awaited since then; a pause, and the engine's absence, do not count.
  func deadline(from moment: Instant) -> Instant { max(moment, saved.resumedAt ?? moment) + bounds.deadline }
}
