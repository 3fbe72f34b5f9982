import AppSpec
import Foundation
import Linux
import Rollout
import StopPlan

/// One replica from its start to its end.
extension AppController {
  /// Makes a replica of a revision, which is started once that is written.
  func plan(_ number: ReplicaNumber, revision: Int) {
    var record = ReplicaRecord(
      name: name(number), app: name, number: number.value, revision: revision, boot: ReplicaRecord.currentBoot,
      startedAt: Clock.now.nanoseconds)
    let spec = ledger.revisions[revision]?.spec ?? app
    if spec.listen?.via == .proxy { record.port = try? context.ports.take() }
    keep(record)
    let inherited = spec.listen?.via == .socket ? listener?.descriptor : nil
    ledger.processes[number] = ReplicaProcess(record, app: spec, listener: inherited, context: context)
    ledger.deeds.append(.start(number))
  }

  func launch(_ number: ReplicaNumber) {
    guard let process = ledger.processes[number], let record = ledger.records[number] else { return }
    Task(executorPreference: TaskThreads.next()) { [context] in
      let wasStarted = await self.begin(process, number) {
        if process.app.listen?.via == .proxy, process.port == nil { throw EngineError("no port is free for \(process.name)") }
        if let sidecars = Sidecars(process.app, beside: record, context: context) {
          // Its stop may have come since this was decided.
          guard await self.keep(sidecars, number) else { throw CancellationError() }
          try await sidecars.start()
        }
        try await process.launch(record, given: await self.estate(for: number))
      }
      await self.awaitEnd(of: process, number, wasStarted: wasStarted)
    }
  }

  /// - Returns: false when nothing is to be started any more.
  private func keep(_ sidecars: Sidecars, _ number: ReplicaNumber) -> Bool {
    if ledger.records[number]?.stop != nil { return false }
    ledger.sidecars[number] = sidecars
    return true
  }

  /// - Parameter begin: launches it or takes it over.
  /// - Returns: whether it was.
  func begin(_ process: ReplicaProcess, _ number: ReplicaNumber, _ begin: @Sendable () async throws -> Void) async -> Bool {
    let began = Clock.now
    do { try await begin() } catch {
      if ledger.records[number]?.stop == nil { await report(.warning, "Failed", "\(error)", process.name) }
      await process.abandon()
      return false
    }
    Task { await serve(process, number, since: began) }
    return true
  }

  func awaitEnd(of process: ReplicaProcess, _ number: ReplicaNumber, wasStarted: Bool) async {
    await process.onEnd { Task { await self.hasEnded(process, number, wasStarted: wasStarted) } }
  }

  /// Nothing of it is left.
  /// - Parameter wasFollowed: whether an engine saw it end; when that was is not known otherwise.
  func hasEnded(_ process: ReplicaProcess, _ number: ReplicaNumber, wasStarted: Bool, wasFollowed: Bool = true) async {
    await proxy?.remove(process.name)
    let status = await process.exitStatus
    let isToStop = ledger.records[number]?.stop != nil
    let wasAsked = await process.wasAskedToStop || isToStop
    if wasStarted || status != nil {
      let isFailure = status?.isSuccess != true && !wasAsked
      let words = ExitWords.of(status) + (isFailure ? lastWords(of: process.name) : "")
      note(isFailure ? .warning : .normal, "Exited", "\(process.name) \(words)", process.name, key: await process.endKey)
    }
    if let beside = ledger.sidecars[number] {
      // Their ends are told after its own.
      quits(number)
      write()
      await ledger.writing?.value
      let deadline = ledger.records[number]?.stop.map { Instant(nanoseconds: $0.deadline) } ?? Clock.now + process.plan.grace
      await beside.stop(deadline: deadline)
      ledger.sidecars.removeValue(forKey: number)
    }
    if await process.isInDoubt { ledger.inDoubt.append(process.name) }
    // One that its user has shortened says nothing of the grace that is declared.
    if wasFollowed, let stop = ledger.records[number]?.stop, let since = stop.since,
      stop.deadline - since >= process.plan.grace.nanoseconds - TimeSpan.milliseconds(100).nanoseconds
    {
      let seconds = Double(Clock.now.nanoseconds - since) / 1e9
      // A hook that outlives the program it has stopped is no sign that the grace is short.
      let wasKilled = await process.wasKilled && (status == nil || status == .signal(.kill, core: false))
      ledger.outbox.append(.stop(StopRecord(app: name, seconds: seconds, wasKilled: wasKilled)))
    }
    if let record = ledger.records[number] { await context.ended.add(record, of: app.replicas) }
    let legacy = await process.legacy
    let wasStopped = ledger.records[number]?.stop != nil
    gone(number)
    // A job of which nobody knows whether it has done its work is not run again unasked.
    let isUnknown = wasStarted && status == nil && process.app.kind == .job
    ended(number, isUnknown ? .refused : Self.ending(status, process.app), wasStopped: wasStopped, leaving: legacy)
  }

  /// What a replica that failed wrote last, for the end of a sentence.
  func lastWords(of replica: String) -> String {
    let log = ReplicaLogs(replica: replica, isLiving: false, directory: context.paths.replica(replica))
    let lines = log.lastLines("log", 3) { context.secrets.redacted($0, of: name) }
    return lines.isEmpty ? "" : "; it wrote last: " + lines.joined(separator: " | ")
  }

