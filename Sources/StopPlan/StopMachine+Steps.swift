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
      if now < stop.lookAt { return stop.lookAt }
      stop.lookAt = .never
      act(.observe(wholeTree: stop.sent(stop.index)?.scope != .main))
      return .never
    case .killing(let until, let nextLook):
      if now >= until {
        act(.note(.unkillable))
        finish(leftover: true)
      } else {
        if now < nextLook { return min(until, nextLook) }
        killAgain(until: until, at: now)
      }
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
      return killAgain(until: now + Self.killBound, at: now)
    case .send(_, let scope):
      if scope == .main, mainStatus != nil { break }
      if stop.firstSignalAt == nil { stop.firstSignalAt = now }
      act(.note(.step(index)))
      stop.groupEmpty = false
      stop.lookAt = now
      if stop.isEverybody(scope, mainLives: mainStatus == nil) {
        tellEverything(at: now)
        if isEverythingOurs { break }
        // Who goes at once need not be looked at; but nobody's floor is made shorter by it, also when the deadline moves until then.
        stop.lookAt = max(now, min(now + Self.lookDelay, stop.killBound - stop.plan.floor))
        stop.lastTold = stop.lookAt
      }
      stop.stage = .observing(round: 1, isConfirming: false)
      return
    case .wait(let span, let ifUseful):
      if ifUseful, stop.mainCannotAct { break }
      if stop.scopeBefore == .group { act(.watchGroup) }
      stop.stage = .waiting(wanted: now + span, next: index + 1)
      return
    }
    stop.go(to: index + 1)
  }

  /// Sends the step's signal in one system call, which is faster than any look and misses nobody.
  private mutating func tellEverything(at now: Instant) {
    guard let (signal, scope) = stop.sent(stop.index), scope != .rest || !stop.everyoneHad.contains(signal) else { return }
    act(.signalEverything(signal))
    if signal.defaultAction != .stop { act(.signalEverything(.cont)) }
    stop.lastTold = now
    if isEverythingOurs { stop.everyoneHad.insert(signal) }
  }

  /// KILL for what has appeared since the last time.
  @inline(never)
  private mutating func killAgain(until: Instant, at now: Instant) {
    let scope = stop.sent(stop.index)?.scope
    let isForAll = scope == .tree || scope == .rest
    let isFirst = !stop.isKilling
    stop.stage = .killing(until: until, nextLook: now + (isFirst && !isEverythingOurs ? Self.lookDelay : Self.killInterval))
    if isForAll, isFirst || isEverythingOurs { act(.signalEverything(.kill)) }
    if isForAll ? !isFirst && !isEverythingOurs : true { act(.observe(wholeTree: scope != .main)) }
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
    var isConfirming = false
    if case .observing(let current, let confirms) = stop.stage {
      (round, isConfirming) = (current, confirms)
    } else {
      if stop.isKilling { kill(observation, scope, at: now) }
      return
    }
    if round == 1 {
      stop.bornUpTo = observation.newestPid
      stop.toldUpTo = observation.toldUpTo
      stop.toldGroup = observation.toldGroup
    }
    var found = false
    for member in observation.members where includes(member, of: observation, in: scope, signal) {
      let isOfToldGroup = member.group == stop.toldGroup
      if observation.isBorn(member, after: isOfToldGroup ? stop.toldUpTo : stop.bornUpTo) { continue }
      guard let isFirst = stop.told.record(member.identity, step: stop.index, signal: signal) else { continue }
      found = true
      if isOfToldGroup { continue }
      if isFirst { stop.lastTold = now }
      act(.send(signal, member.identity))
      if member.isStopped, signal.defaultAction != .stop { act(.send(.cont, member.identity)) }
    }
    if round == 1 { stop.mainCannotAct = observation.mainCannotAct }
    if found || !isConfirming, scope != .main, round < Self.observationRounds, now < stop.killBound {
      stop.stage = .observing(round: round + 1, isConfirming: !found)
      stop.lookAt = now
    } else {
      stop.go(to: stop.index)
      if !stop.escalatesNext || !stop.escalate(at: now) { stop.go(to: stop.index + 1) }
      stop.escalatesNext = false
    }
  }

  /// KILLs whom it has not KILLed. What outruns that, forking faster than we look, is stopped first: a stopped process forks no
  /// more, and keeps its place in the limit of processes.
  private mutating func kill(_ observation: Observation, _ scope: StopPlan.Scope, at now: Instant) {
    guard case .killing(let until, _) = stop.stage else { return }
    stop.killLooks += 1
    let isFreezing = stop.killLooks > Self.plainKillLooks && stop.killLooks < Self.observationRounds * 4
    var isAnyoneRunning = false
    if isFreezing {
      for member in observation.members where !member.isStopped && includes(member, of: observation, in: scope, .kill) {
        act(.send(.stop, member.identity))
        isAnyoneRunning = true
      }
    }
    var found = isAnyoneRunning
    if !isAnyoneRunning {
      for member in observation.members where includes(member, of: observation, in: scope, .kill) {
        if stop.told.record(member.identity, step: stop.index, signal: .kill) == nil { continue }
        found = true
        act(.send(.kill, member.identity))
      }
    }
    if found, now < until { act(.observe(wholeTree: scope != .main)) }
  }

  private func includes(_ member: ProcessRecord, of observation: Observation, in scope: StopPlan.Scope, _ signal: Signal) -> Bool {
    switch scope {
    case .main: true
    case .group: member.group == observation.mainGroup
    case .rest: !stop.everyoneHad.contains(signal) && !stop.told.hasHad(signal, member.identity)
    case .tree: true
    }
  }
}

extension Instant {
  /// Later than any deadline: an event has to come first.
  public static let never = Instant(nanoseconds: .max)
}
