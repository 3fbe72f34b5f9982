import StopPlan

/// Decides when a job is run: with a `schedule:` on the wall clock, without one once for each revision.
///
/// A time that comes while the last run goes on is skipped. What was missed while the engine was away is told and not made up for, but for a
/// time that came less than `lateness` ago.
public struct ScheduledJob: Sendable {
  /// What can happen.
  public enum Event: Equatable, Sendable {
    /// What is run, and when, from now on; without a schedule once. A run that goes on is left alone.
    case desired(revision: Int, CronSchedule?, JobBounds)
    /// It is to be run now, beside its schedule.
    case runNow
    /// A run that an earlier engine began goes on, whether or not that was recorded.
    case found(ReplicaNumber, revision: Int, startedAt: Instant)
    /// Its process has ended.
    case ended(ReplicaNumber, Ending)
    /// Its process was stopped before it had done its work.
    case interrupted(ReplicaNumber)
    /// The engine stops: a run is let go to its end, within its grace, and nothing more begins.
    case drain
    /// It is to be stopped now; its schedule is not kept any more.
    case stop
    /// Time has passed, or the wall clock was set.
    case clock
  }

  /// What is to be done.
  public enum Action: Equatable, Sendable {
    /// What `JobRun` says.
    case job(JobRun.Action)
    /// Send `.clock` when the wall clock shows this, or was set (`TFD_TIMER_CANCEL_ON_SET`); nil takes the last one back.
    case armWall(WallTime?)
    /// Tell who listens.
    case note(Note)
  }

  /// What is worth telling.
  public enum Note: Equatable, Sendable {
    /// A time was left out because that run still went on.
    case skipped(WallTime, running: ReplicaNumber)
    /// So many times passed, the last of them then, while nobody was there; they are not made up for.
    case missed(Int, last: WallTime)
    /// The wall clock was set back by so many seconds; the schedule goes by the new time.
    case clockSetBack(Int64)
  }

  /// What has to be recorded so that the machine can be restored.
  public struct Saved: Equatable, Codable, Sendable {
    /// Up to when all times were dealt with.
    public internal(set) var seen: WallTime
    /// Which revision is run.
    public internal(set) var revision: Int
    /// Its times; nil when it has none, or is stopped.
    public internal(set) var schedule: CronSchedule?
    /// Its runs.
    public internal(set) var job: JobRun.Saved
  }

  /// How late a time may still be run.
  public static let lateness: Int64 = 60
  /// How far the wall clock may be set back and the schedule wait for the time that was shown already; set back further, it begins anew.
  /// As Vixie's cron does (`man 8 cron`, Debian: changes of less than 3 hours).
  public static let greatestWait: Int64 = 3 * 3_600
  private static let mostCounted = 1_000

  private let zone: CivilZone
  private var job: JobRun
  private var seen: WallTime
  private var revision = 0
  private var schedule: CronSchedule?
  /// Whether nothing more begins: it was drained or stopped.
  public private(set) var isEnding = false
  private var armed: WallTime?
  private var actions: [Action] = []

  /// A job that is not scheduled yet.
  public init(in zone: CivilZone, at wall: WallTime, seed: UInt64 = 0) {
    self.zone = zone
    seen = wall
    job = JobRun(JobBounds(), seed: seed)
  }

  /// The job as it was when `saved` was recorded: `.ended` comes next if its run ended meanwhile, then `.clock`.
  public init(in zone: CivilZone, _ bounds: JobBounds, restoring saved: Saved, at now: Instant) {
    self.zone = zone
    job = JobRun(bounds, restoring: saved.job, at: now)
    (seen, revision, schedule) = (saved.seen, saved.revision, saved.schedule)
  }

  /// What has to be recorded.
  public var saved: Saved { Saved(seen: seen, revision: revision, schedule: schedule, job: job.saved) }
  /// Whether a process of it runs.
  public var isRunning: Bool { job.isRunning }
  /// Which process of it runs.
  public var running: ReplicaNumber? { job.saved.running?.number }
  /// Whether a run is wanted that has not come to its end.
  public var isAwaited: Bool { job.saved.wanted != nil }
  /// Until when the next attempt waits; nil when none waits.
  public var backingOffUntil: Instant? { job.backingOffUntil }
  /// How the last run that came to its end did.
  public var outcome: JobRun.Outcome? { job.saved.outcome }
  /// When it runs next; nil when it is not scheduled.
  public func next(after wall: WallTime) -> WallTime? { isEnding ? nil : schedule?.next(after: max(seen, wall), in: zone) }

  /// Takes in what happened and returns what to do about it.
  public mutating func handle(_ event: Event, at now: Instant, wall: WallTime) -> [Action] {
    switch event {
    case .desired(let revision, let schedule, let bounds):
      if schedule != self.schedule { seen = wall }
      (self.revision, self.schedule, job.bounds) = (revision, schedule, bounds)
      if schedule == nil { give(.run(revision: revision), at: now) }
    case .runNow: if !isRunning { give(.runAgain(revision: revision), at: now) }
    case .found(let number, let revision, let startedAt):
      self.revision = max(self.revision, revision)
      give(.found(number, revision: revision, startedAt: startedAt), at: now)
    case .ended(let number, let ending): give(.ended(number, ending), at: now)
    case .interrupted(let number): give(.interrupted(number), at: now)
    case .drain:
      isEnding = true
      give(.drain, at: now)
    case .stop:
      (isEnding, schedule) = (true, nil)
      give(.stop, at: now)
    case .clock:
      armed = nil
      give(.clock, at: now)
    }
    runWhatIsDue(at: now, wall: wall)
    let moment = next(after: wall)
    if moment != armed { actions.append(.armWall(moment)) }
    armed = moment
    defer { actions = [] }
    return actions
  }

  private mutating func give(_ event: JobRun.Event, at now: Instant) {
    actions += job.handle(event, at: now).map { .job($0) }
  }

  private mutating func runWhatIsDue(at now: Instant, wall: WallTime) {
    guard !isEnding, let schedule else { return }
    if wall.seconds < seen.seconds - Self.greatestWait {
      actions.append(.note(.clockSetBack(seen.seconds - wall.seconds)))
      seen = wall
    }
    var (count, last) = (0, seen)
    var (due, before): (WallTime?, WallTime?) = (nil, nil)
    while let time = schedule.next(after: last, in: zone), time <= wall {
      count += 1
      (before, due, last) = (due, time, time)
      // After a long absence it is enough to know that there were many.
      if count == Self.mostCounted { last = max(last, WallTime(seconds: wall.seconds - Self.lateness - 1)) }
    }
    guard let due else { return }
    seen = due
    let isLate = wall.seconds - due.seconds > Self.lateness
    let missed = isLate ? count : count - 1
    if missed > 0 { actions.append(.note(.missed(missed, last: isLate ? due : before ?? due))) }
    if isLate { return }
    if let running = job.saved.running {
      actions.append(.note(.skipped(due, running: running.number)))
    } else {
      give(.runAgain(revision: revision), at: now)
    }
  }
}
