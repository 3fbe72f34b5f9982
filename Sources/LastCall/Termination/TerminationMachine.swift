/// Decides everything about a program's stop. It does no I/O and knows no clock: times are lengths since any fixed moment.
///
/// Invariants, asserted by its simulation: a stop begins once and ends once, never past its deadline; the deadline only moves earlier;
/// phases and dependencies keep their order; everyone is told, unless the stop was ended at once; nobody is cut before their
/// budget, or their share of the phase's time, is over; what is repeated changes nothing.
struct TerminationMachine: Sendable {
  struct Settings: Sendable, Equatable {
    var grace: Duration
    /// What is left at most after an escalation, and for an immediate stop.
    var shortened: Duration
    var budgets = PhaseBudgets()
    var stopOn: [Signal: TerminationConfiguration.StopKind] = [:]
    var escalation = TerminationConfiguration.Escalation.terminalInterrupt
    /// How often it is said what is still waited for.
    var progressEvery: Duration = .seconds(1)
  }

  enum Event: Sendable, Equatable {
    case add(Participant)
    /// - Parameter grace: a shorter one than the settings'.
    case begin(StopReason, immediately: Bool, grace: Duration?)
    /// Begins a stop, escalates it or changes nothing, by the settings.
    case signal(StopSignal)
    /// The first shortens, the second ends the stop at once.
    case escalate
    /// A participant has ended; the error, if there was one.
    case ended(Participant.ID, error: String?)
    /// Whether tracked work is under way.
    case work(isEmpty: Bool)
    case clock
  }

  enum Action: Sendable, Equatable {
    case began(StopReason, deadline: Duration)
    case escalatedBy(Signal)
    case entered(TerminationPhase, limit: Duration)
    case left(TerminationPhase)
    /// - Parameter limit: when it is cut at the latest, as things are.
    case tell(Participant.ID, limit: Duration)
    case cut(Participant.ID)
    /// Tell from now on whether there is tracked work.
    case watchWork
    /// The tracked work that is left is no longer waited for.
    case cutWork
    case deadlineMoved(Duration)
    case progress
    case arm(Duration)
    case finish
  }

  struct Entry: Sendable, Equatable {
    var participant: Participant
    var toldAt: Duration?
    /// By its own budget.
    var ownLimit: Duration?
    /// What it could have had, for the report.
    var budget: Duration?
    var endedAt: Duration?
    var outcome: HookOutcome?

    var isAwaited: Bool { toldAt != nil && outcome == nil }
  }

  struct PhaseRecord: Sendable, Equatable {
    var phase: TerminationPhase
    var began: Duration
    var limit: Duration
    var ended: Duration?
    var wasCut = false
  }

  enum Stage: Sendable, Equatable {
    case running
    case stopping
    case finished
  }

  let settings: Settings
  var stage = Stage.running
  var entries: [Entry] = []
  var records: [PhaseRecord] = []
  private(set) var reason: StopReason?
  private(set) var begunAt: Duration = .zero
  var finishedAt: Duration?
  private(set) var deadline: Duration = .zero
  /// From the begin to the first deadline.
  private(set) var grantedGrace: Duration = .zero
  /// 0, 1 when shortened, 2 when ended at once.
  private(set) var escalations = 0
  var workWasCut = false

  var phase = TerminationPhase.notice
  var levels: [[Participant.ID]] = []
  var level = 0
  var phaseLimit: Duration = .zero
  var levelLimit: Duration = .zero
  var levelBegan: Duration = .zero
  var workIsEmpty: Bool?
  var scale: Double = 1
  var nextProgress: Duration = .zero

  init(settings: Settings) {
    var settings = settings
    settings.grace = settings.grace.bounded
    settings.shortened = settings.shortened.bounded
    self.settings = settings
  }

