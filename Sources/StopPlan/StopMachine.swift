/// Decides everything about one process tree's end: what is forwarded, when the stop begins, which step comes when, when it is over.
///
/// It never acts: events go in with the time they happened at, actions come out, and a thin shell (the keeper) carries them out.
/// The same events at the same times give the same actions. One tree has one machine: it is not copied.
public struct StopMachine: ~Copyable, Sendable {
  /// What can happen.
  public enum Event: Equatable, Sendable {
    /// Someone asks for the stop.
    case stop(StopRequest)
    /// Someone asks to skip to the next `send`; the same id again changes nothing.
    case escalate(id: UInt64)
    /// A signal came to the keeper. `value` is what sigqueue(3) attached; `fromTerminal` that the terminal sent it, not a process.
    case signal(Signal, value: Int?, fromTerminal: Bool)
    /// The terminal gave its foreground, which is the main process's group and not ours, a Ctrl-C.
    case interrupted
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
    /// Send a signal to all of the tree that can be reached at once: everything there is but ourselves (`kill(-1)`) where
    /// `isEverythingOurs`; else the main process's group, as long as its number is surely still that, and for KILL a cgroup. What
    /// comes of it says `Observation.groupToldUpTo`.
    case signalEverything(Signal)
    /// Start the command of the hook that is the step with this index; `command(ofStep:)` has it.
    case runHook(step: Int)
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
    /// A Ctrl-C went to the program; one more soon begins the stop.
    case interrupted
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
    public var stopOn: SignalSet
    /// What becomes of signals before they are forwarded.
    public var rewrite: Rewrite
    /// Who gets forwarded signals.
    public var forwardScope: StopPlan.Scope
    /// Whether `kill(-1)` reaches the tree and nothing else, as for PID 1.
    public var isEverythingOurs: Bool
    /// The settings of a keeper.
    public init(
      plan: StopPlan, stopOn: SignalSet = [.term, .int], rewrite: Rewrite = Rewrite(), forwardScope: StopPlan.Scope = .main,
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
  /// How soon after another a Ctrl-C that the program got by itself begins the stop.
  public static let interruptSpan = TimeSpan.seconds(2)
  /// How long those who were told at once have to go before it is looked who is still there.
  static let lookDelay = TimeSpan.milliseconds(20)
  /// How long after KILL it is looked whether something is left or has appeared that had none.
  static let killInterval = TimeSpan.milliseconds(50)
  /// How often a look at the tree is repeated for one gentle step while it finds somebody new.
  static let observationRounds = 16
  /// How many looks after KILL may find somebody new before what is there is stopped first.
  static let plainKillLooks = 3

  let stopOn: SignalSet
  let rewrite: Rewrite
  let forwardScope: StopPlan.Scope
  /// Whether `.signalEverything` reaches everybody.
  public let isEverythingOurs: Bool
  var mainStatus: ExitStatus?
  var treeEmpty = false
  var isFinished = false
  var actions: [Action] = []
  // Last, here and in what holds this: an offset below 128 takes one byte in every instruction that has it.
  var stop: StopProgress
  /// Whether the stop under way has come to its first signal.
  public var hasSignalled: Bool { stop.firstSignalAt != nil }
  private var lastInterrupt = Instant(nanoseconds: -.max / 2)
  private var escalations = SeenIDs()

  /// A machine for a tree whose main process has just been started.
  public init(_ settings: Settings) {
    stopOn = settings.stopOn
    rewrite = settings.rewrite
    forwardScope = settings.forwardScope
    isEverythingOurs = settings.isEverythingOurs
    stop = StopProgress(plan: settings.plan)
  }

  /// The stop was announced: when it begins it has this grace, and its pause takes that long (nil: as long as it is written). Nothing
  /// when it is under way.
  public mutating func announce(grace: TimeSpan, pause: TimeSpan?) {
    if !stop.isUnderWay { stop.plan.fit(grace: grace, pause: pause) }
  }

  /// The main process has been started again, after `.finish`.
  public mutating func restart() {
    mainStatus = nil
    treeEmpty = false
    isFinished = false
    stop = StopProgress(plan: stop.plan)
  }

  /// The moment by which the stop under way must be over, or nil when none is.
  public var deadline: Instant? { stop.isUnderWay && !isFinished ? stop.killBound : nil }

  /// When a look has to be over, whomever it has found by then: KILL waits for none.
  public var lookBound: Instant { stop.isKilling ? .never : stop.killBound }

  /// The signal that the plan tells the main process to stop with.
  public var stopSignal: Signal {
    for index in stop.plan.steps.indices {
      if let sent = stop.sent(index), sent.scope == .main { return sent.signal }
    }
    return .term
  }

  /// The command of a hook of the plan under way.
  public func command(ofStep index: Int) -> [[UInt8]] {
    if case .hook(let words) = stop.step(index) { words } else { [] }
  }

  /// Takes in what happened and returns what to do about it. After `.finish` nothing more is done.
  @inline(never)
  public mutating func handle(_ event: Event, at now: Instant) -> [Action] {
    guard !isFinished else { return [] }
    switch event {
    case .stop(let request): requested(request, at: now)
    case .escalate(let id): if escalations.insert(id) { escalate(at: now) }
    case .signal(let signal, let value, let fromTerminal): received(signal, value: value, fromTerminal: fromTerminal, at: now)
    case .interrupted: interrupted(at: now)
    case .reaped(let main, let empty): reaped(main: main, treeEmpty: empty, at: now)
    case .observed(let observation): observed(observation, at: now)
    case .groupEmpty: stop.groupEmpty = true
    case .hookEnded: stop.hookEnded = true
    case .clock: break
    }
    advance(at: now)
    defer { actions = [] }
    return actions
  }

  @inline(never)
  private mutating func received(_ signal: Signal, value: Int?, fromTerminal: Bool, at now: Instant) {
    guard let passed = rewrite.apply(to: signal) else { return }
    if stopOn.contains(signal) {
      if !stop.isUnderWay {
        stop.plan.pass(on: passed)
        return begin(.signal(signal), deadline: now + stop.plan.grace)
      }
      if fromTerminal { return escalate(at: now) }
    }
    if mainStatus == nil { act(.forward(passed, value: value, stop.isUnderWay ? .main : forwardScope)) }
  }

  /// The program has had the signal and may go on by right, as a shell does; who presses twice means the whole. Then each skips a signal.
  private mutating func interrupted(at now: Instant) {
    guard stopOn.contains(.int) else { return }
    if stop.isUnderWay { return escalate(at: now) }
    if now - lastInterrupt <= Self.interruptSpan { return begin(.signal(.int), deadline: now + stop.plan.grace) }
    lastInterrupt = now
    act(.note(.interrupted))
  }

  private mutating func requested(_ request: StopRequest, at now: Instant) {
    let asked = request.deadline ?? request.plan.map { now + $0.grace }
    if !stop.isUnderWay {
      if let plan = request.plan { stop.plan = plan }
      begin(.request(request.id), deadline: asked ?? now + stop.plan.grace)
      _ = stop.accept(request.id)
    } else if stop.accept(request.id), let asked {
      if let moved = stop.moveDeadline(to: asked, at: now) { act(.note(.deadlineMoved(moved))) }
      if request.plan?.grace == .zero { stop.skipToKill() }
    }
  }

  @inline(never)
  private mutating func begin(_ cause: Cause, deadline: Instant) {
    stop.begin(deadline: deadline)
    act(.note(.began(cause, deadline: deadline)))
  }

  @inline(never)
  private mutating func escalate(at now: Instant) {
    if stop.isUnderWay, stop.escalate(at: now) { act(.note(.escalated)) }
  }

  private mutating func reaped(main: ExitStatus?, treeEmpty empty: Bool, at now: Instant) {
    treeEmpty = empty
    if main != nil, mainStatus == nil {
      mainStatus = main
      if !stop.isUnderWay, !empty, stop.plan.until == .tree { begin(.mainEnded, deadline: now + stop.plan.grace) }
    }
  }

  /// Adds to what is to be done.
  @inline(never)
  mutating func act(_ action: Action) { actions.append(action) }
}
