extension TerminationMachine {
  /// Cuts whose time is over, and goes on to the next level, phase or the end when nobody is waited for.
  mutating func proceed(_ now: Duration, _ actions: inout [Action]) {
    while stage == .stopping {
      cutOverdue(now, &actions)
      if now >= levelLimit { cutLevel(now, &actions) }
      guard isLevelOver(now) else { break }
      if level + 1 < levels.count {
        level += 1
        enterLevel(now, &actions)
      } else {
        leave(now, &actions)
      }
    }
    guard stage == .stopping else { return }
    if now >= nextProgress {
      actions.append(.progress)
      while nextProgress <= now { nextProgress += max(settings.progressEvery, .milliseconds(1)) }
    }
    let own = entries.filter(\.isAwaited).compactMap(\.ownLimit).min() ?? levelLimit
    actions.append(.arm(min(levelLimit, nextProgress, own)))
  }

  mutating func enter(_ next: TerminationPhase, _ now: Duration, _ actions: inout [Action]) {
    phase = next
    level = 0
    levelBegan = now
    let here = entries.indices.filter { entries[$0].participant.awaitedIn == next && entries[$0].outcome == nil }
    // The propagation is one wait for all.
    levels = next == .propagation ? [here] : levels(of: here)
    records.append(PhaseRecord(phase: next, began: now, limit: now))
    setLimits(now)
    actions.append(.entered(next, limit: phaseLimit))
    if next == .drain { actions.append(.watchWork) }
    for id in entries.indices where entries[id].participant.toldIn == next && entries[id].participant.awaitedIn > next {
      tell(id, now, &actions)
    }
    enterLevel(now, &actions)
  }

  private mutating func enterLevel(_ now: Duration, _ actions: inout [Action]) {
    levelBegan = now
    setLevelLimit(now)
    for id in levels.indices.contains(level) ? levels[level] : [] { tell(id, now, &actions) }
  }

  mutating func tell(_ id: Participant.ID, _ now: Duration, _ actions: inout [Action]) {
    guard entries[id].toldAt == nil, entries[id].outcome == nil else { return }
    let isAwaitedHere = entries[id].participant.awaitedIn == phase
    let limit = isAwaitedHere ? levelLimit : deadline
    entries[id].toldAt = now
    entries[id].ownLimit = entries[id].participant.budget.map { now + $0.bounded }
    entries[id].budget = min(limit, entries[id].ownLimit ?? limit) - now
    actions.append(.tell(id, limit: now + (entries[id].budget ?? .zero)))
  }

  private mutating func leave(_ now: Duration, _ actions: inout [Action]) {
    if let last = records.indices.last { records[last].ended = now }
    actions.append(.left(phase))
    guard let next = phase.next else { return finish(now, &actions) }
    enter(next, now, &actions)
  }

  mutating func finish(_ now: Duration, _ actions: inout [Action]) {
    stage = .finished
    finishedAt = now
    // Whatever work there is, is left behind, also where the drain was not reached.
    if !workWasCut, escalations > 1 {
      workWasCut = true
      actions.append(.cutWork)
    }
    if let last = records.indices.last, records[last].ended == nil {
      records[last].ended = now
      records[last].wasCut = true
    }
    for id in entries.indices where entries[id].outcome == nil {
      let wasTold = entries[id].toldAt != nil
      entries[id].outcome = wasTold ? .overran : .notTold
      entries[id].endedAt = now
      if wasTold || entries[id].participant.isService { actions.append(.cut(id)) }
    }
    actions.append(.finish)
  }

  // MARK: - Time

  /// The limits of the phase and of its level, as the deadline is now.
  mutating func setLimits(_ now: Duration) {
    // From the phase's begin: a deadline that is moved again and again must not begin its budget anew.
    let began = records.last?.began ?? now
    phaseLimit = max(now, budgets.limit(of: phase, from: began, deadline: deadline, used: usedPhases, scale: scale))
    if phase == .propagation, escalations > 0 { phaseLimit = now }
    if let last = records.indices.last { records[last].limit = phaseLimit }
    setLevelLimit(now)
  }

