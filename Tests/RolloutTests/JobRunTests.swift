import Foundation
import Rollout
import Seeded
import StopPlan
import Testing

@Suite struct JobRunTests {
  private let start = Instant(nanoseconds: 1_000_000_000)
  private let one = ReplicaNumber(1)
  private let two = ReplicaNumber(2)

  @Test func aJobRunsOncePerRevision() {
    var job = JobRun(JobBounds())
    #expect(job.handle(.run(revision: 1), at: start) == [.note(.began(revision: 1, attempt: 1)), .start(one, revision: 1)])
    #expect(job.handle(.run(revision: 1), at: start) == [])
    #expect(job.handle(.ended(one, .done), at: start) == [.note(.succeeded(revision: 1))])
    #expect(job.handle(.run(revision: 1), at: start) == [])
    #expect(job.handle(.run(revision: 2), at: start).contains(.start(two, revision: 2)))
  }

  @Test func aFailureIsTriedAgainAsOftenAsTheLimitSays() {
    var job = JobRun(JobBounds(retries: 1, backoff: .seconds(1) ... .seconds(1)))
    _ = job.handle(.run(revision: 1), at: start)
    let until = start + .seconds(1)
    #expect(job.handle(.ended(one, .failed), at: start) == [.note(.retrying(one, until: until)), .arm(until)])
    #expect(job.handle(.clock, at: until) == [.note(.began(revision: 1, attempt: 2)), .start(two, revision: 1)])
    #expect(job.handle(.ended(two, .failed), at: until) == [.note(.failed(revision: 1, two))])
    #expect(job.handle(.run(revision: 1), at: until) == [])
    #expect(job.saved.outcome == .failed(revision: 1))
  }

  @Test func neverAndRefusedAreNotTriedAgain() {
    for (bounds, ending) in [(JobBounds(retries: 0), Ending.failed), (JobBounds(), .refused)] {
      var job = JobRun(bounds)
      _ = job.handle(.run(revision: 1), at: start)
      #expect(job.handle(.ended(one, ending), at: start) == [.note(.failed(revision: 1, one))])
    }
  }

  @Test func aNewRevisionWaitsForTheRunThatGoesOn() {
    var job = JobRun(JobBounds())
    _ = job.handle(.run(revision: 1), at: start)
    #expect(job.handle(.run(revision: 2), at: start) == [])
    #expect(job.handle(.ended(one, .failed), at: start).contains(.start(two, revision: 2)))
  }

  @Test func aRunIsDrainedWhenTheEngineStopsAndRunsAgainIfItWasCutOff() {
    var job = JobRun(JobBounds())
    _ = job.handle(.run(revision: 1), at: start)
    #expect(job.handle(.drain, at: start) == [.drain(one)])
    #expect(job.handle(.run(revision: 2), at: start) == [])
    #expect(job.handle(.ended(one, .failed), at: start) == [.note(.interrupted(one)), .note(.stopped)])
    var restored = JobRun(JobBounds(), restoring: job.saved, at: start)
    #expect(restored.handle(.clock, at: start) == [.note(.began(revision: 1, attempt: 2)), .start(two, revision: 1)])
    #expect(restored.handle(.drain, at: start) == [.drain(two)])
    #expect(restored.handle(.ended(two, .done), at: start) == [.note(.succeeded(revision: 1)), .note(.stopped)])
    #expect(JobRun(JobBounds(), restoring: restored.saved, at: start).saved.wanted == nil)
  }

  @Test func aRunThatWasStoppedIsNeitherDoneNorFailed() {
    var job = JobRun(JobBounds(retries: 0))
    _ = job.handle(.run(revision: 1), at: start)
    #expect(job.handle(.stop, at: start) == [.stop(one)])
    #expect(job.handle(.interrupted(one), at: start) == [.note(.interrupted(one)), .note(.stopped)])
    #expect(job.saved.outcome == nil)
    var again = JobRun(JobBounds(retries: 0), restoring: job.saved, at: start)
    #expect(again.handle(.run(revision: 1), at: start).contains(.start(two, revision: 1)))
    // Wanted again before it had ended.
    #expect(again.handle(.interrupted(two), at: start).contains(.start(ReplicaNumber(3), revision: 1)))
  }

