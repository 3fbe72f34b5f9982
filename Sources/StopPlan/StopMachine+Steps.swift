/// How the machine goes through the steps of a plan.
extension StopMachine {
  /// Goes on as far as the present moment allows, then arms the clock for the next.
  mutating func advance(at now: Instant) {
    while true {
      if mainStatus != nil, treeEmpty || stop.plan.until == .main { return finish(leftover: !treeEmpty) }
      if !stop.isUnderWay { return }
      if let armed = step(at: now) {
        return act(.arm(armed == .never ? nil : armed))
      }
      if isFinished { return }
    }
  }

  @inline(never)
  private mutating func finish(leftover: Bool) {
    isFinished = true
    act(.arm(nil))
    act(.finish(main: mainStatus, leftover: leftover))
  }

  /// Does what can be done now for the current step.
  /// - Returns: nil when another step was reached, else the moment to wait for (`never` when an event must come first).
  private mutating func step(at now: Instant) -> Instant? {
    switch stop.stage {
    case .idle, .entering:
      enter(at: now)
    case .hook:
      if !stop.hookEnded, mainStatus == nil {
        let limit = stop.cut()
        if now < limit { return limit }
        act(.note(.hookOverran))
      }
      stop.go(to: stop.index + 1)
    case .waiting(let wanted, let next):
      let limit = min(wanted, stop.cut())
      if now < limit, !isScopeEmpty { return limit }
      stop.go(to: next)
    case .escalated(let until, let next):
      let limit = min(until, stop.killBound)
      if now < limit { return limit }
      stop.go(to: next)
    case .observing:
      return .never
    case .killing(let until):
      if now < until { return until }
      act(.note(.unkillable))
      finish(leftover: true)
    }
    return nil
  }

  @inline(never)
  private mutating func enter(at now: Instant) {
    let index = stop.index
    switch stop.step(index) {
    case .hook:
      // A program that ended by itself has nothing left to prepare; Kubernetes runs no preStop hook then either.
      guard mainStatus == nil, now < stop.cut() else { break }
      act(.note(.step(index)))
      act(.runHook(step: index))
      stop.hookEnded = false
      stop.stage = .hook
      return
    case .pause(let span):
      guard mainStatus == nil else { break }
      act(.note(.step(index)))
      stop.stage = .waiting(wanted: now + span, next: index + 1)
      return
    case .send(.kill, let scope) where scope == .tree || scope == .rest || index == stop.killIndex:
      act(.note(.killing))
      stop.stage = .killing(until: now + Self.killBound)
      return killAgain()
    case .send(_, let scope):
      if scope == .main, mainStatus != nil { break }
      if stop.firstSignalAt == nil { stop.firstSignalAt = now }
      act(.note(.step(index)))
      stop.groupEmpty = false
      stop.stage = .observing(round: 1, newestPid: .max, isConfirming: false)
      act(.observe(wholeTree: scope != .main))
      return
    case .wait(let span, let ifUseful):
      if ifUseful, stop.mainCannotAct { break }
      if stop.scopeBefore == .group { act(.watchGroup) }
      stop.stage = .waiting(wanted: now + span, next: index + 1)
      return
    }
    stop.go(to: index + 1)
  }

  /// KILL for what has appeared since the last time.
  @inline(never)
  mutating func killAgain() {
    let scope = stop.sent(stop.index)?.scope
    let isForAll = scope == .tree || scope == .rest
    act(isForAll && isEverythingOurs ? .killEverything : .observe(wholeTree: scope != .main))
  }

  @inline(never)
  private var isScopeEmpty: Bool {
    switch stop.scopeBefore {
    case .main, nil: mainStatus != nil
    case .group: stop.groupEmpty
    case .rest, .tree: treeEmpty
    }
  }

  /// Tells those of the scope who have not been told, and looks again while that finds somebody.
  mutating func observed(_ observation: Observation, at now: Instant) {
    guard let (signal, scope) = stop.sent(stop.index) else { return }
    var round = 0
    var newestPid = Int32.max
    var isConfirming = false
    if case .observing(let current, let newest, let confirms) = stop.stage {
      (round, newestPid, isConfirming) = (current, newest, confirms)
    } else if !stop.isKilling {
      return
    }
    var found = false
    for member in observation.members where member.identity.pid <= newestPid && includes(member, in: scope, signal) {
      guard let isFirst = stop.told.record(member.identity, step: stop.index, signal: signal) else { continue }
      found = true
      if isFirst { stop.lastTold = now }
      act(.send(signal, member.identity))
      if member.isStopped, signal != .kill, signal.defaultAction != .stop { act(.send(.cont, member.identity)) }
    }
    if stop.isKilling {
      if found { killAgain() }
      return
    }
    if round == 1 { stop.mainCannotAct = observation.mainCannotAct }
    if found || !isConfirming, scope != .main, round < Self.observationRounds {
      stop.stage = .observing(round: round + 1, newestPid: min(newestPid, observation.newestPid), isConfirming: !found)
      act(.observe(wholeTree: true))
    } else {
      stop.go(to: stop.index + 1)
    }
  }

  private func includes(_ member: Observation.Member, in scope: StopPlan.Scope, _ signal: Signal) -> Bool {
    switch scope {
    case .main: true
    case .group: member.inMainGroup
    case .rest: !stop.told.hasHad(signal, member.identity)
    case .tree: true
    }
  }
}

extension Instant {
  /// Later than any deadline: an event has to come first.
  public static let never = Instant(nanoseconds: .max)
}
