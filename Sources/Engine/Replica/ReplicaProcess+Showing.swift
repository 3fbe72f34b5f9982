import Linux
import StopPlan

/// What `lastcall ps` shows of a replica.
extension ReplicaProcess {
  /// Its row, for a state that its owner knows: who it is, since when, and which processes.
  func row(_ state: ShownState) -> ReplicaRow {
    var row = ReplicaRow(app: owner, name: name, state, age: (Clock.now - startedAt).nanoseconds / 1_000_000_000)
    (row.pid, row.keeper) = (main == 0 ? nil : Int(main), keeper == 0 ? nil : Int(keeper))
    return row
  }

  /// The state of one that runs beside a replica.
  var stateBeside: ShownState {
    if turn?.hasCome == true { return ShownState("Terminating", "Stopped", statusText) }
    return isReady ? ShownState("Ready", "Serving", statusText) : ShownState("Starting", "NotReady", notReadyReason)
  }

  /// Why it is not ready, as far as is known.
  var notReadyReason: String {
    if case .notify = app.ready?.check { return statusText.isEmpty ? "it has not said READY=1" : "it says: \(statusText)" }
    return lastProbe.isEmpty ? "no probe has ended yet" : lastProbe
  }
}