  @Test func aRunThatNeverWasIsRunAtOnceAndCountsForNothing() throws {
    var job = JobRun(JobBounds(retries: 0))
    _ = job.handle(.run(revision: 1), at: start)
    let saved = try JSONDecoder().decode(JobRun.Saved.self, from: JSONEncoder().encode(job.saved))
    #expect(saved == job.saved)
    var restored = JobRun(JobBounds(retries: 0), restoring: saved, at: start)
    #expect(restored.handle(.ended(one, .lost), at: start) == [.note(.began(revision: 1, attempt: 1)), .start(two, revision: 1)])
  }
}

@Suite struct ScheduledJobTests {
  @Test func withoutAScheduleItRunsOnceForEachRevision() {
    var job = ScheduledJob(in: .utc, at: midnight)
    #expect(starts(job.handle(.desired(revision: 1, nil, JobBounds()), at: start, wall: midnight)) == [1])
    #expect(job.isAwaited)
    _ = job.handle(.ended(ReplicaNumber(1), .done), at: start, wall: midnight)
    #expect(!job.isAwaited && job.outcome == .succeeded(revision: 1))
    #expect(starts(job.handle(.desired(revision: 1, nil, JobBounds()), at: start, wall: midnight)) == [])
    #expect(starts(job.handle(.desired(revision: 2, nil, JobBounds()), at: start, wall: midnight)) == [2])
  }

  @Test func aRunThatWasNotRecordedIsNotBegunAgain() {
    var job = ScheduledJob(in: .utc, at: midnight)
    _ = job.handle(.found(ReplicaNumber(7), revision: 3, startedAt: start), at: start, wall: midnight)
    #expect(starts(job.handle(.desired(revision: 3, nil, JobBounds()), at: start, wall: midnight)) == [])
    let actions = job.handle(.ended(ReplicaNumber(7), .failed), at: start, wall: midnight)
    #expect(actions.contains { if case .job(.note(.retrying(ReplicaNumber(7), _))) = $0 { true } else { false } })
    #expect(starts(job.handle(.clock, at: start + .seconds(100), wall: midnight)) == [8])
  }

  private let start = Instant(nanoseconds: 1_000_000_000)
  /// 2026-01-01 00:00 UTC.
  private let midnight = WallTime(seconds: 1_767_225_600)
  private func after(_ seconds: Int64) -> WallTime { WallTime(seconds: midnight.seconds + seconds) }

  private func hourly(_ job: inout ScheduledJob) throws {
    let actions = job.handle(.desired(revision: 1, try CronSchedule("@hourly"), JobBounds(retries: 0)), at: start, wall: midnight)
    #expect(actions == [.armWall(after(3_600))])
  }

  private func starts(_ actions: [ScheduledJob.Action]) -> [Int] {
    actions.compactMap { if case .job(.start(let number, _)) = $0 { number.value } else { nil } }
  }

  @Test func itRunsWhenItsTimeComes() throws {
    var job = ScheduledJob(in: .utc, at: midnight)
    try hourly(&job)
    #expect(job.handle(.clock, at: start, wall: after(3_599)) == [.armWall(after(3_600))])
    let actions = job.handle(.clock, at: start, wall: after(3_600))
    #expect(starts(actions) == [1] && actions.last == .armWall(after(7_200)))
    _ = job.handle(.ended(ReplicaNumber(1), .done), at: start, wall: after(3_700))
    #expect(starts(job.handle(.clock, at: start, wall: after(7_203))) == [2])
  }

  @Test func aTimeIsSkippedWhileTheLastRunGoesOn() throws {
    var job = ScheduledJob(in: .utc, at: midnight)
    try hourly(&job)
    _ = job.handle(.clock, at: start, wall: after(3_600))
    let actions = job.handle(.clock, at: start, wall: after(7_200))
    #expect(actions == [.note(.skipped(after(7_200), running: ReplicaNumber(1))), .armWall(after(10_800))])
    #expect(starts(job.handle(.runNow, at: start, wall: after(7_300))) == [])
    _ = job.handle(.ended(ReplicaNumber(1), .failed), at: start, wall: after(7_400))
    #expect(starts(job.handle(.runNow, at: start, wall: after(7_500))) == [2])
  }

