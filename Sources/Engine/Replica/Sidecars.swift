import AppSpec
import Foundation
import Linux
import Rollout
import StopPlan

/// The programs beside one replica: started in their order and ready before it, stopped in reverse after it has ended, one after another,
/// within its grace. One that ends by itself is started again until its turn to stop has come, also while the replica drains.
actor Sidecars {
  private let app: App
  private let main: ReplicaRecord
  private let context: EngineContext
  private var kept: [Kept]

  /// One sidecar: when it is started again, and what runs of it now.
  private struct Kept {
    let spec: Sidecar
    var supervision: Supervision
    var process: ReplicaProcess?
    var starts = 0
    var alarm = Alarm()
  }

  /// nil when the app has none.
  init?(_ app: App, beside main: ReplicaRecord, context: EngineContext) {
    if app.sidecars.isEmpty { return nil }
    self.app = app
    self.main = main
    self.context = context
    kept = app.sidecars.map { Kept(spec: $0, supervision: Supervision(backoff: app.restart.backoff)) }
  }

  // MARK: - Start

  /// Starts them, each once the one before it is ready.
  /// - Throws: `EngineError` when one is not ready in time, or cannot be started.
  func start() async throws {
    for index in kept.indices {
      _ = kept[index].supervision.handle(.wanted, at: Clock.now)
      let process = try await launch(index)
      let limit = Task {
        try await Task.sleep(nanoseconds: UInt64(app.update.deadline.nanoseconds))
        await process.stop(ReplicaRecord.Stop(id: RequestIDs.next(), deadline: (Clock.now + app.stop.grace).nanoseconds))
      }
      defer { limit.cancel() }
      guard await process.untilReady() else {
        throw EngineError("\(process.name) was not ready within \(app.update.deadline), or has ended; see lastcall logs \(process.name)")
      }
    }
  }

  private func launch(_ index: Int) async throws -> ReplicaProcess {
    kept[index].starts += 1
    let suffix = kept[index].starts == 1 ? "" : "-\(kept[index].starts)"
    var record = ReplicaRecord(
      name: "\(main.name)-\(kept[index].spec.name)\(suffix)", app: app.name, role: .sidecar, number: main.number, revision: main.revision,
      port: main.port, boot: ReplicaRecord.currentBoot, startedAt: Clock.now.nanoseconds)
    record.sidecar = kept[index].spec.name
    let process = ReplicaProcess(record, app: App(app, sidecar: kept[index].spec), listener: nil, context: context)
    kept[index].process = process
    try await context.store.commit([.replica(record)])
    do { try await process.launch(record) } catch {
      await context.store.post([.replicaGone(record.name)])
      feed(.ended, index)
      throw error
    }
    Task { await follow(process, index) }
    return process
  }

  /// Takes over what an earlier engine has started.
  func adopt(_ records: [ReplicaRecord]) async {
    for index in kept.indices {
      _ = kept[index].supervision.handle(.wanted, at: Clock.now)
      let mine = records.filter { $0.sidecar == kept[index].spec.name }.sorted { $0.startedAt < $1.startedAt }
      kept[index].starts = mine.count
      guard let record = mine.last else {
        feed(.ended, index)
        continue
      }
      let process = ReplicaProcess(record, app: App(app, sidecar: kept[index].spec), listener: nil, context: context)
      kept[index].process = process
      await process.adopt()
      Task { await follow(process, index) }
    }
  }

  private func follow(_ process: ReplicaProcess, _ index: Int) async {
    await process.untilEnded()
    let event = EngineEvent(
      app: app.name, replica: process.name, reason: "Exited", message: "\(process.name) \(ExitWords.of(await process.exitStatus))",
      key: await process.endKey)
    await context.store.post([.replicaGone(process.name), .event(event)])
    feed(.ended, index)
  }

  private func feed(_ event: Supervision.Event, _ index: Int) {
    for action in kept[index].supervision.handle(event, at: Clock.now) {
      switch action {
      case .start: Task { try? await launch(index) }
      case .arm(let moment): kept[index].alarm.set(moment) { await self.feed(.clock, index) }
      case .backingOff(let until):
        let tenths = max(0, (until - Clock.now).nanoseconds) / 100_000_000
        let text = "\(kept[index].spec.name) of \(main.name) ended by itself; it starts again in \(tenths / 10).\(tenths % 10) s"
        Task { await report(.warning, "BackOff", text) }
      }
    }
  }

  private func report(_ kind: EngineEvent.Kind, _ reason: String, _ text: String) async {
    await context.reporter.report(EngineEvent(app: app.name, replica: main.name, kind: kind, reason: reason, message: text))
  }

  // MARK: - Stop

  /// Runs their preStop hooks, all at the time of the replica's own (KEP-753: only the signals wait for their turn).
  func runHooks(by limit: Instant) async {
    await withTaskGroup { group in
      for sidecar in kept {
        guard let process = sidecar.process else { continue }
        group.addTask {
          guard let problem = await process.runHook(sidecar.spec.stop.preStop, by: limit) else { return }
          await self.report(.warning, "FailedPreStopHook", "\(sidecar.spec.name): \(problem)")
        }
      }
    }
  }

  /// Stops them in reverse order, one after another.
  /// - Parameter deadline: the replica's own; who has his turn later still gets his keeper's floor.
  func stop(deadline: Instant) async {
    for index in kept.indices.reversed() {
      feed(.unwanted, index)
      guard let process = kept[index].process else { continue }
      await process.stop(ReplicaRecord.Stop(id: RequestIDs.next(), deadline: deadline.nanoseconds))
      await process.untilEnded()
    }
  }
}

extension App {
  /// A sidecar as an app of its own. Its hook is run with the others', not by its keeper's plan.
  init(_ app: App, sidecar: Sidecar) {
    self = app
    command = sidecar.command
    directory = sidecar.directory
    environment = app.environment.merging(sidecar.environment) { $1 }
    ready = sidecar.ready
    live = nil
    stop = sidecar.stop
    listen = nil
    sidecars = []
    reload = nil
    // Whom a container runs as is the image's to know.
    if container != nil { user = nil }
    container = nil
  }
}
