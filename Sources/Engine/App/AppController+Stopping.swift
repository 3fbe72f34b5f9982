import AppSpec
import Linux
import Rollout
import StopPlan

/// The stop of one replica, and what is said of a wait.
extension AppController {
  /// Notes the stop of a replica, which begins once that is written.
  func planStop(_ number: ReplicaNumber) {
    guard var record = ledger.records[number], record.stop == nil, let process = ledger.processes[number] else { return }
    let deadline = min(ledger.fullStopDeadline ?? .never, Clock.now + process.plan.grace)
    record.stop = ReplicaRecord.Stop(id: RequestIDs.next(), deadline: deadline.nanoseconds, since: Clock.now.nanoseconds)
    keep(record)
    ledger.deeds.append(.stop(number))
  }

  /// One replica's stop in its order (`StopOrder`), under one clock. A later engine goes on with what its record says of it.
  func stopReplica(_ number: ReplicaNumber) async {
    guard let process = ledger.processes[number], let request = ledger.records[number]?.stop else { return }
    // Of one that has ended by itself only its sidecars are left, which are being stopped already.
    if await process.isEnded {
      await ledger.sidecars[number]?.shorten(request)
      return
    }
    await process.leave()
    if ledger.isHurrying {
      await process.waitForNothing()
      await ledger.sidecars[number]?.escalate()
    }
    note(.normal, "Killing", "Stopping replica \(process.name)", process.name, key: process.key(ofStop: "stop", request))
    write()
    await waitTelling(
      process.name, until: Instant(nanoseconds: request.deadline), process, inFlight: { await self.proxy?.inFlight(process.name) }
    ) {
      for step in process.app.stopOrder.steps { await self.carryOut(step, number, process) }
      await process.untilEnded()
    }
  }

  private func carryOut(_ step: StopOrder.Step, _ number: ReplicaNumber, _ process: ReplicaProcess) async {
    // It may have been made shorter since the step before.
    guard let request = ledger.records[number]?.stop else { return }
    let (order, deadline) = (process.app.stopOrder, Instant(nanoseconds: request.deadline))
    let sidecars = ledger.sidecars[number]
    switch step {
    // A proxy that does not know the replica sends it nothing.
    case .deregister(isAwaited: true): _ = try? await proxy?.drain(process.name)
    case .deregister(isAwaited: false): Task { [proxy] in _ = try? await proxy?.drain(process.name) }
    case .drain:
      guard let count = await proxy?.inFlight(process.name), count > 0, await !process.isHurried else { return }
      await proxy?.untilDrained(process.name, by: StopOrder.drainLimit(process.plan, from: deadline - process.plan.grace))
    case .preStop:
      // Its program waits for a sidecar that may never be ready.
      if await !process.isLaunched { await sidecars?.stop(deadline: deadline) }
      await sidecars?.prepare(request)
      let problem = order.holdsMain ? await process.prepare(request) : await process.askHook(request)
      await hookIsOver(number, process, problem)
    case .signal: if order.holdsMain { await process.takeTurn() } else { await process.stop(request) }
    }
  }

  /// Before the signal goes out, so that a later engine does not ask the hook again.
  private func hookIsOver(_ number: ReplicaNumber, _ process: ReplicaProcess, _ problem: String?) async {
    guard case .http? = process.app.stop.preStop, var record = ledger.records[number], let stop = record.stop else { return }
    if let problem { note(.warning, "FailedPreStopHook", problem, process.name, key: process.key(ofStop: "hook", stop)) }
    record.stop?.isHookOver = true
    keep(record)
    write()
    await ledger.writing?.value
  }

  // MARK: - Hurrying

  /// Skips to the next signal of every stop that is under way: what it waits for before that is left.
  func skipToSignals() async {
    for (number, process) in ledger.processes where ledger.records[number]?.stop != nil {
      await process.hurry()
      await proxy?.hurry(process.name)
    }
    for beside in ledger.sidecars.values { await beside.escalate() }
  }

  // MARK: - Shortening

  /// Moves the end of all stops under way, and of those to come, forward; never back.
  func shorten(to deadline: Instant) {
    ledger.fullStopDeadline = min(ledger.fullStopDeadline ?? .never, deadline)
    for (number, record) in ledger.records {
      guard let old = record.stop, deadline.nanoseconds < old.deadline else { continue }
      let stop = old.shortened(to: deadline)
      var record = record
      record.stop = stop
      keep(record)
      guard let process = ledger.processes[number] else { continue }
      Task {
        await process.shorten(stop)
        await ledger.sidecars[number]?.shorten(stop)
        await proxy?.hurry(process.name)
      }
    }
    write()
  }

  /// What starts from now on has its own grace and its own pace.
  func forgetShortening() {
    ledger.isHurrying = false
    if !ledger.isStopping { ledger.fullStopDeadline = nil }
  }

  // MARK: - Telling

  /// Does what a stop waits for, and says once a second what that is.
  func waitTelling(
    _ what: String, until deadline: Instant, _ process: ReplicaProcess? = nil, inFlight: @escaping @Sendable () async -> Int? = { nil },
    _ work: @Sendable () async -> Void
  ) async {
    let line: @Sendable () async -> String = {
      var line = "waiting for \(what)"
      if let count = await inFlight() { line += ": \(count) \(count == 1 ? "request" : "requests") in flight" }
      if let status = await process?.statusText, !status.isEmpty { line += " (it says: \(status))" }
      let left = max(0, (deadline - Clock.now).nanoseconds) / 100_000_000
      return line + "; \(left / 10).\(left % 10) s of grace left"
    }
    await waitTelling(line, work)
  }

  /// Does something that may take long, and says a line about it once a second.
  func waitTelling<Result: Sendable>(
    _ line: @escaping @Sendable () async -> String, _ work: @Sendable () async -> Result
  ) async -> Result {
    let telling = Task {
      while true {
        try await TaskThreads.sleep(.seconds(1))
        await context.reporter.progress(app: name, line())
      }
    }
    defer { telling.cancel() }
    return await work()
  }
}
