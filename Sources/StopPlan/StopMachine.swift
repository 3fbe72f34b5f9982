/// Decides everything about one process tree's end: what is forwarded, when the stop begins, which step comes when, when it is over.
///
/// It never acts: events go in with the time they happened at, actions come out, and a thin shell (the keeper) carries them out.
/// The same events at the same times give the same actions.
public struct StopMachine: Sendable {
  /// What can happen.
  public enum Event: Equatable, Sendable {
    /// Someone asks for the stop.
    case stop(StopRequest)
    /// Someone asks to skip to the next `send`; the same id again changes nothing.
    case escalate(id: UInt64)
    /// A signal came to the keeper. `value` is what sigqueue(3) attached; `fromTerminal` that the terminal sent it, not a process.
    case signal(Signal, value: Int?, fromTerminal: Bool)
    /// Children were reaped: `main` is the main process's status if it was among them, `treeEmpty` that no child is left (ECHILD).
    case reaped(main: ExitStatus?, treeEmpty: Bool)
    /// The answer to `.observe`.
    case observed(Observation)
    /// The answer to `.watchGroup`: nothing is left in the main process's group.
    case groupEmpty
    /// The hook's own process has ended.
    case hookEnded
    /// Time has passed; comes at the armed moment, and may come at any other.
    case clock
  }

  /// What is to be done, in this order; an event that answers one of them is given only after the whole list was carried out.
  public enum Action: Equatable, Sendable {
    /// Look at the tree (or only at the main process) and answer with `.observed`.
    case observe(wholeTree: Bool)
    /// Send a step's signal to a process, unless that process is gone.
    case send(Signal, ProcessIdentity)
    /// Pass on a signal that came, with its value.
    case forward(Signal, value: Int?, StopPlan.Scope)
    /// Send KILL to everything there is but ourselves: `kill(-1)`, asked for only where that is the tree.
    case killEverything
    /// Start the hook's command.
    case runHook([[UInt8]])
    /// Answer with `.groupEmpty` once no member of the main process's group lives.
    case watchGroup
    /// Send `.clock` at this moment; nil takes the last one back.
    case arm(Instant?)
    /// Tell who listens.
    case note(Note)
    /// It is over. `main` is nil when the main process could not be killed; `leftover` that something lives on.
    case finish(main: ExitStatus?, leftover: Bool)
  }

  /// What is worth telling a person about a stop.
  public enum Note: Equatable, Sendable {
    /// The stop has begun and will be over by the deadline.
    case began(Cause, deadline: Instant)
    /// The deadline was moved earlier.
    case deadlineMoved(Instant)
    /// The step with this index of the plan has begun.
    case step(Int)
    /// The hook had not ended when its time was up; it is ended with the tree.
    case hookOverran
    /// A request skipped to the next signal.
    case escalated
    /// What is left is killed now.
    case killing
    /// What KILL did not end within the bound is not waited for.
    case unkillable
  }

  /// Why a stop began.
  public enum Cause: Equatable, Sendable {
    /// A request with that id.
    case request(UInt64)
    /// A signal.
    case signal(Signal)
    /// The main process ended by itself.
    case mainEnded
  }

  /// What is fixed at the start.
  public struct Settings: Equatable, Sendable {
    /// The plan of a stop that brings none of its own.
    public var plan: StopPlan
    /// The signals that ask for the stop; all others are forwarded.
    public var stopOn: [Signal]
    /// What becomes of signals before they are forwarded.
    public var rewrite: Rewrite
    /// Who gets forwarded signals.
    public var forwardScope: StopPlan.Scope
    /// Whether `kill(-1)` reaches the tree and nothing else, as for PID 1.
    public var isEverythingOurs: Bool

