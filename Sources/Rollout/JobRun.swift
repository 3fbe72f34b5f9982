import StopPlan

/// How often a job that failed is tried again, and after which pauses.
public struct JobBounds: Equatable, Sendable {
  /// How often it is tried again after its first failure; nil without end, 0 for the policy `never`.
  public var retries: Int?
  /// The first and the longest pause before it is tried again.
  public var backoff: ClosedRange<TimeSpan>

  /// Bounds of a job.
  public init(retries: Int? = nil, backoff: ClosedRange<TimeSpan> = .seconds(1) ... .seconds(60)) {
    self.retries = retries.map { max(0, $0) }
    self.backoff = backoff
  }
}

/// Decides when a job (`kind: job`) is run: to its end, once for a revision, tried again when it failed.
///
/// One run at a time: a new revision waits for the one that runs. As with `Rollout`, `saved` and what `.start` names are recorded before
/// anything is done, and a machine that is restored is told by `.ended` what became of its run meanwhile, then `.clock`.
public struct JobRun: Sendable {
  /// What can happen.
  public enum Event: Equatable, Sendable {
    /// This revision is to be run, unless it was.
    case run(revision: Int)
    /// This revision is to be run though it may have been: by hand, or by its schedule.
    case runAgain(revision: Int)
    /// A run that an earlier engine began goes on, whether or not that was recorded.
    case found(ReplicaNumber, revision: Int, startedAt: Instant)
    /// Its process has ended.
    case ended(ReplicaNumber, Ending)
    /// Its process was stopped before it had done its work, whatever its code.
    case interrupted(ReplicaNumber)
    /// The engine stops: a run is let go to its end, within its grace, and nothing more begins. A restored machine runs on.
    case drain
    /// The job is to be stopped now and is not wanted any more.
    case stop
    /// Time has passed.
    case clock
  }

  /// What is to be done.
  public enum Action: Equatable, Sendable {
    /// Start a run.
    case start(ReplicaNumber, revision: Int)
    /// Wait for this run to end by itself, for its grace less what its plan needs; then stop it by its plan.
    case drain(ReplicaNumber)
    /// Stop this run by its plan.
    case stop(ReplicaNumber)
    /// Send `.clock` at this moment; nil takes the last one back. It is in force until the next one, or until `.clock` was sent.
    case arm(Instant?)
    /// Tell who listens.
    case note(Note)
  }

  /// What is worth telling.
  public enum Note: Equatable, Sendable {
    /// The job is run; the first attempt is 1.
    case began(revision: Int, attempt: Int)
    /// It did its work.
    case succeeded(revision: Int)
    /// It failed and is not tried again.
    case failed(revision: Int, ReplicaNumber)
    /// It failed and is tried again at that moment.
    case retrying(ReplicaNumber, until: Instant)
    /// It was told to end before it had done its work; it counts neither as succeeded nor as failed.
    case interrupted(ReplicaNumber)
    /// Nothing runs any more, as asked.
    case stopped
  }

  /// How the last revision that ran to its end did.
  public enum Outcome: Equatable, Codable, Sendable {
    /// It did its work.
    case succeeded(revision: Int)
    /// It failed and is not tried again.
    case failed(revision: Int)
  }

  /// What has to be recorded so that the machine can be restored.
  public struct Saved: Equatable, Codable, Sendable {
    /// The revision that is to be run; nil when none is.
    public internal(set) var wanted: Int?
    /// The run that goes on.
    public internal(set) var running: Running?
    /// How the last one did.
    public internal(set) var outcome: Outcome?
    /// The highest number given to a run.
    public internal(set) var lastNumber = 0
    var attempts = 0
    var crashes: CrashLoop

    /// A run that goes on.
    public struct Running: Equatable, Codable, Sendable {
      /// Its number.
      public var number: ReplicaNumber
      /// The revision it was started from.
      public var revision: Int
      /// When it was started.
      public var startedAt: Instant
    }
  }

  /// Its bounds; may be changed with a new revision.
  public var bounds: JobBounds
  /// What has to be recorded.
  public private(set) var saved: Saved
  private var isEnding = false
  private var armed: Instant?
  private var actions: [Action] = []

  /// A job that never ran. Jobs with different seeds pause for different times when they fail together.
  public init(_ bounds: JobBounds, seed: UInt64 = 0) {
    self.bounds = bounds
    saved = Saved(crashes: CrashLoop(seed: seed))
  }

