import StopPlan

extension Rollout {
  /// What a machine knows beside its replicas: a few numbers, whatever the size of the app.
  public struct Saved: Equatable, Codable, Sendable {
    /// What the app is to be.
    public internal(set) var desired = Desired(replicas: 0, revision: 0)
    /// The bounds in force.
    public internal(set) var bounds: RolloutBounds
    /// The highest number given to a replica.
    public internal(set) var lastNumber = 0
    /// Whether the desired state is reached.
    public internal(set) var isSettled = true
    /// Whether it was left by failures alone. Optional, since earlier versions did not write it.
    var isRepair: Bool?
    /// The failures so far.
    public internal(set) var crashes: CrashLoop
    /// The revision that was complete last, and its bounds; nil when nothing has served since the app was stopped.
    var served: Served?
    /// The revision whose beginning was told.
    var begun = 0
    /// While paused: how many replicas of which revision are to run.
    var frozen: [Int: Int]?
    /// Since when deadlines count at the earliest: the last resumption, or restoration.
    var resumedAt: Instant?
    /// How many replicas of a revision ended for good.
    var finished: [Int: Int] = [:]
    /// The revision of which one has ended badly and is not started again.
    var refused: Int?
    /// When a state that has none to go back to is overdue; nil when that was said.
    var overdueAt: Instant?
    /// The first replica of a new revision that asked to be restarted before one of them was available.
    var retrying: Retrying?
    /// When the failures are forgotten, if none comes until then.
    var forgetAt: Instant?
    /// Whether it was told that the brake holds.
    var isHolding = false

    struct Served: Equatable, Codable, Sendable {
      var revision: Int
      var bounds: RolloutBounds
    }

    struct Retrying: Equatable, Codable, Sendable {
      var number: ReplicaNumber
      var since: Instant
    }

    init(bounds: RolloutBounds, seed: UInt64) {
      self.bounds = bounds
      crashes = CrashLoop(seed: seed)
    }

    /// Makes moments count from now: of the time before nobody was there to see it, or a reboot began the clock anew.
    mutating func clamp(to now: Instant) {
      crashes.clamp(to: now, bounds: bounds.backoff)
      resumedAt = now
      overdueAt = overdueAt.map { _ in now + bounds.deadline }
      forgetAt = forgetAt.map { min($0, now + bounds.backoff.upperBound) }
      if let since = retrying?.since { retrying?.since = min(since, now) }
    }
  }
}