  @Test func whatWasMissedIsToldAndNotMadeUpFor() throws {
    var job = ScheduledJob(in: .utc, at: midnight)
    try hourly(&job)
    var restored = ScheduledJob(in: .utc, JobBounds(), restoring: job.saved, at: start)
    #expect(restored.handle(.clock, at: start, wall: after(9_000)) == [.note(.missed(2, last: after(7_200))), .armWall(after(10_800))])
    #expect(starts(restored.handle(.clock, at: start, wall: after(10_801))) == [1])
    // Away for a moment only, when its time came.
    restored = ScheduledJob(in: .utc, JobBounds(), restoring: job.saved, at: start)
    #expect(starts(restored.handle(.clock, at: start, wall: after(3_610))) == [1])
    // Away for ten years.
    restored = ScheduledJob(in: .utc, JobBounds(), restoring: job.saved, at: start)
    let actions = restored.handle(.clock, at: start, wall: after(315_360_000 + 5))
    #expect(actions.first == .note(.missed(1_000, last: after(3_600_000))) && starts(actions) == [1])
  }

  @Test func aClockThatIsSetBackALittleRunsNothingTwiceAndFarBackBeginsAnew() throws {
    var job = ScheduledJob(in: .utc, at: midnight)
    try hourly(&job)
    _ = job.handle(.clock, at: start, wall: after(3_600))
    _ = job.handle(.ended(ReplicaNumber(1), .done), at: start, wall: after(3_601))
    #expect(job.handle(.clock, at: start, wall: after(1_000)) == [.armWall(after(7_200))])
    #expect(starts(job.handle(.clock, at: start, wall: after(3_600))) == [])
    let far = job.handle(.clock, at: start, wall: after(-86_400))
    #expect(far == [.note(.clockSetBack(90_000)), .armWall(after(-82_800))])
  }

  @Test func aRunIsDrainedAndTheScheduleRests() throws {
    var job = ScheduledJob(in: .utc, at: midnight)
    try hourly(&job)
    _ = job.handle(.clock, at: start, wall: after(3_600))
    #expect(job.handle(.drain, at: start, wall: after(3_700)) == [.job(.drain(ReplicaNumber(1))), .armWall(nil)])
    #expect(job.handle(.clock, at: start, wall: after(7_200)) == [])
    let ended = job.handle(.ended(ReplicaNumber(1), .done), at: start, wall: after(7_300))
    #expect(ended == [.job(.note(.succeeded(revision: 1))), .job(.note(.stopped))])
  }

  /// Runs of any length, engine deaths, a clock that comes late: never two at a time, each time dealt with once, and after a rest it runs.
  @Test func timesAreRunSkippedOrMissedAndNothingElse() throws {
    for seed in UInt64(0)..<300 {
      var random = SeededRandom(seed: seed)
      var job = ScheduledJob(in: berlin, at: midnight, seed: seed)
      let schedule = try CronSchedule(["*/10 * * * *", "0 */2 * * *", "@hourly", "17 3 * * *"][Int(seed % 4)])
      let bounds = JobBounds(retries: random.int(0...2), backoff: .seconds(1) ... .seconds(30))
      var (now, wall) = (start, midnight)
      var running: ReplicaNumber?
      var used: Set<ReplicaNumber> = []
      func take(_ actions: [ScheduledJob.Action]) {
        for case .job(.start(let number, _)) in actions {
          #expect(running == nil && used.insert(number).inserted, "seed \(seed): \(number)")
          running = number
        }
      }
      take(job.handle(.desired(revision: 1, schedule, bounds), at: now, wall: wall))
      for _ in 0..<300 {
        let passed = Int64(random.int(1...1_500))
        (now, wall) = (now + .seconds(passed), WallTime(seconds: wall.seconds + passed))
        if random.chance(10) {
          job = ScheduledJob(in: berlin, bounds, restoring: job.saved, at: now)
        }
        if let number = running, random.chance(40) {
          running = nil
          let endings: [Ending] = [.done, .failed, .restart, .refused]
          take(job.handle(.ended(number, endings[random.int(0...3)]), at: now, wall: wall))
        }
        take(job.handle(.clock, at: now, wall: wall))
      }
      if let number = running {
        running = nil
        take(job.handle(.ended(number, .done), at: now, wall: wall))
      }
      if let next = job.next(after: wall), running == nil { take(job.handle(.clock, at: now + .seconds(100_000), wall: next)) }
      #expect(running != nil, "seed \(seed): it does not run")
    }
  }
}
