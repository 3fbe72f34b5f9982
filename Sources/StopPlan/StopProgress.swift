/// Where a stop under way stands in its plan.
struct StopProgress: ~Copyable, Sendable {
  /// What the current step is doing.
  enum Stage: Equatable, Sendable {
    /// Nobody has asked for a stop.
    case idle
    /// It has not begun.
    case entering
    /// Its hook runs.
    case hook
    /// It waits, until `wanted` unless the deadlines cut that short, and then goes on with the step `next`.
    case waiting(wanted: Instant, next: Int)
    /// Somebody escalated to the KILL of step `next`; who was told last still has until then.
    case escalated(until: Instant, next: Int)
    /// It asks who is there, for the `round`th time.
    /// A look that finds nobody new is repeated once, `isConfirming`: an orphan may have moved to us while it was taken.
    case observing(round: Int, isConfirming: Bool)
    /// KILL was sent to everything; what it leaves is waited for until then, and looked for again at `nextLook`.
    case killing(until: Instant, nextLook: Instant)
  }

  /// The plan under way; before that, the plan to be.
  var plan: StopPlan
  private(set) var deadline = Instant.never
  var index = 0
  var stage = Stage.idle
  var firstSignalAt: Instant?
  /// The last moment at which somebody was told for the first time; whoever escalates leaves that one its floor.
  var lastTold: Instant?
  var told = ToldProcesses()
  /// The signals that everything there was has had at once.
  var everyoneHad: SignalSet = []
  /// How often it was looked since KILL.
  var killLooks = 0
  var mainCannotAct = false
  var groupEmpty = false
  var hookEnded = false
  /// Only who was born up to this pid, before the first look of the step, is told: what a process starts after it was told is its own
  /// clean-up.
  var bornUpTo: Int32 = 0
  /// See `Observation.toldUpTo`.
  var toldUpTo: Int32 = 0
  /// When `observing` takes its next look; `never` while one is being taken.
  var lookAt = Instant.never
  /// Whether somebody escalated while it was looked who is there.
  var escalatesNext = false
  /// See `Observation.toldGroup`.
  var toldGroup: Int32 = -1
  private var requests = SeenIDs()

  init(plan: StopPlan) { self.plan = plan }

  mutating func begin(deadline: Instant) {
    self.deadline = deadline
    stage = .entering
    if plan.grace == .zero { skipToKill() }
  }

  /// Whether a stop was asked for.
  var isUnderWay: Bool {
    if case .idle = stage { false } else { true }
  }

  /// The index of the KILL at the end: the plan's own, or one that is added behind a wait for the whole tree. Where only the main
  /// process has to go, its own may spare the rest.
  @inline(never)
  var killIndex: Int {
    if case .send(.kill, let scope)? = plan.steps.last, plan.until == .main || scope == .tree || scope == .rest {
      return plan.steps.count - 1
    }
    return plan.steps.count + 1
  }

  /// The step with that index, the added ones included.
  func step(_ index: Int) -> StopPlan.Step {
    if index < plan.steps.count { return plan.steps[index] }
    return index == plan.steps.count ? .wait(.longest, ifUseful: false) : .send(.kill, .tree)
  }

  /// What the step with that index sends, or nil when it does something else.
  @inline(never)
  func sent(_ index: Int) -> (signal: Signal, scope: StopPlan.Scope)? {
    if case .send(let signal, let scope) = step(index) { (signal, scope) } else { nil }
  }

  /// The latest moment for KILL: the deadline, or a floor after the first signal when hooks ate the grace.
  @inline(never)
  var killBound: Instant {
    guard let firstSignalAt else { return deadline }
    return max(deadline, firstSignalAt + plan.floor)
  }

  /// The moment by which the current step's wait must be over. Signals that are still to be sent are brought forward so that
  /// everyone is told a floor before KILL; hooks and pauses leave the reserve.
  @inline(never)
  mutating func cut() -> Instant {
    switch step(index) {
    case .hook, .pause: deadline - plan.reserve
    case .send, .wait: hasGentleSendAhead ? killBound - plan.floor : killBound
    }
  }

  var isKilling: Bool {
    if case .killing = stage { true } else { false }
  }

  /// The scope of the last `send` before the current step; nil while nothing was sent, as during a pause.
  @inline(never)
  var scopeBefore: StopPlan.Scope? {
    if index == plan.steps.count { return .tree }
    var index = index
    while index > 0 {
      index -= 1
      if let sent = sent(index) { return sent.scope }
    }
    return nil
  }

  /// Whether the scope is everybody there is: the tree, or its rest when only the main process was told anything and has ended.
  @inline(never)
  func isEverybody(_ scope: StopPlan.Scope, mainLives: Bool) -> Bool { scope == .tree || scope == .rest && !mainLives && told.count <= 1 }

  private var hasGentleSendAhead: Bool {
    var candidate = index + 1
    while candidate < plan.steps.count {
      if let sent = sent(candidate), sent.signal != .kill { return true }
      candidate += 1
    }
    return false
  }

  /// Whether a request's id is new; remembers it.
  mutating func accept(_ id: UInt64) -> Bool { requests.insert(id) }

  /// Moves the deadline earlier, but leaves a floor to those who were told last or are still to be told.
  /// - Returns: the new deadline, or nil when it is no earlier.
  @inline(never)
  mutating func moveDeadline(to other: Instant, at now: Instant) -> Instant? {
    let earliest = hasGentleSendAhead ? now + plan.floor : max(now, (lastTold ?? now) + plan.floor)
    guard max(other, earliest) < deadline else { return nil }
    deadline = max(other, earliest)
    return deadline
  }

  /// Goes on with the step `next`.
  @inline(never)
  mutating func go(to next: Int) {
    index = next
    stage = .entering
  }

  /// Goes straight to KILL, which nobody has to be told before: the grace is 0.
  mutating func skipToKill() {
    if !isKilling { go(to: killIndex) }
  }

  /// Skips to the next `send`; before KILL it leaves the floor to who was told last.
  /// - Returns: false when there is nothing to skip to.
  mutating func escalate(at now: Instant) -> Bool {
    if isKilling { return false }
    if case .observing = stage {
      escalatesNext = true
      return true
    }
    var next = index + 1
    while next <= killIndex {
      if let sent = sent(next) {
        if sent.signal == .kill, let lastTold {
          stage = .escalated(until: max(now, lastTold + plan.floor), next: next)
        } else {
          go(to: next)
        }
        return true
      }
      next += 1
    }
    return false
  }
}
