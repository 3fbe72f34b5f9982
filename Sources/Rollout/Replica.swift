import StopPlan

/// The number of a replica: unique among all that an app ever had, so that a name in a log means one process.
public struct ReplicaNumber: Hashable, Comparable, Sendable {
  /// Counts from 1.
  public let value: Int

  /// The number `value`.
  public init(_ value: Int) { self.value = value }

  /// The older first.
  public static func < (lhs: ReplicaNumber, rhs: ReplicaNumber) -> Bool { lhs.value < rhs.value }
}

/// Where a replica is between its start and its end.
public enum ReplicaPhase: Equatable, Sendable {
  /// Its program runs and is not ready yet.
  case starting
  /// It is ready, since that moment.
  case ready(since: Instant)
  /// It was told to go: drained, then stopped by its plan.
  case stopping
}

/// A replica as the rollout knows it.
public struct Replica: Equatable, Sendable {
  /// Which one.
  public var number: ReplicaNumber
  /// The revision it was started from.
  public var revision: Int
  /// Where it is.
  public var phase: ReplicaPhase
  /// When it was started.
  public var startedAt: Instant

  /// Whether it counts towards what is running, which surge bounds.
  var isRunning: Bool { phase != .stopping }
}

/// What an app is to be.
public struct Desired: Equatable, Sendable {
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

/// The bounds of an update.
public struct RolloutBounds: Equatable, Sendable {
  /// How many replicas may run beyond the desired number.
  public var surge: Int
  /// How many of the desired number may be missing.
  public var unavailable: Int
  /// How long a new replica may take to be ready before the update is undone.
  public var deadline: TimeSpan
  /// How long a replica has to stay ready to count as available.
  public var settle: TimeSpan
  /// The first and the longest pause before a replica that ended is replaced.
  public var backoff: ClosedRange<TimeSpan>
  /// Whether a replica that ended by itself is replaced, by whether it ended well.
  public var replacesEnded: @Sendable (_ endedWell: Bool) -> Bool

  /// Bounds. `surge` and `unavailable` are not both 0: nothing could move.
  public init(
    surge: Int, unavailable: Int, deadline: TimeSpan, settle: TimeSpan, backoff: ClosedRange<TimeSpan> = .seconds(1) ... .seconds(60),
    replacesEnded: @escaping @Sendable (_ endedWell: Bool) -> Bool = { _ in true }
  ) {
    self.surge = surge
    self.unavailable = max(unavailable, surge == 0 ? 1 : 0)
    self.deadline = deadline
    self.settle = settle
    self.backoff = backoff
    self.replacesEnded = replacesEnded
  }

  /// Compares what can be compared.
  public static func == (lhs: RolloutBounds, rhs: RolloutBounds) -> Bool {
    lhs.surge == rhs.surge && lhs.unavailable == rhs.unavailable && lhs.deadline == rhs.deadline && lhs.settle == rhs.settle
      && lhs.backoff == rhs.backoff
  }
}