  /// The job as it was when `saved` was recorded. It begins nothing before the next event: `.ended` if its run ended meanwhile, then `.clock`.
  public init(_ bounds: JobBounds, restoring saved: Saved, at now: Instant) {
    self.bounds = bounds
    self.saved = saved
    self.saved.crashes.clamp(to: now, bounds: bounds.backoff)
  }

  /// Whether a process of it runs.
  public var isRunning: Bool { saved.running != nil }
  /// Until when the next attempt waits; nil when none waits.
  public var backingOffUntil: Instant? { saved.wanted == nil ? nil : saved.crashes.until }

  /// Takes in what happened and returns what to do about it.
  public mutating func handle(_ event: Event, at now: Instant) -> [Action] {
    switch event {
    case .run(let revision): if !isEnding, !hasRun(revision) { want(revision) }
    case .runAgain(let revision): if !isEnding { want(revision) }
    case .found(let number, let revision, let startedAt): found(Saved.Running(number: number, revision: revision, startedAt: startedAt))
    case .ended(let number, let ending): ended(number, ending, at: now)
    case .interrupted(let number): interrupted(number)
    case .drain: end { .drain($0) }
    case .stop:
      saved.wanted = nil
      end { .stop($0) }
    case .clock: armed = nil
    }
    startWhatIsDue(at: now)
    let moment = isEnding || isRunning || saved.wanted == nil ? nil : saved.crashes.until
    if moment != armed { actions.append(.arm(moment)) }
    armed = moment
    defer { actions = [] }
    return actions
  }

  private func hasRun(_ revision: Int) -> Bool {
    saved.wanted == revision || saved.outcome == .succeeded(revision: revision) || saved.outcome == .failed(revision: revision)
  }

  private mutating func found(_ run: Saved.Running) {
    saved.lastNumber = max(saved.lastNumber, run.number.value)
    guard saved.running == nil else { return }
    saved.running = run
    want(run.revision)
    saved.attempts = 1
  }

  private mutating func want(_ revision: Int) {
    saved.wanted = revision
    saved.attempts = 0
    saved.crashes.reset()
  }

  private mutating func end(_ action: (ReplicaNumber) -> Action) {
    isEnding = true
    actions.append(saved.running.map { action($0.number) } ?? .note(.stopped))
  }

  private mutating func startWhatIsDue(at now: Instant) {
    guard !isEnding, !isRunning, let revision = saved.wanted else { return }
    if let until = saved.crashes.until {
      guard now >= until else { return }
      saved.crashes.waited()
    }
    saved.lastNumber += 1
    saved.attempts += 1
    let number = ReplicaNumber(saved.lastNumber)
    saved.running = Saved.Running(number: number, revision: revision, startedAt: now)
    actions.append(.note(.began(revision: revision, attempt: saved.attempts)))
    actions.append(.start(number, revision: revision))
  }

  private mutating func ended(_ number: ReplicaNumber, _ ending: Ending, at now: Instant) {
    guard let run = saved.running, run.number == number else { return }
    saved.running = nil
    // A run that was started before another was asked for says nothing of that one.
    let isCurrent = saved.wanted == run.revision && saved.attempts > 0
    if ending == .done {
      saved.outcome = .succeeded(revision: run.revision)
      if isCurrent { saved.wanted = nil }
      actions.append(.note(.succeeded(revision: run.revision)))
    } else if isEnding {
      actions.append(.note(.interrupted(number)))
    } else if isCurrent {
      notDone(run, ending, at: now)
    } else if ending != .lost {
      actions.append(.note(.failed(revision: run.revision, number)))
    }
    if isEnding { actions.append(.note(.stopped)) }
  }

  private mutating func interrupted(_ number: ReplicaNumber) {
    guard saved.running?.number == number else { return }
    saved.running = nil
    saved.attempts = max(0, saved.attempts - 1)
    actions.append(.note(.interrupted(number)))
    if isEnding { actions.append(.note(.stopped)) }
  }

  private mutating func notDone(_ run: Saved.Running, _ ending: Ending, at now: Instant) {
    let isAtOnce = ending == .restart && now - run.startedAt >= bounds.backoff.lowerBound
    if ending == .lost || isAtOnce {
      saved.attempts -= 1
    } else if ending == .refused || bounds.retries.map({ saved.attempts > $0 }) ?? false {
      saved.wanted = nil
      saved.outcome = .failed(revision: run.revision)
      actions.append(.note(.failed(revision: run.revision, run.number)))
    } else {
      let until = saved.crashes.failed(startedAt: run.startedAt, hadServed: false, at: now, bounds: bounds.backoff)
      actions.append(.note(.retrying(run.number, until: until)))
    }
  }
}
