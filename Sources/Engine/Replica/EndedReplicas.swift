import Foundation

/// The directories of what has ended: the last of each app are kept for their logs, and of each of its sidecars and proxies.
actor EndedReplicas {
  private let paths: EnginePaths
  private var names: [Kin: [String]] = [:]
  /// How many are kept, as many as a Deployment keeps old ReplicaSets (kubernetes, apps/v1, revisionHistoryLimit: 10); more of an app that has more.
  private static let kept = 10

  /// What takes one another's place.
  fileprivate struct Kin: Hashable {
    var app: String
    var role: ReplicaRecord.Role
    var sidecar: String?
  }

  /// Those that earlier engines have left, which are not told apart from what ends from now on.
  init(_ paths: EnginePaths) {
    self.paths = paths
    let found = ((try? FileManager.default.contentsOfDirectory(atPath: paths.run + "/r")) ?? []).compactMap { name in
      let directory = ReplicaDirectory(paths.replica(name))
      return directory.isHeld ? nil : directory.record()
    }
    for record in found.sorted(by: { $0.startedAt < $1.startedAt }) { names[Kin(record), default: []].append(record.name) }
  }

  /// Keeps what has just ended and removes the oldest of its kin.
  /// - Parameter replicas: how many the app has.
  func add(_ record: ReplicaRecord, of replicas: Int) {
    var kin = names.removeValue(forKey: Kin(record)) ?? []
    kin.append(record.name)
    while kin.count > max(Self.kept, replicas) {
      let directory = ReplicaDirectory(paths.replica(kin.removeFirst()))
      if !directory.isHeld { try? FileManager.default.removeItem(atPath: directory.path) }
    }
    names[Kin(record)] = kin
  }
}

extension EndedReplicas.Kin {
  fileprivate init(_ record: ReplicaRecord) { (app, role, sidecar) = (record.app, record.role, record.sidecar) }
}
