import StopPlan

extension Rollout {
  /// What is worth telling.
  public enum Note: Equatable, Sendable {
    /// A new revision is being rolled out.
    case began(revision: Int)
    /// All replicas are of the desired revision and available, and nothing else runs, as was asked for.
    case complete(revision: Int)
    /// The same, after nothing but failures.
    case restored(revision: Int)
    /// The new revision was given up because of that replica, and the one before serves on. `desired` and `bounds` are again its own.
    case undone(revision: Int, replica: ReplicaNumber, Failure)
    /// The app is not as desired by its deadline for want of that replica, and there is no revision to go back to; it goes on being tried.
    case overdue(revision: Int, replica: ReplicaNumber?)
    /// Replacing the old by the new stands still.
    case paused
    /// It goes on.
    case resumed
    /// The number of replicas changes.
    case scaled(from: Int, to: Int)
    /// A replica ended by itself; the next start waits until then.
    case backingOff(ReplicaNumber, until: Instant)
    /// A replica ended and is not started again.
    case notReplaced(ReplicaNumber, Ending)
    /// So many replicas that fail their liveness checks are left running because too many would be missing; 0: the brake lets go.
    case holding(Int)
    /// Nothing runs any more, as desired.
    case stopped
  }

  /// Why a new revision was given up.
  public enum Failure: Equatable, Sendable {
    /// It was not ready by the deadline.
    case late
    /// It ended before it was available.
    case ended
    /// Its liveness check failed before it was available.
    case unhealthy
  }
}
