import Linux
import Rollout
import StopPlan

/// What `lastcall ps` and `describe` show of a job.
extension JobController {
  var state: ShownState {
    if let running = machine.running {
      return drains[running] == nil
        ? ShownState("Running", "Running", next ?? "") : ShownState("Draining", "EngineStops", "it may end by itself before it is stopped")
    }
    if ledger.isStopped { return ShownState("Stopped", "StoppedByUser", "start it with: lastcall start \(name)") }
    if let until = machine.backingOffUntil {
      return ShownState("BackOff", "Failed", "it failed; it is tried again in \(seconds(until: until)) s")
    }
    if let next { return ShownState("Scheduled", "WaitsForItsTime", next) }
    switch machine.outcome {
    case .succeeded(let revision) where revision == self.revision: return ShownState("Succeeded", "Completed")
    case .failed(let revision) where revision == self.revision:
      return ShownState("Failed", "NotRestarted", "run it once more with: lastcall restart \(name)")
    default: return ShownState("Pending", "Waiting", waitsFor)
    }
  }

  /// When it runs next, for people.
  private var next: String? { machine.next(after: .now).map { "next at \($0.text)" } }

  func rows(of target: String? = nil) async -> [ReplicaRow] {
    var rows: [ReplicaRow] = []
    for (number, process) in ledger.processes.sorted(by: { $0.key < $1.key })
    where target == nil || target == name || target == process.name {
      guard let record = ledger.records[number] else { continue }
      let state = shown(number, isStopping: record.stop != nil, isRunning: await process.main != 0, await process.statusText)
      var row = await process.row(state)
      row.revision = record.revision
      rows.append(row)
      rows += await ledger.sidecars[number]?.rows() ?? []
    }
    if rows.isEmpty, target == nil || target == name { rows.append(ReplicaRow(app: name, name: name, state)) }
    return rows
  }

  private func shown(_ number: ReplicaNumber, isStopping: Bool, isRunning: Bool, _ said: String) -> ShownState {
    if !isRunning { return ShownState("Starting", "NotStarted", said) }
    if isStopping { return ShownState("Terminating", ledger.isStopping ? "EngineStops" : "Stopped", said) }
    return drains[number] == nil ? ShownState("Running", "Running", said) : ShownState("Draining", "EngineStops", said)
  }
}