    /// The settings of a keeper.
    public init(
      plan: StopPlan, stopOn: [Signal] = [.term, .int], rewrite: Rewrite = Rewrite(), forwardScope: StopPlan.Scope = .main,
      isEverythingOurs: Bool = false
    ) {
      self.plan = plan
      self.stopOn = stopOn
      self.rewrite = rewrite
      self.forwardScope = forwardScope
      self.isEverythingOurs = isEverythingOurs
    }
  }

  /// How long killed processes are waited for; one that cannot die (state D) is then reported instead.
  public static let killBound = TimeSpan.seconds(5)
  /// How often a look at the tree is repeated for one gentle step while it finds somebody new.
  static let observationRounds = 16

  let settings: Settings
  var mainStatus: ExitStatus?
  var treeEmpty = false
  var stop: StopProgress?
  var isFinished = false
  private var escalations = SeenIDs()
  var actions: [Action] = []

  /// A machine for a tree whose main process has just been started.
  public init(_ settings: Settings) { self.settings = settings }

  /// The moment by which the stop under way must be over, or nil when none is.
  public var deadline: Instant? { stop?.killBound }

  /// Takes in what happened and returns what to do about it. After `.finish` nothing more is done.
  public mutating func handle(_ event: Event, at now: Instant) -> [Action] {
    guard !isFinished else { return [] }
    switch event {
    case .stop(let request): requested(request, at: now)
    case .escalate(let id): escalate(id: id, at: now)
    case .signal(let signal, let value, let fromTerminal): received(signal, value: value, fromTerminal: fromTerminal, at: now)
    case .reaped(let main, let empty): reaped(main: main, treeEmpty: empty, at: now)
    case .observed(let observation): observed(observation, at: now)
    case .groupEmpty: stop?.groupEmpty = true
    case .hookEnded: stop?.hookEnded = true
    case .clock: break
    }
    advance(at: now)
    defer { actions = [] }
    return actions
  }

  private mutating func received(_ signal: Signal, value: Int?, fromTerminal: Bool, at now: Instant) {
    guard let passed = settings.rewrite.apply(to: signal) else { return }
    if settings.stopOn.contains(signal) {
      if stop == nil {
        begin(.signal(signal), plan: settings.plan.passing(on: passed), deadline: nil, at: now)
        return
      }
      if fromTerminal {
        escalate(id: nil, at: now)
        return
      }
    }
    if mainStatus == nil { actions.append(.forward(passed, value: value, stop == nil ? settings.forwardScope : .main)) }
  }

  private mutating func requested(_ request: StopRequest, at now: Instant) {
    if stop == nil {
      let plan = request.plan ?? settings.plan
      begin(.request(request.id), plan: plan, deadline: request.deadline, at: now)
    } else if stop?.accept(request.id) == true, let deadline = request.deadline ?? request.plan.map({ now + $0.grace }) {
      if let moved = stop?.moveDeadline(to: deadline, at: now) { actions.append(.note(.deadlineMoved(moved))) }
      if request.plan?.grace == .zero { stop?.skipToKill() }
    }
  }

  private mutating func begin(_ cause: Cause, plan: StopPlan, deadline: Instant?, at now: Instant) {
    var progress = StopProgress(plan: plan, deadline: deadline ?? now + plan.grace)
    if case .request(let id) = cause { _ = progress.accept(id) }
    if plan.grace == .zero { progress.skipToKill() }
    stop = progress
    actions.append(.note(.began(cause, deadline: progress.deadline)))
  }

  private mutating func escalate(id: UInt64?, at now: Instant) {
    if let id, !escalations.insert(id) { return }
    guard stop?.escalate(at: now) == true else { return }
    actions.append(.note(.escalated))
  }

  private mutating func reaped(main: ExitStatus?, treeEmpty empty: Bool, at now: Instant) {
    treeEmpty = empty
    if let main, mainStatus == nil {
      mainStatus = main
      if stop == nil, !empty, settings.plan.until == .tree {
        begin(.mainEnded, plan: settings.plan, deadline: nil, at: now)
      }
    }
    if !empty, stop?.isKilling == true { killAgain() }
  }
}
