/// How the machine goes through the steps of a plan.
extension StopMachine {
  /// Goes on as far as the present moment allows, then arms the clock for the next.
  mutating func advance(at now: Instant) {
    var armed: Instant?
    while !isFinished {
      guard let stop else {
        if mainStatus != nil, treeEmpty || settings.plan.until == .main { finish(leftover: !treeEmpty) }
        break
      }
      if mainStatus != nil, treeEmpty || stop.until == .main {
        finish(leftover: !treeEmpty)
        break
      }
      if let wait = step(stop, at: now) {
        armed = wait
        break
      }
    }
    if isFinished || stop == nil { return }
    actions.append(.arm(armed == .some(.never) ? nil : armed))
  }

  private mutating func finish(leftover: Bool) {
    isFinished = true
    actions.append(.arm(nil))
    actions.append(.finish(main: mainStatus, leftover: leftover))
  }

  /// Does what can be done now for the current step.
  /// - Returns: nil when another step was reached, else the moment to wait for (`never` when an event must come first).
  private mutating func step(_ progress: StopProgress, at now: Instant) -> Instant? {
    switch progress.stage {
    case .entering:
      enter(progress, at: now)
      return nil
    case .hook:
      if progress.hookEnded || mainStatus != nil {
        stop?.go(to: progress.index + 1)
        return nil
      }
      if now < progress.cut { return progress.cut }
      actions.append(.note(.hookOverran))
      stop?.go(to: progress.index + 1)
      return nil
    case .waiting(let wanted, let next):
      let limit = min(wanted, progress.cut)
      if now < limit, !isScopeEmpty(progress) { return limit }
      stop?.go(to: next)
      return nil
    case .escalated(let until, let next):
      let limit = min(until, progress.killBound)
      if now < limit { return limit }
      stop?.go(to: next)
      return nil
    case .observing:
      return .never
    case .killing(let until):
      if now < until { return until }
      actions.append(.note(.unkillable))
      finish(leftover: true)
      return nil
    }
  }

  private mutating func enter(_ progress: StopProgress, at now: Instant) {
    let index = progress.index
    switch progress.steps[index] {
    case .hook(let words):
      // A program that ended by itself has nothing left to prepare; Kubernetes runs no preStop hook then either.
      guard mainStatus == nil, now < progress.cut else { return pass(index) }
      actions.append(.note(.step(index)))
      actions.append(.runHook(words))
      stop?.hookEnded = false
      stop?.stage = .hook
    case .pause(let span):
      guard mainStatus == nil else { return pass(index) }
      actions.append(.note(.step(index)))
      stop?.stage = .waiting(wanted: now + span, next: index + 1)
    case .send(.kill, .tree), .send(.kill, .rest):
      enterKill(at: now)
    case .send(_, let scope):
      if scope == .main, mainStatus != nil { return pass(index) }
      if stop?.firstSignalAt == nil { stop?.firstSignalAt = now }
      actions.append(.note(.step(index)))
      stop?.groupEmpty = false
      stop?.stage = .observing(round: 1, newestPid: .max)
      actions.append(.observe(wholeTree: scope != .main))
    case .wait(let span, let ifUseful):
      if ifUseful, progress.mainCannotAct { return pass(index) }
      if scopeBefore(progress) == .group { actions.append(.watchGroup) }
      stop?.stage = .waiting(wanted: now + span, next: index + 1)
    }
  }

  private mutating func pass(_ index: Int) { stop?.go(to: index + 1) }

  private mutating func enterKill(at now: Instant) {
    actions.append(.note(.killing))
    stop?.stage = .killing(until: now + Self.killBound)
    killAgain()
  }

  /// KILL for what has appeared since the last time.
  mutating func killAgain() {
    actions.append(settings.isEverythingOurs ? .killEverything : .observe(wholeTree: true))
  }

  /// The scope of the last `send` before the current step; nil while nothing was sent, as during a pause.
  private func scopeBefore(_ progress: StopProgress) -> StopPlan.Scope? {
    if progress.index == progress.addedWait { return .tree }
    var index = progress.index
    while index > 0 {
      index -= 1
      if case .send(_, let scope) = progress.steps[index] { return scope }
    }
    return nil
  }

  private func isScopeEmpty(_ progress: StopProgress) -> Bool {
    switch scopeBefore(progress) {
    case .main, nil: return mainStatus != nil
    case .group: return progress.groupEmpty
    case .rest, .tree: return treeEmpty
    }
  }

  /// Tells those of the scope who have not been told, and looks again while that finds somebody.
  mutating func observed(_ observation: Observation, at now: Instant) {
    guard let progress = stop, progress.index < progress.steps.count,
      case .send(let signal, let scope) = progress.steps[progress.index]
    else { return }
    let round: Int
    let newestPid: Int32
    switch progress.stage {
    case .observing(let current, let newest): (round, newestPid) = (current, newest)
    case .killing: (round, newestPid) = (0, .max)
    default: return
    }
    var found = false
    for member in observation.members where member.identity.pid <= newestPid && includes(member, in: scope, signal) {
      guard let first = stop?.told.record(member.identity, step: progress.index, signal: signal) else { continue }
      found = true
      if first { stop?.lastTold = now }
      actions.append(.send(signal, member.identity))
      if member.isStopped, signal != .kill, signal.defaultAction != .stop { actions.append(.send(.cont, member.identity)) }
    }
    if progress.isKilling {
      if found { killAgain() }
      return
    }
    if round == 1 { stop?.mainCannotAct = observation.mainCannotAct }
    if found, scope != .main, round < Self.observationRounds {
      stop?.stage = .observing(round: round + 1, newestPid: min(newestPid, observation.newestPid))
      actions.append(.observe(wholeTree: true))
    } else {
      stop?.go(to: progress.index + 1)
    }
  }

  private func includes(_ member: Observation.Member, in scope: StopPlan.Scope, _ signal: Signal) -> Bool {
    switch scope {
    case .main: true
    case .group: member.inMainGroup
    case .rest: stop?.told.hasHad(signal, member.identity) == false
    case .tree: true
    }
  }
}

extension Instant {
  /// Later than any deadline: an event has to come first.
  static let never = Instant(nanoseconds: .max)
}
