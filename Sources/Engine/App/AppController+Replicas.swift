import AppSpec
import Foundation
import Linux
import Rollout
import StopPlan

/// One replica from its start to its end.
extension AppController {
  func launch(_ number: ReplicaNumber) {
    guard let process = processes[number], let record = records[number] else { return }
    Task {
      await follow(process, number) {
        if process.app.listen?.via == .proxy, process.port == nil { throw EngineError("no port is free for \(process.name)") }
        if let sidecars = Sidecars(process.app, beside: record, context: context) {
          await keep(sidecars, number)
          try await sidecars.start()
        }
        try await process.launch(record, given: await estate(for: number))
      }
    }
  }

  private func keep(_ sidecars: Sidecars, _ number: ReplicaNumber) { self.sidecars[number] = sidecars }

  /// - Parameter begin: launches it or takes it over.
  func follow(_ process: ReplicaProcess, _ number: ReplicaNumber, _ begin: @Sendable () async throws -> Void) async {
    let began = Clock.now
    var wasStarted = false
    do {
      try await begin()
      wasStarted = true
      Task { await ready(process, number, began) }
      Task { await extend(process, number) }
      await process.untilEnded()
    } catch {
      if records[number]?.stop == nil { await report(.warning, "Failed", "\(error)", process.name) }
      await process.abandon()
    }
    await proxy?.remove(process.name)
    if let beside = sidecars[number] {
      let deadline = records[number]?.stop.map { Instant(nanoseconds: $0.deadline) } ?? Clock.now + process.plan.grace
      await beside.stop(deadline: deadline)
      sidecars.removeValue(forKey: number)
    }
    let status = await process.exitStatus
    let wasAsked = await process.wasAskedToStop
    if await process.isInDoubt { doubt(process.name) }
    if let stop = records[number]?.stop, let since = stop.since {
      let seconds = Double(Clock.now.nanoseconds - since) / 1e9
      outbox.append(.stop(StopRecord(app: name, seconds: seconds, wasKilled: await process.wasKilled)))
    }
    if wasStarted || status != nil {
      note(
        status?.isSuccess == true || wasAsked ? .normal : .warning, "Exited", "\(process.name) \(ExitWords.of(status))", process.name,
        key: await process.endKey)
    }
    let legacy = await process.legacy
    gone(number)
    settleEstate(of: number, legacy)
    feed(.ended(number, Self.ending(status, process.app)))
    dropEstates(missing: rollout.missing)
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

  private func ready(_ process: ReplicaProcess, _ number: ReplicaNumber, _ began: Instant) async {
    let isReady = await waitTelling({ "\(process.name) is not ready: \(await process.notReadyReason)" }) { await process.untilReady() }
    guard isReady, await !process.isLeaving, var record = records[number], record.stop == nil else { return }
    do {
      if let port = process.port { try await proxy?.add(process.name, port: port) }
    } catch {
      return await report(.warning, "Failed", "the proxy did not take \(process.name): \(error)", process.name)
    }
    if record.readySince == nil, records[number]?.stop == nil {
      record.readySince = Clock.now.nanoseconds
      keep(record)
      let tenths = (Clock.now - began).nanoseconds / 100_000_000
      note(.normal, "Ready", "\(process.name) is ready after \(tenths / 10).\(tenths % 10) s", process.name)
    }
    feed(.ready(number))
    if process.app.notify.watchdog != nil {
      Task { if await process.untilWatchdog() { feed(.unhealthy(number)) } }
    }
    if let live = process.app.live { Task { await watch(process, number, live) } }
    await leaving(process)
  }

  /// A program that says how much longer its start takes is awaited for longer, within its bound.
  private func extend(_ process: ReplicaProcess, _ number: ReplicaNumber) async {
    var last: Instant?
    while let until = await process.untilExtended(beyond: last) {
      last = until
      feed(.extended(number, until: until))
    }
  }

  private func watch(_ process: ReplicaProcess, _ number: ReplicaNumber, _ live: Liveness) async {
    await process.watchLiveness(live) { problem in await self.liveness(of: process, number, problem) }
  }

  private func liveness(of process: ReplicaProcess, _ number: ReplicaNumber, _ problem: String?) async {
    if let problem {
      note(.warning, "Unhealthy", "\(process.name) fails its liveness check: \(problem)", process.name)
      feed(.unhealthy(number))
    } else {
      note(.normal, "Healthy", "\(process.name) passes its liveness check again", process.name)
      feed(.healthy(number))
    }
  }

  /// A program that says STOPPING=1 of itself gets no more requests; its end is treated as any.
  private func leaving(_ process: ReplicaProcess) async {
    guard await process.untilLeaving() else { return }
    await report(.normal, "Stopping", "\(process.name) says that it stops", process.name)
    _ = try? await proxy?.drain(process.name)
  }
}
