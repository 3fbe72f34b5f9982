import StopPlan

/// The number of a replica: unique among all that an app ever had, so that a name in a log means one process.
public struct ReplicaNumber: Hashable, Comparable, Codable, Sendable {
  /// Counts from 1.
  public let value: Int

  /// The number `value`.
  public init(_ value: Int) { self.value = value }

  /// The older first.
  public static func < (lhs: ReplicaNumber, rhs: ReplicaNumber) -> Bool { lhs.value < rhs.value }
}

/// Where a replica is between its start and its end.
public enum ReplicaPhase: Equatable, Sendable {
  /// Its program runs and is not ready.
  case starting
  /// It is ready, since that moment.
  case ready(since: Instant)
  /// It was told to go: drained, then stopped by its plan.
  case stopping
}

/// A replica as the rollout knows it.
public struct Replica: Equatable, Sendable {
  /// Which one.
  public let number: ReplicaNumber
  /// The revision it was started from.
  public let revision: Int
  /// Where it is.
  public internal(set) var phase: ReplicaPhase
  /// When it was started.
  public let startedAt: Instant
  /// Whether its liveness check failed, so that it has to be replaced.
  public internal(set) var isUnhealthy: Bool
  /// Whether it has been ready for the settle time. Once it has, a longer settle time of a later revision does not undo that.
  public internal(set) var hasSettled: Bool
  /// Whether it goes by itself: its program says so, or has ended and something beside it is left. It serves no more; its end is still to come.
  public internal(set) var isQuitting: Bool
  /// Until when it has asked to be awaited, within what it may ask for; nil when it has not.
  public internal(set) var extendedUntil: Instant?
  /// Since when it is awaited to be ready: its start, or later, as it has asked for.
  var waitingSince: Instant

  /// A replica, as an engine that comes back recorded it.
  public init(
    number: ReplicaNumber, revision: Int, phase: ReplicaPhase, startedAt: Instant, isUnhealthy: Bool = false, isQuitting: Bool = false,
    hasSettled: Bool = false
  ) {
    self.number = number
    self.revision = revision
    self.phase = phase
    self.startedAt = startedAt
    self.isUnhealthy = isUnhealthy
    self.isQuitting = isQuitting
    self.hasSettled = hasSettled
    waitingSince = startedAt
  }

  /// Whether it counts towards what is running, which surge bounds.
  var isRunning: Bool { phase != .stopping }

  /// Whether it serves, settled or not.
  var isReady: Bool { if case .ready = phase { !isQuitting } else { false } }

  /// Whether it serves and has done so for the settle time.
  public var isAvailable: Bool { hasSettled && isReady }
}

/// What an app is to be.
public struct Desired: Equatable, Codable, Sendable {
  /// How many replicas, 0 or more.
  public var replicas: Int
  /// From which revision; a restart is a new one.
  public var revision: Int

  /// A desired state.
  public init(replicas: Int, revision: Int) {
    self.replicas = replicas
    self.revision = revision
  }
}

/// How a replica, or a job, ended by itself: what its exit status means by `exits:` and the restart policy.
public enum Ending: String, Codable, Sendable {
  /// It ended well and is not started again.
  case done
  /// It failed; it is started again after a pause that grows.
  case failed
  /// It asked to be started again at once. Doing so right after its start counts as a failure.
  case restart
  /// It asked not to be started again, or the policy says so; it did not do its work.
  case refused
  /// It never ran: its start was recorded and the engine died before it. It is started again at once and is nobody's failure.
  case lost
}
