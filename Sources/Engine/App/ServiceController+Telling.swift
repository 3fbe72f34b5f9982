import AppSpec
import Foundation
import Linux
import Rollout
import StopPlan

/// What is said of an app.
extension ServiceController {
  func tell(_ note: Rollout.Note) {
    switch note {
    case .began(let revision):
      let counted = Self.counted(rollout.desired.replicas)
      self.note(
        .normal, "RolloutBegan", ledger.revisions.count <= 1 ? "starting \(counted)" : "replacing \(counted) by revision \(revision)")
    case .complete(let revision):
      let count = rollout.desired.replicas
      self.note(.normal, "RolloutComplete", "\(count == 1 ? "1 replica is" : "\(count) replicas are") ready\(address)")
      settled(revision, "complete", .complete)
    case .undone(let revision, let number, let failure):
      let deadline = (ledger.revisions[revision]?.spec ?? app).update.deadline
      if let spec = ledger.revisions[rollout.desired.revision]?.spec { ledger.app = spec }
      let why =
        switch failure {
        case .late where rollout.replica(number)?.extendedUntil != nil:
          "was not ready within \(deadline), nor within the time that it asked for"
        case .late: "was not ready within \(deadline)"
        case .ended: "ended before it was available"
        case .unhealthy: "failed its liveness check before it was available"
        }
      let text = "\(name(number)) \(why)\(lastWords(of: name(number))); the old replicas go on"
      self.note(.warning, "RolloutUndone", text)
      settled(revision, "undone: \(text)", .undone(text))
    case .overdue(_, let number):
      Task { await overdue(number) }
    case .backingOff(let number, let until):
      let seconds = ((until - Clock.now).nanoseconds + 999_999_999) / 1_000_000_000
      self.note(.warning, "BackOff", "\(name(number)) ended by itself; a new replica starts in \(seconds) s", name(number))
    case .paused: self.note(.normal, "RolloutPaused", "old replicas are not replaced until: lastcall rollout resume \(app.name)")
    case .resumed: self.note(.normal, "RolloutResumed", "the rollout goes on")
    case .scaled(let old, let new): self.note(.normal, "Scaled", "from \(Self.counted(old)) to \(new)")
    case .notReplaced(let number, let ending):
      let why = ending == .done ? "it ended well" : "its exit code or the restart policy says so"
      self.note(.normal, "NotReplaced", "\(name(number)) is not started again: \(why)", name(number))
    case .holding(0): self.note(.normal, "BrakeReleased", "replicas that fail their liveness check are replaced again")
    case .holding(let count):
      let text = "\(Self.counted(count)) fail the liveness check and are left running: too many would be missing at once"
      self.note(.warning, "Holding", text)
    case .stopped:
      if let failure {
        self.note(.warning, "Failed", failure)
        settled(revision, "failed", .undone(failure))
      } else {
        self.note(.normal, "Stopped", "nothing of \(app.name) runs any more")
        end(.complete)
      }
    }
  }

  /// Says why the first revision is not up, and lets who asked for it go; it goes on being tried.
  private func overdue(_ number: ReplicaNumber?) async {
    var why = "they end before they are ready"
    if let number, let process = ledger.processes[number] { why = "\(process.name): \(await process.notReadyReason)" }
    let text = "\(app.name) is not up after \(app.update.deadline): \(why); it goes on being tried"
    note(.warning, "ProgressDeadlineExceeded", text)
    end(.undone(text))
    write()
  }

  private var address: String { app.listen.map { " on http://\($0.host):\($0.port)" } ?? "" }

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
    var row = ReplicaRow(
      app: app.name, name: process.name, state: "Starting", age: (Clock.now - replica.startedAt).nanoseconds / 1_000_000_000)
    switch replica.phase {
    case .starting: row.message = await process.notReadyReason
    case .ready: row.state = await process.saidStopping ? "Draining" : "Ready"
    case .stopping: row.state = await process.wasAskedToStop ? "Terminating" : "Draining"
    }
    if row.state != "Starting" { row.message = await process.statusText }
    if replica.phase == .stopping { row.serving = await process.isServing }
    row.pid = Int(await process.main)
    row.keeper = Int(await process.keeper)
    row.port = process.port ?? process.app.listen?.port
    row.revision = replica.revision
    row.inFlight = inFlight
    return row
  }

  private var emptyRow: ReplicaRow {
    let (state, message) = emptyState
    return ReplicaRow(app: app.name, name: app.name, state: state, message: message)
  }

  /// Why no replica runs.
  private var emptyState: (String, String) {
    if ledger.declared == nil { return ("Pending", waitsFor) }
    if ledger.isStopped { return ("Stopped", "start it with: lastcall start \(app.name)") }
    if let until = rollout.backingOffUntil {
      let seconds = max(0, (until - Clock.now).nanoseconds / 1_000_000_000 + 1)
      let failures = rollout.failuresInARow
      return (failures > 2 ? "CrashLoop" : "Pending", "\(failures) failed in a row; the next starts in \(seconds) s")
    }
    if rollout.desired.replicas == 0 { return ("Stopped", "0 replicas are wanted") }
    if rollout.hasFailedForGood { return ("Failed", "it is not started again; see lastcall logs \(app.name)") }
    return rollout.wanted == 0 ? ("Succeeded", "its replicas have ended and are not started again") : ("Pending", "")
  }

  /// The app's state in one word, and why.
  var state: (String, String) {
    let replicas = rollout.replicas
    if replicas.isEmpty { return emptyState }
    if rollout.isPaused { return ("Paused", "the rollout is paused; go on with: lastcall rollout resume \(app.name)") }
    if let until = rollout.backingOffUntil, rollout.failuresInARow > 2 {
      let seconds = max(0, (until - Clock.now).nanoseconds / 1_000_000_000 + 1)
      return ("CrashLoop", "\(rollout.failuresInARow) failed in a row; the next starts in \(seconds) s")
    }
    return rollout.isComplete ? ("Running", "") : ("Progressing", "")
  }
}