  /// For what is left until the deadline. Only when that changes, or who takes part: else each phase would take from the drain what
  /// the one before has left to it.
  mutating func setScale(_ now: Duration) {
    scale = budgets.scale(left: deadline - now, used: usedPhases.filter { $0 >= phase })
  }

  /// Levels that are still to come share what is left of the phase, so that a slow one leaves time for those after it.
  private mutating func setLevelLimit(_ now: Duration) {
    let levelsLeft = max(levels.count - level, 1)
    levelLimit = levelsLeft == 1 ? phaseLimit : max(now, levelBegan + max(phaseLimit - levelBegan, .zero) / levelsLeft)
  }

  private var budgets: PhaseBudgets {
    var budgets = settings.budgets
    let isUsed = entries.contains { $0.participant.awaitedIn == .propagation }
    if budgets.propagation == nil, isUsed { budgets.propagation = PhaseBudgets.standardPropagation }
    return budgets
  }

  /// The phases that need time.
  private var usedPhases: Set<TerminationPhase> {
    var used = Set(entries.filter { $0.outcome == nil }.map(\.participant.awaitedIn))
    used.formUnion([.drain, phase])
    if let propagation = budgets.propagation, propagation > .zero { used.insert(.propagation) }
    return used
  }

  // MARK: - Ends

  /// Who was told in an earlier phase has no order here any more, and is waited for as long as the phase lasts.
  private func levels(of members: [Participant.ID]) -> [[Participant.ID]] {
    var levels = DependencyLevels.of(members.filter { entries[$0].toldAt == nil }.map { ($0, entries[$0].participant) })
    let told = members.filter { entries[$0].toldAt != nil }
    if levels.isEmpty { return [told] }
    levels[levels.count - 1] += told
    return levels
  }

  private func isLevelOver(_ now: Duration) -> Bool {
    let members = levels.indices.contains(level) ? levels[level] : []
    let areEnded = members.allSatisfy { entries[$0].outcome != nil }
    switch phase {
    case .propagation:
      // Quiet proves nothing: only a confirmation by everyone who was asked ends the wait early.
      let asked = members.filter { entries[$0].participant.kind == .confirmation }
      return now >= phaseLimit || areEnded && !asked.isEmpty && asked.allSatisfy { entries[$0].outcome == .succeeded }
    case .drain where level + 1 >= levels.count:
      return areEnded && (workIsEmpty == true || workWasCut)
    default: return areEnded
    }
  }

  private mutating func cutOverdue(_ now: Duration, _ actions: inout [Action]) {
    for id in entries.indices where entries[id].isAwaited {
      if let own = entries[id].ownLimit, now >= own { cut(id, now, &actions) }
    }
  }

  mutating func cutLevel(_ now: Duration, _ actions: inout [Action]) {
    // The work first, so that the report names what a service breaks off because it is cut.
    if phase == .drain, level + 1 >= levels.count, workIsEmpty != true, !workWasCut {
      workWasCut = true
      if let last = records.indices.last { records[last].wasCut = true }
      actions.append(.cutWork)
    }
    for id in levels.indices.contains(level) ? levels[level] : [] where entries[id].outcome == nil { cut(id, now, &actions) }
  }

  private mutating func cut(_ id: Participant.ID, _ now: Duration, _ actions: inout [Action]) {
    let isConfirmation = entries[id].participant.kind == .confirmation
    entries[id].outcome = isConfirmation ? .unconfirmed : .overran
    entries[id].endedAt = now
    if !isConfirmation, let last = records.indices.last { records[last].wasCut = true }
    actions.append(.cut(id))
  }
}

extension Participant {
  var isService: Bool { if case .service = kind { true } else { false } }
}
