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
  /// Whose turn to stop it is.
  private var stopping: Int?
  /// Whether hooks are waited for no more.
  private var isHurried = false

  /// One sidecar: when it is started again, and what runs of it now.
  private struct Kept {
    let spec: Sidecar
    var supervision: Supervision
    var process: ReplicaProcess?
    var record: ReplicaRecord?
    var starts = 0
    var alarm = Alarm()
    /// Awaits its end, and tells it.
    var following: Task<Void, Never>?
    /// Its preStop hook, while that does what it does.
    var preparing: Task<Void, Never>?
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
        try await TaskThreads.sleep(app.update.deadline)
        _ = await process.prepare(Self.request(by: Clock.now + app.stop.grace))
        await process.takeTurn()
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
    (kept[index].process, kept[index].record) = (process, record)
    kept[index].preparing = nil
    do {
      try await context.store.commit([.replica(record)])
      try await process.launch(record)
    } catch {
      await process.abandon()
      await context.store.post([.replicaGone(record.name)])
      feed(.ended, index)
      throw error
    }
    kept[index].following = Task { await follow(process, record, index) }
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
      (kept[index].process, kept[index].record) = (process, record)
      await process.adopt()
      kept[index].following = Task { await follow(process, record, index) }
      Task { await process.untilReady() }
    }
  }

  /// Has their keepers become the one that is installed now.
  func bringKeepersUpToDate() async { for sidecar in kept { await sidecar.process?.bringKeeperUpToDate() } }

  private func follow(_ process: ReplicaProcess, _ record: ReplicaRecord, _ index: Int) async {
    await process.untilEnded()
    let event = EngineEvent(
      app: app.name, replica: process.name, reason: "Exited", message: "\(process.name) \(ExitWords.of(await process.exitStatus))",
      key: await process.endKey)
    await context.store.post([.replicaGone(process.name), .event(event)])
    await context.ended.add(record, of: app.replicas)
    // When the grace is over its turn comes without us.
    if await process.wasAskedToStop, await !process.endedByItself { feed(.unwanted, index) }
    feed(.ended, index)
  }

  private func feed(_ event: Supervision.Event, _ index: Int) {
    for action in kept[index].supervision.handle(event, at: Clock.now) {
      switch action {
      case .start: Task { await restart(index) }
      case .arm(let moment): kept[index].alarm.set(moment) { await self.feed(.clock, index) }
      case .backingOff(let until):
        let tenths = max(0, (until - Clock.now).nanoseconds) / 100_000_000
        let text = "\(kept[index].spec.name) of \(main.name) ended by itself; it starts again in \(tenths / 10).\(tenths % 10) s"
        Task { await report(.warning, "BackOff", text) }
      }
    }
  }

  // MARK: - Showing

  /// What `lastcall ps` shows of them.
  func rows() async -> [ReplicaRow] {
    var rows: [ReplicaRow] = []
    for sidecar in kept {
      guard let process = sidecar.process else { continue }
      let isWaiting = sidecar.supervision.isWaiting
      let state = isWaiting ? ShownState("Pending", "BackOff", "it ended by itself and is started again") : await process.stateBeside
      var row = await process.row(state)
      // Those that it had are gone.
      if isWaiting { (row.pid, row.keeper) = (nil, nil) }
      row.revision = main.revision
      (row.sidecar, row.restarts) = (sidecar.spec.name, max(0, sidecar.starts - 1))
      rows.append(row)
    }
    return rows
  }

  private func restart(_ index: Int) async {
    // Its stop may have come since this was decided.
    guard kept[index].supervision.isWanted else { return feed(.ended, index) }
    _ = try? await launch(index).untilReady()
  }

  private func report(_ kind: EngineEvent.Kind, _ reason: String, _ text: String) async {
    await context.reporter.report(EngineEvent(app: app.name, replica: main.name, kind: kind, reason: reason, message: text))
  }

  // MARK: - Stop

  /// Has them do what their preStop hooks say, all at the time of the replica's own (KEP-753: only the signals wait for their turn).
  /// - Parameter request: the replica's own. When its grace is over they wait for nothing any more.
  func prepare(_ request: ReplicaRecord.Stop) {
    for index in kept.indices { prepare(index, request) }
  }

  private func prepare(_ index: Int, _ request: ReplicaRecord.Stop) {
    guard kept[index].preparing == nil, let process = kept[index].process else { return }
    var asked = Self.request(by: Instant(nanoseconds: request.deadline), from: request.since)
    asked.isHookOver = kept[index].record?.stop?.isHookOver
    kept[index].preparing = Task { [asked] in
      let problem = await process.prepare(asked)
      await hookIsOver(index, process, asked, problem)
    }
  }

  /// Before its turn comes, so that a later engine does not ask the hook again.
  private func hookIsOver(_ index: Int, _ process: ReplicaProcess, _ asked: ReplicaRecord.Stop, _ problem: String?) async {
    guard case .http? = process.app.stop.preStop, asked.isHookOver != true, var record = kept[index].record else { return }
    var changes: [StateChange] = []
    if let problem {
      let event = EngineEvent(
        app: app.name, replica: process.name, kind: .warning, reason: "FailedPreStopHook", message: problem,
        key: process.key(ofStop: "hook", asked))
      changes.append(.event(event))
    }
    if await !process.isEnded {
      record.stop = asked
      record.stop?.isHookOver = true
      kept[index].record = record
      changes.append(.replica(record))
    }
    // A full disk stops no stop.
    try? await context.store.commit(changes)
  }

  private static func request(by deadline: Instant, from start: Int64? = nil) -> ReplicaRecord.Stop {
    ReplicaRecord.Stop(id: RequestIDs.next(), deadline: deadline.nanoseconds, since: start ?? Clock.now.nanoseconds)
  }

  /// Moves the end of their stop forward.
  func shorten(_ request: ReplicaRecord.Stop) async {
    for process in kept.compactMap(\.process) {
      await process.shorten(Self.request(by: Instant(nanoseconds: request.deadline), from: request.since))
    }
  }

  /// Skips to the next signal of those whose turn has come; the others wait for no hook when it comes.
  func escalate() async {
    isHurried = true
    for index in kept.indices {
      guard let process = kept[index].process else { continue }
      if await process.turn?.hasCome ?? true {
        await process.escalate()
      } else if index == stopping {
        await process.waitForNothing()
      }
    }
  }

  /// Stops them in reverse order, one after another.
  /// - Parameter deadline: the replica's own; who has his turn later still gets his keeper's floor.
  func stop(deadline: Instant) async {
    // Whose replica ended by itself has had no time for its hook yet.
    let request = Self.request(by: deadline)
    prepare(request)
    for index in kept.indices.reversed() {
      feed(.unwanted, index)
      // One that was started again meanwhile has had none either.
      prepare(index, request)
      stopping = index
      if isHurried { await kept[index].process?.waitForNothing() }
      await kept[index].preparing?.value
      guard let process = kept[index].process else { continue }
      await process.takeTurn()
      await kept[index].following?.value
    }
  }
}

extension App {
  /// A sidecar as an app of its own.
  init(_ app: App, sidecar: Sidecar) {
    self = app
    command = sidecar.command
    directory = sidecar.directory
    environment = app.environment.merging(sidecar.environment) { $1 }
    ready = sidecar.ready
    live = nil
    stop = sidecar.stop
    stop.like = app.stop.like
    listen = nil
    sidecars = []
    reload = nil
    notify.store = 0
    // Whom a container runs as is the image's to know.
    if container != nil { user = nil }
    container = nil
  }
}
