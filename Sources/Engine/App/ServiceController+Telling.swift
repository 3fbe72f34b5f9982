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
        .normal, "RolloutBegan", ledger.processes.isEmpty ? "starting \(counted)" : "replacing \(counted) by revision \(revision)")
    case .complete(let revision):
      let count = rollout.desired.replicas
      self.note(.normal, "RolloutComplete", "\(count == 1 ? "1 replica is" : "\(count) replicas are") ready\(address)")
      settled(revision, "complete", .complete)
    // A replica that has taken another's place after a failure is no news of a rollout.
    case .restored(let revision): settled(revision, "complete", .complete)
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
      let text = "\(name(number)) \(why)\(lastWords(of: name(number))); \(fallback)"
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
    case .holding:
      self.note(.warning, "Holding", "replicas that fail their liveness check are left running for now: too many would be missing at once")
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

  /// What is left when a revision was undone.
  private var fallback: String {
    let revision = rollout.desired.revision
    // Those that are started for it have no process yet.
    let running = rollout.replicas.count { $0.revision == revision && $0.phase != .stopping && ledger.processes[$0.number] != nil }
    switch (running, rollout.desired.replicas - running) {
    case (0, _): return "revision \(revision) is started again"
    case (_, ...0): return "the old replicas go on"
    case (_, let missing):
      return "the old replicas go on, and \(Self.counted(missing)) of revision \(revision) \(missing == 1 ? "is" : "are") started again"
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
}