  mutating func handle(_ event: Event, at now: Duration) -> [Action] {
    guard stage != .finished else { return [] }
    var actions: [Action] = []
    switch event {
    case .add(let participant): add(participant, now, &actions)
    case .begin(let reason, let immediately, let grace): begin(reason, immediately, grace, now, &actions)
    case .signal(let signal): take(signal, now, &actions)
    case .escalate: escalate(now, &actions)
    case .ended(let id, let error): ended(id, error, now, &actions)
    case .work(let isEmpty): workIsEmpty = isEmpty
    case .clock: break
    }
    if stage == .stopping { proceed(now, &actions) }
    return actions
  }

  /// Who is waited for now.
  var awaited: [Participant.ID] { entries.indices.filter { entries[$0].isAwaited && entries[$0].participant.awaitedIn <= phase } }

  /// The phase that is under way.
  var currentPhase: TerminationPhase? { stage == .stopping ? phase : nil }

  // MARK: - Events

  private mutating func add(_ participant: Participant, _ now: Duration, _ actions: inout [Action]) {
    entries.append(Entry(participant: participant))
    guard stage == .stopping else { return }
    setScale(now)
    setLimits(now)
    guard participant.toldIn <= phase else { return }
    let id = entries.count - 1
    guard participant.awaitedIn >= phase else {
      entries[id].outcome = .notTold
      return
    }
    // Too late for an order by dependency: it is told now and waited for with those that are told last.
    tell(id, now, &actions)
    if participant.awaitedIn == phase { levels.isEmpty ? levels = [[id]] : levels[levels.count - 1].append(id) }
  }

  private mutating func begin(_ reason: StopReason, _ immediately: Bool, _ grace: Duration?, _ now: Duration, _ actions: inout [Action]) {
    guard stage == .running else {
      if let grace { moveDeadline(to: now + grace.bounded, now, &actions) }
      if immediately, escalations == 0 { escalate(now, &actions) }
      return
    }
    stage = .stopping
    self.reason = reason
    begunAt = now
    deadline = now + min(settings.grace, grace?.bounded ?? settings.grace)
    if immediately {
      escalations = 1
      deadline = min(deadline, now + settings.shortened)
    }
    grantedGrace = deadline - now
    nextProgress = now + settings.progressEvery
    actions.append(.began(reason, deadline: deadline))
    setScale(now)
    enter(.notice, now, &actions)
  }

  private mutating func take(_ received: StopSignal, _ now: Duration, _ actions: inout [Action]) {
    guard stage == .stopping, escalates(received) else {
      return begin(.signal(received.signal), settings.stopOn[received.signal] == .immediate, nil, now, &actions)
    }
    actions.append(.escalatedBy(received.signal))
    escalate(now, &actions)
  }

  private func escalates(_ received: StopSignal) -> Bool {
    switch settings.escalation {
    case .terminalInterrupt: received.signal == .int && received.isFromTerminal
    case .anySignal: true
    case .never: false
    }
  }

  private mutating func escalate(_ now: Duration, _ actions: inout [Action]) {
    guard stage == .stopping else { return }
    escalations += 1
    guard escalations == 1 else { return finish(now, &actions) }
    moveDeadline(to: now + settings.shortened, now, &actions)
    // Nobody waits for routers any more.
    if phase == .propagation { setLimits(now) }
  }

  private mutating func moveDeadline(to moment: Duration, _ now: Duration, _ actions: inout [Action]) {
    guard moment < deadline else { return }
    deadline = moment
    actions.append(.deadlineMoved(moment))
    setScale(now)
    setLimits(now)
  }

  private mutating func ended(_ id: Participant.ID, _ error: String?, _ now: Duration, _ actions: inout [Action]) {
    guard entries.indices.contains(id), entries[id].outcome == nil else { return }
    entries[id].endedAt = now
    entries[id].outcome = error.map { .failed($0) } ?? .succeeded
    guard stage == .running, case .service(let endStops, let failureStops) = entries[id].participant.kind else { return }
    let name = entries[id].participant.name
    if let error, failureStops {
      begin(.serviceFailed(name, error: error), false, nil, now, &actions)
    } else if error == nil, endStops {
      begin(.serviceEnded(name), false, nil, now, &actions)
    }
  }
}
