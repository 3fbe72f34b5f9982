import AppSpec
import Linux
import Rollout
import StopPlan

/// A replica that runs: whether it is ready, still works, or is about to leave.
extension ServiceController {
  func serve(_ process: ReplicaProcess, _ number: ReplicaNumber, since began: Instant) async {
    await process.onExtension { Task { await self.extend(process, number) } }
    if ledger.records[number]?.quitsSince != nil { return await leaving(process, number) }
    await process.onLeaving { Task { await self.leaving(process, number) } }
    let isReady = await waitTelling({ "\(process.name) is not ready: \(await process.notReadyReason)" }) { await process.untilReady() }
    guard isReady, await !process.isLeaving, var record = ledger.records[number], record.stop == nil else { return }
    if await process.saidStopping { return }
    do {
      if let port = process.port { try await proxy?.add(process.name, port: port) }
    } catch {
      return await report(.warning, "Failed", "the proxy did not take \(process.name): \(error)", process.name)
    }
    if record.readySince == nil, ledger.records[number]?.stop == nil {
      record.readySince = Clock.now.nanoseconds
      keep(record)
      let tenths = (Clock.now - began).nanoseconds / 100_000_000
      note(.normal, "Ready", "\(process.name) is ready after \(tenths / 10).\(tenths % 10) s", process.name)
    }
    feed(.ready(number))
    if process.app.notify.watchdog != nil {
      await process.onWatchdog { Task { if await !process.wasAskedToStop { await self.feed(.unhealthy(number)) } } }
    }
    if let live = process.app.live { Task { await watch(process, number, live) } }
  }

  /// A program that says how much longer its start takes is awaited for longer, within its bound.
  private func extend(_ process: ReplicaProcess, _ number: ReplicaNumber) async {
    if let until = await process.extendedUntil { feed(.extended(number, until: until)) }
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

  /// A program that says STOPPING=1 of itself gets no more requests; its end is treated as any. One that hangs is stopped when its grace is over.
  private func leaving(_ process: ReplicaProcess, _ number: ReplicaNumber) async {
    guard await !process.wasAskedToStop, await !process.isEnded else { return }
    note(.normal, "Stopping", "\(process.name) says that it stops", process.name, key: await process.key("stopping"))
    write()
    quits(number)
    _ = try? await proxy?.drain(process.name)
    guard let since = ledger.records[number]?.quitsSince else { return }
    Task {
      try? await TaskThreads.sleep(Instant(nanoseconds: since) + process.plan.grace - Clock.now)
      guard await !process.isOver else { return }
      note(.warning, "Unhealthy", "\(process.name) said that it stops, and runs on after its grace", process.name)
      feed(.unhealthy(number))
    }
  }
}
