import AppSpec
import Foundation
import Linux
import Rollout
import StopPlan

/// What an engine finds when it starts: what the database says, and what the run directory has, which is newer when the newest of the
/// database was lost.
struct Recovery {
  private(set) var apps: [String: RecoveredApp] = [:]
  private let context: EngineContext

  init(_ context: EngineContext) throws {
    self.context = context
    let store = context.store
    for app in try store.apps() { apps[app.name, default: .init()].record = app }
    var known: Set<String> = []
    for record in try store.replicas() + Self.inRunDirectory(context.paths) where known.insert(record.name).inserted {
      switch record.role {
      case .replica: apps[record.app, default: .init()].replicas.append(record)
      case .sidecar: apps[record.app, default: .init()].sidecars.append(record)
      case .proxy: apps[record.app, default: .init()].proxies.append(record)
      }
    }
    for name in apps.keys { apps[name]?.revisions = try store.revisions(of: name) }
  }

  /// What lives by the run directory's own account.
  private static func inRunDirectory(_ paths: EnginePaths) -> [ReplicaRecord] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: paths.run + "/r")) ?? []
    return names.compactMap { name in
      let directory = ReplicaDirectory(paths.replica(name))
      guard directory.isHeld, let record = directory.record(), record.name == name else { return nil }
      return record
    }
  }

  /// The listening socket that what lives of an app holds open.
  func listener(of app: String, _ listen: Listen) throws(EngineError) -> ListeningSocket? {
    guard let found = apps[app] else { return nil }
    for record in found.proxies + found.replicas {
      let directory = ReplicaDirectory(context.paths.replica(record.name))
      guard directory.isHeld else { continue }
      var found: ListeningSocket?
      // What else a program has stored with its keeper is not ours.
      for descriptor in KeeperListeners.fetch(directory.socket) {
        let listener = found == nil ? ListeningSocket(descriptor, host: listen.host, port: listen.port) : nil
        if let listener { found = listener } else { descriptor.close() }
      }
      if let found { return found }
    }
    return nil
  }

  /// Stops what lives of apps that the file does not name any more, or names as of another kind, by their own plans, and forgets them.
  mutating func stopStrangers(keeping wanted: [App]) async {
    let kept = Dictionary(uniqueKeysWithValues: wanted.map { ($0.name, $0.kind) })
    for (name, found) in apps where kept[name] == nil || found.kind.map({ $0 != kept[name] }) ?? false {
      apps.removeValue(forKey: name)
      let living = (found.replicas + found.proxies + found.sidecars).map(\.name).filter {
        ReplicaDirectory(context.paths.replica($0)).isHeld
      }
      if !living.isEmpty {
        let text =
          "\(name) is not in the file any more as what it was; \(living.joined(separator: ", ")) of it \(living.count == 1 ? "is" : "are") stopped"
        await context.reporter.report(EngineEvent(app: name, reason: "Removed", message: text))
      }
      do { try await Leftovers.stop(context.paths, only: living) { _ in } } catch {
        await context.reporter.report(EngineEvent(app: name, kind: .warning, reason: "Doubt", message: "\(error)"))
      }
      await context.store.post([.appGone(name)] + (found.replicas + found.proxies + found.sidecars).map { .replicaGone($0.name) })
    }
  }
}