  /// What is written in `exits` goes before the restart policy.
  private static func ending(_ status: ExitStatus?, _ app: App) -> Ending {
    let endedWell = status?.isSuccess == true
    switch status.flatMap({ app.exits.meaning(of: $0) }) {
    case .done: return .done
    case .restart: return .restart
    case .stop: return .refused
    case .fail where app.restart.policy == .never: return .refused
    case .fail: return .failed
    case nil: break
    }
    return switch app.restart.policy {
    case .always: .failed
    case .onFailure: endedWell ? .done : .failed
    case .never: endedWell ? .done : .refused
    }
  }

  // MARK: - After an engine's death

  /// Takes in what was recorded of replicas and revisions, before the machine is made anew.
  func takeIn(_ found: RecoveredApp) {
    for revision in found.revisions { ledger.revisions[revision.number] = revision }
    for record in found.replicas { takeIn(record) }
    guard let record = found.record else { return }
    (ledger.written, ledger.declared) = (record, record.declared)
    (ledger.isStopped, ledger.stoppedReplicas) = (record.isStopped, record.stoppedReplicas)
  }

  /// Whether it lives though its directory is gone.
  private func isLost(_ name: String) -> Bool {
    !ReplicaDirectory(context.paths.replica(name)).exists && LivingKeepers.lost(context.paths)[name] != nil
  }

  private func takeIn(_ record: ReplicaRecord) {
    let directory = ReplicaDirectory(context.paths.replica(record.name))
    // Written down and then not started, or of another boot. An earlier replica of that name may have left its directory: an end that is told
    // there is its own.
    let wasBegun = directory.record()?.startedAt == record.startedAt
    guard record.isOfThisBoot, wasBegun || directory.isHeld || isLost(record.name) else {
      ledger.outbox.append(.replicaGone(record.name))
      return
    }
    let number = ReplicaNumber(record.number)
    ledger.records[number] = record
    if let port = record.port { context.ports.keep(port) }
    let spec = ledger.revisions[record.revision]?.spec ?? app
    ledger.processes[number] = ReplicaProcess(record, app: spec, listener: listener?.descriptor, context: context)
  }

  /// Follows again what lives; what ended meanwhile is told to the machine before this returns.
  func adopt(_ found: RecoveredApp) async {
    tellOfRecovery(knewThem: found.record != nil || !found.revisions.isEmpty)
    await adoptSidecars(found.sidecars)
    for (number, record) in ledger.records {
      guard let process = ledger.processes[number] else { continue }
      // What ended meanwhile must not count as serving once the machine decides.
      guard process.directory.isHeld || !process.directory.exists else {
        let wasStarted = await begin(process, number) { await process.adopt() }
        await process.untilEnded()
        // What runs beside it has its grace, which nothing else waits for.
        if ledger.sidecars[number] != nil {
          quits(number)
          Task { await hasEnded(process, number, wasStarted: wasStarted, wasFollowed: false) }
        } else {
          await hasEnded(process, number, wasStarted: wasStarted, wasFollowed: false)
        }
        continue
      }
      Task {
        let wasStarted = await begin(process, number) { await process.adopt() }
        await awaitEnd(of: process, number, wasStarted: wasStarted)
      }
      let serves = record.stop == nil && record.readySince != nil && record.quitsSince == nil
      if serves, let port = record.port { try? await proxy?.add(record.name, port: port) }
      if record.stop != nil { Task { await stopReplica(number) } }
    }
  }

  /// - Parameter knewThem: whether the database has told of the app.
  private func tellOfRecovery(knewThem: Bool) {
    if ledger.records.isEmpty { return }
    if !knewThem {
      note(.warning, "StateLost", "what was written down of \(name) is lost; it goes on from what its run directory says of its replicas")
    }
    let count = ledger.processes.values.count { $0.directory.isHeld || !$0.directory.exists }
    let (ended, left) = (ledger.records.count - count, "an engine that was killed has left \(Self.counted(count))")
    let missing = ended == 0 ? "" : "; \(Self.counted(ended)) ended meanwhile"
    note(
      .normal, "Recovered",
      count == 0
        ? "no replica has outlived the engine that was killed\(missing)" : "\(left), which \(count == 1 ? "goes" : "go") on\(missing)")
  }

  private func adoptSidecars(_ found: [ReplicaRecord]) async {
    for (number, record) in ledger.records {
      guard let process = ledger.processes[number], let beside = Sidecars(process.app, beside: record, context: context) else { continue }
      ledger.sidecars[number] = beside
      await beside.adopt(found.filter { $0.number == number.value })
    }
    // Those whose replica is gone, or was never started.
    let orphans = found.filter { ledger.records[ReplicaNumber($0.number)] == nil }
    let living = orphans.map(\.name).filter { ReplicaDirectory(context.paths.replica($0)).isHeld }
    do { try await Leftovers.stop(context.paths, only: living) { _ in } } catch { note(.warning, "Doubt", "\(error)") }
    for orphan in orphans {
      tellOfEnd(ofOrphan: orphan)
      ledger.outbox.append(.replicaGone(orphan.name))
    }
  }

  /// Its keeper was asked to end it by nobody who could have told.
  private func tellOfEnd(ofOrphan record: ReplicaRecord) {
    let directory = ReplicaDirectory(context.paths.replica(record.name))
    guard record.isOfThisBoot, directory.record()?.startedAt == record.startedAt, let processes = directory.processes() else { return }
    let key = ReplicaProcess.key("end", of: ProcessIdentity(pid: processes.keeper, startTime: processes.keeperStart))
    note(.normal, "Exited", "\(record.name) \(ExitWords.of(directory.exit()?.exitStatus))", record.name, key: key)
  }
}
