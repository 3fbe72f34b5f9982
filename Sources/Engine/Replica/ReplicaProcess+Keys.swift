import Linux
import StopPlan

/// The keys of a replica's events, by which one that is told again after an engine's death is known.
extension ReplicaProcess {
  /// The same whichever engine tells of it: the keeper, and which of its events.
  func key(_ what: String) -> String? { identity.map { Self.key(what, of: $0) } }

  /// The key of an event of a keeper's.
  static func key(_ what: String, of keeper: ProcessIdentity) -> String {
    "\(ReplicaRecord.currentBoot)/\(keeper.pid)/\(keeper.startTime)/\(what)"
  }

  /// The key of an event of its stop, which a shorter grace does not change.
  nonisolated func key(ofStop what: String, _ request: ReplicaRecord.Stop) -> String {
    "\(ReplicaRecord.currentBoot)/\(owner)/\(name)/\(request.since ?? request.deadline)/\(what)"
  }

  /// The key of the event that says how it ended.
  var endKey: String? { key("end") }
}
