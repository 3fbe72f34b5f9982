/// Decides what a file means for an app that is, or was, there already: by what the file said when it was last carried out, and what users have
/// asked for since.
public struct Declaration: Equatable, Sendable {
  /// How many replicas the file wanted when it was last carried out; nil when it never was.
  public var lastReplicas: Int?
  /// Whether the file says anything else than then.
  public var isChanged: Bool
  /// Whether what has changed since the revision that is wanted takes new replicas.
  public var needsNewReplicas: Bool
  /// How many replicas the file wants.
  public var fileReplicas: Int
  /// How many are wanted now.
  public var desiredReplicas: Int
  /// Whether the revision that the file began was undone, so that an earlier one is wanted.
  public var wasUndone = false
  /// Whether a user has stopped the app, and how many replicas it had then.
  public var isStopped: Bool
  /// How many it had when it was stopped.
  public var stoppedReplicas: Int?

  /// What is known.
  public init(
    lastReplicas: Int?, isChanged: Bool, needsNewReplicas: Bool, fileReplicas: Int, desiredReplicas: Int, isStopped: Bool,
    stoppedReplicas: Int?
  ) {
    self.lastReplicas = lastReplicas
    self.isChanged = isChanged
    self.needsNewReplicas = needsNewReplicas
    self.fileReplicas = fileReplicas
    self.desiredReplicas = desiredReplicas
    self.isStopped = isStopped
    self.stoppedReplicas = stoppedReplicas
  }

  /// What is to be done.
  public enum Step: Equatable, Sendable {
    /// Roll out a new revision with so many replicas.
    case begin(replicas: Int)
    /// Go on with the revision that is wanted, with so many replicas.
    case amend(replicas: Int)
    /// Leave all as it is.
    case goOn
    /// Leave it stopped, as its user wanted.
    case stayStopped
  }

  /// How many replicas an app gets that is started again.
  public var replicasWhenUp: Int { max(1, stoppedReplicas ?? fileReplicas) }

  private var isUp: Bool { !isStopped && desiredReplicas > 0 }

  /// What an engine that starts does: what it has found goes on as it was, but for what the file says otherwise by now.
  public var atStart: Step {
    if isStopped { return .stayStopped }
    guard lastReplicas != nil else { return .begin(replicas: fileReplicas) }
    if isChanged { return change }
    // A full stop was interrupted; whoever says up wants it up.
    return desiredReplicas == 0 && fileReplicas > 0 ? .amend(replicas: replicasWhenUp) : .goOn
  }

  /// What a deploy does: what was undone is tried again.
  /// - Parameter isNamed: whether a user has named the app; what was stopped is started then.
  public func atDeploy(isNamed: Bool) -> Step {
    if isStopped, !isNamed { return .stayStopped }
    guard lastReplicas != nil else { return change }
    return !isChanged && isUp && !wasUndone ? .goOn : change
  }

  /// A number that a user has asked for stays, unless the file changes its own.
  private var change: Step {
    let isSameNumber = lastReplicas == fileReplicas
    let replicas = isSameNumber ? isUp ? desiredReplicas : replicasWhenUp : fileReplicas
    return needsNewReplicas ? .begin(replicas: replicas) : .amend(replicas: replicas)
  }
}
