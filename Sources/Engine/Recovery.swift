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

  /// - Parameter names: the apps of the file.
  /// - Throws: SQLite's error; `EngineError` when something lives whose pids mean nothing here.
  init(_ context: EngineContext, of names: Set<String>) throws {
    self.context = context
    let store = context.store
    for app in try store.apps() { apps[app.name, default: .init()].record = app }
    var known: Set<String> = []
    let lost = LivingKeepers.lost(context.paths).keys.sorted().compactMap { Self.record(ofLost: $0, names) }
    let records = try store.replicas() + Self.inRunDirectory(context.paths) + lost
    for record in records where known.insert(record.name).inserted {
      switch record.role {
      case .replica: apps[record.app, default: .init()].replicas.append(record)
      case .sidecar: apps[record.app, default: .init()].sidecars.append(record)
      case .proxy: apps[record.app, default: .init()].proxies.append(record)
      }
    }
    for name in apps.keys { apps[name]?.revisions = try store.revisions(of: name) }
    let elsewhere = apps.values.flatMap(\.records).filter { !$0.isOfThisBoot && ReplicaDirectory(context.paths.replica($0.name)).isHeld }
    if !elsewhere.isEmpty {
      let names = elsewhere.map(\.name).sorted().joined(separator: ", ")
      throw EngineError(
        "\(names) \(elsewhere.count == 1 ? "lives" : "live") in another PID namespace and cannot be looked after from here; nothing was started: "
          + "run the engine there, or lastcall down")
    }
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

  /// What can be told of a replica from its name alone: all that is left when its directory was deleted and the newest of the database lost.
  private static func record(ofLost name: String, _ apps: Set<String>) -> ReplicaRecord? {
    guard let dash = name.lastIndex(of: "-"), let number = Int(name[name.index(after: dash)...]) else { return nil }
    let app = String(name[..<dash])
    guard apps.contains(app) else { return nil }
    var record = ReplicaRecord(
      name: name, app: app, number: number, revision: 0, boot: ReplicaRecord.currentBoot, startedAt: Clock.now.nanoseconds)
    record.readySince = Clock.now.nanoseconds
    return record
  }

  /// Says which keepers live that cannot be reached and are of nothing that is taken over.
  func tellOfLost(_ names: Set<String>) async {
    let takenOver = Set(apps.filter { names.contains($0.key) }.values.flatMap { $0.replicas + $0.sidecars }.map(\.name))
    for (name, keeper) in LivingKeepers.lost(context.paths).sorted(by: { $0.key < $1.key }) where !takenOver.contains(name) {
      let text =
        "\(name) runs on, but its run directory was deleted; it is left alone: kill \(keeper.pid), its keeper, stops it by its plan"
      await context.reporter.report(EngineEvent(app: "", replica: name, kind: .warning, reason: "Unreachable", message: text))
    }
  }

  /// The listening socket that what lives of an app holds open.
  func listener(of app: String, _ listen: Listen) throws(EngineError) -> ListeningSocket? {
    guard let found = apps[app] else { return nil }
    for record in found.proxies + found.replicas {
      let directory = ReplicaDirectory(context.paths.replica(record.name))
      guard directory.isHeld else { continue }
      var found: ListeningSocket?
      for descriptor in KeeperListeners.fetch(directory.socket) {
        let listener = found == nil ? ListeningSocket(descriptor, host: listen.host, port: listen.port) : nil
        if let listener { found = listener } else { descriptor.close() }
      }
      if let found { return found }
    }
    return nil
  }

  /// Why a listener cannot be had when that is because of an app's replicas or proxy, which cannot be reached.
  func lost(_ app: String) -> EngineError? {
    let keepers = LivingKeepers.lost(context.paths).filter { $0.key.hasPrefix(app + "-") }.sorted { $0.key < $1.key }
    if keepers.isEmpty { return nil }
    let names = keepers.map { "\($0.key) (keeper \($0.value.pid))" }.joined(separator: ", ")
    return EngineError(
      """
      \(names) \(keepers.count == 1 ? "runs" : "run") on and \(keepers.count == 1 ? "holds" : "hold") the port of \(app), but the run directory \
      was deleted and nobody can take over from there; nothing was stopped or started. lastcall down stops what runs by its plan
      """)
  }

  /// Stops what lives of apps that the file does not name any more, or names as of another kind, by their own plans, and forgets them.
  /// - Throws: `EngineError` when something of an app that has become of another kind lives without a keeper: the new one must not start
  ///   beside it. Nothing is forgotten then.
  mutating func stopStrangers(keeping wanted: [App]) async throws {
    let kept = Dictionary(uniqueKeysWithValues: wanted.map { ($0.name, $0.kind) })
    let changed = apps.filter { name, found in found.kind.map { kind in kept[name].map { $0 != kind } ?? false } ?? false }
    for (name, found) in changed {
      do { try await stop(found, of: name) } catch {
        throw EngineError("\(name) is of another kind in the file than what runs of it: \(error); nothing was started")
      }
      await forget(found, name)
    }
    for (name, found) in apps where kept[name] == nil {
      do { try await stop(found, of: name) } catch {
        await context.reporter.report(EngineEvent(app: name, kind: .warning, reason: "Doubt", message: "\(error)"))
      }
      await forget(found, name)
    }
  }

  private func stop(_ found: RecoveredApp, of name: String) async throws {
    let living = found.records.map(\.name).filter(isHeld)
    if !living.isEmpty {
      let text =
        "\(name) is not in the file any more as what it was; \(living.joined(separator: ", ")) of it \(living.count == 1 ? "is" : "are") stopped"
      await context.reporter.report(EngineEvent(app: name, reason: "Removed", message: text))
    }
    for record in found.replicas where record.isOfThisBoot { try await sweep(record, of: found) }
    try await Leftovers.stop(context.paths, only: living.filter(isHeld)) { _ in }
  }

  private func isHeld(_ name: String) -> Bool { ReplicaDirectory(context.paths.replica(name)).isHeld }

  /// Stops what a killed keeper has left, as when nothing had changed.
  private func sweep(_ record: ReplicaRecord, of found: RecoveredApp) async throws {
    let directory = ReplicaDirectory(context.paths.replica(record.name))
    guard directory.exit() == nil, let processes = directory.processes(), processes.livingKeeper == nil,
      let spec = found.revisions.first(where: { $0.number == record.revision })?.spec
    else { return }
    let process = ReplicaProcess(record, app: spec, listener: nil, context: context)
    await process.stop(ReplicaRecord.Stop(id: RequestIDs.next(), deadline: (Clock.now + process.plan.grace).nanoseconds))
    await process.adopt()
    if await process.isInDoubt { throw EngineError("something of \(record.name) lives that is not surely its own") }
  }

  private mutating func forget(_ found: RecoveredApp, _ name: String) async {
    apps.removeValue(forKey: name)
    await context.store.post([.appGone(name)] + found.records.map { .replicaGone($0.name) })
  }
}
