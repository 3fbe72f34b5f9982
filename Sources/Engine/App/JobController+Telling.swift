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

  func seconds(until moment: Instant) -> Int64 { max(0, (moment - Clock.now).nanoseconds / 1_000_000_000 + 1) }
}
