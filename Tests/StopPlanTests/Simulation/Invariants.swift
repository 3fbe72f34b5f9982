import StopPlan

/// DESIGN's invariants, each checked from what went in and came out, not from the machine's own state.
struct Invariants {
  let plan: StopPlan
  private var violations: [String] = []
  private var beganAt: Instant?
  private var deadline: Instant?
  private var firstSignal: Instant?
  private var firstStepSignal: Instant?
  private var killBegan: Instant?
  private var lastGentle: [(scope: StopPlan.Scope, at: Instant)] = []
  private var stepBegan: [Int: Instant] = [:]
  private var currentStep = -1
  private var toldInStep: Set<String> = []
  private var latest: Set<ProcessIdentity> = []
  private var lookedInStep = -1
  private var untoldAtLook: [ProcessIdentity] = []
  private var escalated = false
  private var immediate = false
  private var expectedForwards: [String] = []
  private var forwards: [String] = []
  private var mainEndedAt: Instant?

  private let rewrite: Rewrite

  init(plan: StopPlan, rewrite: Rewrite) {
    self.plan = plan
    self.rewrite = rewrite
  }

  mutating func takeViolations() -> [String] {
    defer { violations = [] }
    return violations
  }

  mutating func saw(_ event: StopMachine.Event, at now: Instant) {
    switch event {
    case .reaped(let main, _): if main != nil { mainEndedAt = now }
    case .signal(let signal, let value, let fromTerminal):
      let asksForStop = signal == .term || signal == .int
      if mainEndedAt != nil { return }
      if asksForStop, beganAt == nil || fromTerminal { return }
      guard let passed = rewrite.apply(to: signal) else { return }
      expectedForwards.append("\(passed.number) \(String(describing: value))")
    default: break
    }
  }

  mutating func deadline(_ deadline: Instant?) {
    guard let deadline else { return }
    // The bound grows once, from the deadline to a floor after the first signal, when hooks have eaten the grace.
    if let known = self.deadline, deadline > max(known, (firstStepSignal ?? known) + plan.floor) {
      violations.append("deadlineOnlyMovesEarlier: from \(known.nanoseconds) to \(deadline.nanoseconds)")
    }
    self.deadline = deadline
  }

  /// The step's first look at the tree: these are in it and were told nothing so far.
  mutating func looked(at untold: [SimulatedTree.Member]) {
    guard killBegan == nil, lookedInStep != currentStep, case .send(let signal, let scope)? = step(currentStep), signal != .kill,
      scope == .tree || scope == .rest
    else { return }
    lookedInStep = currentStep
    untoldAtLook = untold.map(\.identity)
  }

  /// The step is over: whoever was there at its first look has been told.
  private mutating func checkAllTold() {
    for identity in untoldAtLook where !toldInStep.contains("\(currentStep) \(identity.pid) \(identity.startTime)") {
      violations.append("whoIsThereAtTheFirstLookIsTold: \(identity.pid)")
    }
    untoldAtLook = []
  }

  mutating func observed(_ observation: Observation) { latest = Set(observation.members.map(\.identity)) }

  mutating func forwarded(_ signal: Signal, value: Int?, mainLives: Bool) {
    if !mainLives { violations.append("noSignalIsSentToAProcessThatIsGone: \(signal) forwarded") }
    forwards.append("\(signal.number) \(String(describing: value))")
  }

  mutating func noted(_ note: StopMachine.Note, at now: Instant) {
    switch note {
    case .began:
      if beganAt != nil { violations.append("aStopBeginsOnce") }
      beganAt = now
      if plan.grace == .zero { immediate = true }
    case .step(let index):
      checkAllTold()
      currentStep = index
      stepBegan[index] = now
      if case .send(let signal, let scope)? = step(index) {
        if signal != .kill { lastGentle.append((scope, now)) }
        if firstStepSignal == nil { firstStepSignal = now }
      }
    case .escalated: escalated = true
    case .killing:
      checkAllTold()
      killBegan = now
      checkKillTime(now)
    case .deadlineMoved, .hookOverran, .interrupted, .unkillable: break
    }
  }

  private func step(_ index: Int) -> StopPlan.Step? { index < plan.steps.count ? plan.steps[index] : nil }

