import AppSpec
import Linux
import Rollout
import StopPlan

/// What `lastcall ps` and `describe` show of a service.
extension ServiceController {
  /// What `lastcall ps` shows: the replicas, or why there is none.
  func rows(of target: String? = nil) async -> [ReplicaRow] {
    var rows: [ReplicaRow] = []
    let inFlight = await proxy?.inFlightByReplica() ?? [:]
    for replica in rollout.replicas {
      guard let process = ledger.processes[replica.number], target == nil || target == name || target == process.name else { continue }
      rows.append(await row(replica, process, inFlight: inFlight[process.name]))
      rows += await ledger.sidecars[replica.number]?.rows() ?? []
    }
    if rows.isEmpty, target == nil || target == name { rows.append(emptyRow) }
    return rows
  }

  private func row(_ replica: Replica, _ process: ReplicaProcess, inFlight: Int?) async -> ReplicaRow {
    var row = await process.row(state(of: replica, process))
    if replica.phase == .stopping { row.serving = await process.isServing }
    row.port = process.port ?? process.app.listen?.port
    row.revision = replica.revision
    row.inFlight = inFlight
    return row
  }

  private func state(of replica: Replica, _ process: ReplicaProcess) async -> ShownState {
    let said = await process.statusText
    if replica.isQuitting, replica.phase != .stopping {
      return await process.isEnded
        ? ShownState("Terminating", "Ended", "its program has ended; what runs beside it is stopped now")
        : ShownState("Draining", "SaysStopping", Self.words("it stops by itself", said))
    }
    switch replica.phase {
    case .starting where await !process.isLaunched && !process.app.sidecars.isEmpty:
      return ShownState("Pending", "SidecarsNotReady", "it starts once its sidecars are ready")
    case .starting: return ShownState("Starting", "NotReady", await process.notReadyReason)
    case .ready where replica.isUnhealthy:
      return ShownState("Ready", "Unhealthy", Self.words("fails its liveness check and is replaced as soon as enough others serve", said))
    case .ready where replica.revision != rollout.desired.revision:
      let what = "revision \(rollout.desired.revision) takes its place\(rollout.isPaused ? " once the rollout is resumed" : "")"
      return ShownState("Ready", rollout.isPaused ? "RolloutPaused" : "Outdated", Self.words(what, said))
    case .ready: return ShownState("Ready", "Serving", said)
    case .stopping:
      return ShownState(
        await process.wasAskedToStop ? "Terminating" : "Draining", reasonOfStop(replica), Self.words(graceLeft(of: replica), said))
    }
  }

  private func reasonOfStop(_ replica: Replica) -> String {
    if ledger.isStopping { return "EngineStops" }
    if ledger.isStopped { return "Stopped" }
    if replica.isUnhealthy { return "Unhealthy" }
    return replica.revision == rollout.desired.revision ? "ScaledDown" : "Replaced"
  }

  private func graceLeft(of replica: Replica) -> String {
    guard let stop = ledger.records[replica.number]?.stop else { return "" }
    let tenths = max(0, stop.deadline - Clock.now.nanoseconds) / 100_000_000
    return "\(tenths / 10).\(tenths % 10) s of grace left"
  }

  /// Why, and what the program says of itself.
  private static func words(_ why: String, _ said: String) -> String { [why, said].filter { !$0.isEmpty }.joined(separator: "; ") }

  private var emptyRow: ReplicaRow { ReplicaRow(app: app.name, name: app.name, emptyState) }

  /// Why no replica runs.
  private var emptyState: ShownState {
    if ledger.isStopped { return ShownState("Stopped", "StoppedByUser", "start it with: lastcall start \(app.name)") }
    if ledger.declared == nil || isToBegin && rollout.desired.replicas == 0 { return ShownState("Pending", "Waiting", waitsFor) }
    if let pause = backOff { return ShownState(rollout.failuresInARow > 2 ? "CrashLoop" : "Pending", "BackOff", pause) }
    if rollout.desired.replicas == 0 { return ShownState("Stopped", "ScaledToZero", "0 replicas are wanted") }
    if rollout.hasFailedForGood {
      return ShownState("Failed", "NotRestarted", "it is not started again; see lastcall logs \(app.name)")
    }
    return rollout.wanted == 0
      ? ShownState("Succeeded", "Completed", "its replicas have ended and are not started again") : ShownState("Pending", "Starting")
  }

  /// When the next start comes after a failure; nil when none waits.
  private var backOff: String? {
    rollout.backingOffUntil.map { until in
      let seconds = max(0, (until - Clock.now).nanoseconds / 1_000_000_000 + 1)
      return "\(rollout.failuresInARow) failed in a row; the next starts in \(seconds) s"
    }
  }

  /// The app's state, and why.
  var state: ShownState {
    if rollout.replicas.isEmpty { return emptyState }
    if rollout.isPaused {
      return ShownState("Paused", "RolloutPaused", "the rollout is paused; go on with: lastcall rollout resume \(app.name)")
    }
    if let pause = backOff, rollout.failuresInARow > 2 { return ShownState("CrashLoop", "BackOff", pause) }
    return rollout.isComplete ? ShownState("Running", "Complete") : ShownState("Progressing", "NotComplete")
  }
}
