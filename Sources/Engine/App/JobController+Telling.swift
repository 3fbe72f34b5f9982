import Foundation
import Linux
import Rollout
import StopPlan

/// What is said of a job.
extension JobController {
  func tell(_ note: JobRun.Note) {
    switch note {
    case .began(let revision, let attempt):
      self.note(.normal, "JobBegan", attempt == 1 ? "revision \(revision) is run" : "revision \(revision) is run, attempt \(attempt)")
    case .succeeded(let revision):
      self.note(.normal, "Completed", "\(name) has done its work")
      answered()
      settled(revision, "complete", .complete)
    case .failed(let revision, let number):
      let text = "\(self.name(number)) failed and is not tried again; run it once more with: lastcall restart \(name)"
      self.note(.warning, "JobFailed", text)
      answered()
      settled(revision, "failed", .undone(text))
    case .retrying(let number, let until):
      let text = "\(self.name(number)) failed; it is tried again in \(seconds(until: until)) s"
      self.note(.warning, "BackOff", text, self.name(number))
      answered()
      end(.undone(text))
    case .interrupted(let number):
      self.note(.warning, "Interrupted", "\(self.name(number)) was stopped before it had done its work", self.name(number))
    case .stopped:
      self.note(.normal, "Stopped", "nothing of \(name) runs any more")
      answered()
      end(.complete)
    }
  }

  func tell(_ note: ScheduledJob.Note) {
    switch note {
    case .skipped(let time, let running):
      self.note(.warning, "Skipped", "its time of \(time.text) is left out: \(self.name(running)) still runs")
    case .missed(let count, let last):
      let times = count == 1 ? "its time of \(last.text)" : "\(count) times, the last of them \(last.text),"
      self.note(.warning, "Missed", "\(times) came while no engine ran; what was missed is not made up for")
    case .clockSetBack(let seconds):
      self.note(.warning, "ClockSetBack", "the clock was set back by \(seconds) s; the schedule goes by the new time")
    }
  }

  private func seconds(until moment: Instant) -> Int64 { max(0, (moment - Clock.now).nanoseconds / 1_000_000_000 + 1) }

  var state: (String, String) {
    if let running = machine.running { return (drains[running] == nil ? "Running" : "Draining", next ?? "") }
    if ledger.isStopped { return ("Stopped", "start it with: lastcall start \(name)") }
    if let until = machine.backingOffUntil { return ("BackOff", "it failed; it is tried again in \(seconds(until: until)) s") }
    if let next { return ("Scheduled", next) }
    switch machine.outcome {
    case .succeeded(let revision) where revision == self.revision: return ("Succeeded", "")
    case .failed(let revision) where revision == self.revision: return ("Failed", "run it once more with: lastcall restart \(name)")
    default: return ("Pending", waitsFor)
    }
  }

  /// When it runs next, for people.
  private var next: String? { machine.next(after: .now).map { "next at \($0.text)" } }

  func rows(of target: String? = nil) async -> [ReplicaRow] {
    var rows: [ReplicaRow] = []
    for (number, process) in ledger.processes.sorted(by: { $0.key < $1.key })
    where target == nil || target == name || target == process.name {
      guard let record = ledger.records[number] else { continue }
      let age = (Clock.now - Instant(nanoseconds: record.startedAt)).nanoseconds / 1_000_000_000
      var row = ReplicaRow(app: name, name: process.name, state: "Starting", age: age, message: await process.statusText)
      row.pid = await process.main == 0 ? nil : Int(await process.main)
      row.keeper = await process.keeper == 0 ? nil : Int(await process.keeper)
      row.revision = record.revision
      if row.pid != nil { row.state = record.stop != nil ? "Terminating" : drains[number] != nil ? "Draining" : "Running" }
      rows.append(row)
      rows += await ledger.sidecars[number]?.rows() ?? []
    }
    if rows.isEmpty, target == nil || target == name {
      let (state, message) = self.state
      rows.append(ReplicaRow(app: name, name: name, state: state, message: message))
    }
    return rows
  }
}