  mutating func sent(_ signal: Signal, _ identity: ProcessIdentity, member: SimulatedTree.Member?, at now: Instant) {
    if !latest.contains(identity) { violations.append("noSignalIsSentToAProcessThatIsGone: \(signal) to \(identity.pid)") }
    if signal == .cont || signal == .stop { return }
    if signal == .kill, let member, case .send(.kill, let scope)? = plan.steps.last, plan.until == .main,
      !covers(scope, member, identity.pid == SimulatedTree.mainPid)
    {
      violations.append("killSparesWhomThePlanSpares: \(identity.pid)")
    }
    if let member, member.isCleanUp, member.bornAt == now, signal != .kill, stepBegan.count == 1 {
      violations.append("whatAToldProcessStartsIsLeftAlone: \(identity.pid)")
    }
    if firstSignal == nil { firstSignal = now }
    let key = "\(killBegan == nil ? currentStep : -2) \(identity.pid) \(identity.startTime)"
    if !toldInStep.insert(key).inserted { violations.append("eachProcessIsToldOnceAStep: \(key)") }
  }

  /// KILL comes neither before its time nor later than the bound.
  private mutating func checkKillTime(_ now: Instant) {
    guard let beganAt, !immediate else { return }
    let bound = max(deadline ?? now, firstStepSignal.map { $0 + plan.floor } ?? beganAt)
    if now > bound { violations.append("killIsNotLate: \(now.nanoseconds) after \(bound.nanoseconds)") }
    let writesKill: Bool
    if case .send(.kill, _)? = plan.steps.last { writesKill = true } else { writesKill = false }
    if escalated || now == bound { return }
    if !writesKill {
      violations.append("killIsNotEarly: at \(now.nanoseconds), began \(beganAt.nanoseconds), bound \(bound.nanoseconds)")
    } else if case .wait(let span, let ifUseful)? = plan.steps.dropLast().last, !ifUseful,
      let sentAt = stepBegan[plan.steps.count - 3], now - sentAt < span, !waitedScopeEnded
    {
      violations.append("killIsNotEarly: the wait of \(span) was cut at \((now - sentAt))")
    }
  }

  /// Whether the wait before a written KILL may have ended since its scope was empty.
  private var waitedScopeEnded: Bool {
    guard plan.steps.count >= 3, case .send(_, let scope) = plan.steps[plan.steps.count - 3] else { return true }
    switch scope {
    case .main: return mainEndedAt != nil
    case .group: return true
    case .rest, .tree: return false
    }
  }

  /// Nobody is killed who was not told first, a floor earlier.
  mutating func killed(_ member: SimulatedTree.Member, at now: Instant) {
    guard !immediate else { return }
    let isMain = member.identity.pid == SimulatedTree.mainPid
    guard let telling = lastGentle.last(where: { covers($0.scope, member, isMain) }) else { return }
    // Born while or after everyone was told: too late to be told.
    if member.bornAt >= telling.at || member.toldAt == nil && member.bornAt >= (firstStepSignal ?? telling.at) { return }
    guard let toldAt = member.toldAt else {
      violations.append("nobodyIsKilledUntold: \(member.identity.pid)")
      return
    }
    if isWrittenShort || waitedOutByText { return }
    if now - toldAt < plan.floor { violations.append("theFloorIsKept: \(member.identity.pid) told \((now - toldAt)) before KILL") }
  }

  /// The plan's own text leaves less than the floor, or sends KILL when a narrower scope has emptied.
  private var isWrittenShort: Bool {
    guard case .send(.kill, _)? = plan.steps.last else { return false }
    guard case .wait(let span, let ifUseful)? = plan.steps.dropLast().last else { return true }
    return span < plan.floor || ifUseful
  }

  private var waitedOutByText: Bool {
    guard case .send(.kill, _)? = plan.steps.last else { return false }
    return waitedScopeEnded
  }

  private func covers(_ scope: StopPlan.Scope, _ member: SimulatedTree.Member, _ isMain: Bool) -> Bool {
    switch scope {
    case .main: isMain
    case .group: member.inMainGroup
    case .rest, .tree: true
    }
  }

  mutating func finished(at now: Instant, tree: SimulatedTree) -> [String] {
    if let killBegan, now - killBegan > StopMachine.killBound { violations.append("theWaitAfterKillIsBounded") }
    if let deadline, beganAt != nil, killBegan == nil, now > deadline {
      violations.append("theGraceIsKept: ended \((now - deadline)) late")
    }
    if plan.until == .tree, !tree.isEmpty, killBegan == nil { violations.append("nothingLivesOnByAccident: \(tree.members.count)") }
    return takeViolations()
  }

  mutating func atEnd(machineFinished: Bool, tree: SimulatedTree) -> [String] {
    if beganAt != nil, !machineFinished { violations.append("theStopEnds: nothing more will happen and it is not over") }
    if forwards != expectedForwards { violations.append("noSignalIsLost: \(expectedForwards) came, \(forwards) went on") }
    return takeViolations()
  }
}
