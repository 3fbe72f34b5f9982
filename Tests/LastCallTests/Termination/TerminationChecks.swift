@testable import LastCall

/// The invariants of a stop, checked from what goes in and comes out.
struct TerminationChecks {
  let settings: TerminationMachine.Settings
  private var bound: Duration?
  private var escalations = 0
  private var lastDeadline = Duration.zero
  private var wasMovedOrAdded = false
  private var phase: TerminationPhase?
  private var phaseBegan = Duration.zero
  private var phaseLimit = Duration.zero
  private var told: [Int: Duration] = [:]
  private var over: Set<Int> = []
  private var endedBeforeTold: Set<Int> = []
  private var confirmed: Set<Int> = []
  private var workIsEmpty: Bool?
  private var workWasCut = false
  private var finishes = 0
  private var shares: [TerminationPhase: Duration] = [:]
  private var late: Set<Int> = []
  private var participants: [Participant] = []

  init(settings: TerminationMachine.Settings) { self.settings = settings }

  mutating func sees(_ event: TerminationMachine.Event, _ machine: TerminationMachine, at now: Duration) -> [String] {
    switch event {
    case .add(let participant):
      participants.append(participant)
      if bound != nil {
        wasMovedOrAdded = true
        late.insert(participants.count - 1)
      }
    case .begin(_, let immediately, let grace):
      if let known = bound {
        if let grace { move(to: min(known, now + grace)) }
        if immediately, escalations == 0 { escalate(now) }
      } else {
        begin(now, grace: grace, immediately: immediately)
      }
    case .signal(let received):
      if bound == nil {
        begin(now, grace: nil, immediately: settings.stopOn[received.signal] == .immediate)
      } else if received.signal == .int, received.isFromTerminal {
        escalate(now)
      } else if settings.stopOn[received.signal] == .immediate, escalations == 0 {
        escalate(now)
      }
    case .escalate: if bound != nil { escalate(now) }
    case .ended(let id, let error):
      if told[id] == nil { endedBeforeTold.insert(id) }
      if error == nil, !over.contains(id) { confirmed.insert(id) }
      over.insert(id)
      if bound == nil, case .service(let endStops, let failureStops) = participants[id].kind, error == nil ? endStops : failureStops {
        begin(now, grace: nil, immediately: false)
      }
    case .work(let isEmpty): workIsEmpty = isEmpty
    case .clock: break
    }
    return []
  }

  private mutating func begin(_ now: Duration, grace: Duration?, immediately: Bool) {
    var length = min(settings.grace, grace ?? settings.grace)
    if immediately {
      escalations = 1
      length = min(length, settings.shortened)
    }
    bound = now + length
    // What each phase gets at least: its budget, scaled so that all but the drain have half of the grace together.
    let used = Set(participants.indices.filter { !over.contains($0) }.map { participants[$0].awaitedIn })
    let asked: [TerminationPhase: Duration] = [
      .notice: settings.budgets.notice, .stopAccepting: settings.budgets.stopAccepting, .flush: settings.budgets.flush,
      .close: settings.budgets.close, .exit: settings.budgets.exit,
    ]
    let isPropagationUsed = participants.contains { $0.awaitedIn == .propagation }
    let propagation = settings.budgets.propagation ?? (isPropagationUsed ? .seconds(5) : .zero)
    // Whether or not they are used: a phase may be in use by who tells there.
    let sum = asked.values.reduce(propagation, +)
    let scale = sum > length / 2 ? (length / 2) / sum : 1
    for phase in used { shares[phase] = phase == .drain ? length / 2 : (asked[phase] ?? .zero) * scale }
  }

  private mutating func escalate(_ now: Duration) {
    escalations += 1
    if let bound, escalations == 1 { move(to: min(bound, now + settings.shortened)) }
    wasMovedOrAdded = true
  }

  private mutating func move(to moment: Duration) {
    bound = moment
    wasMovedOrAdded = true
  }

  mutating func sees(_ action: TerminationMachine.Action, _ machine: TerminationMachine, at now: Duration) -> [String] {
    switch action {
    case .entered(let next, let limit): return enters(next, limit, at: now)
    case .left(let left): return leaves(left, at: now)
    case .tell(let id, let limit): return tells(id, limit, at: now)
    case .cut(let id): return cuts(id, at: now)
    case .cutWork: workWasCut = true
    case .began(_, let deadline): lastDeadline = deadline
    case .deadlineMoved(let to):
      defer { lastDeadline = to }
      if to >= lastDeadline { return ["deadlineOnlyMovesEarlier: \(to)"] }
    case .finish:
      finishes += 1
      if let bound, now > bound { return ["neverPastTheDeadline: \(now) after \(bound)"] }
    case .arm(let at): if at < now { return ["timeGoesOn: \(at) is over at \(now)"] }
    case .watchWork, .progress, .escalatedBy: break
    }
    return []
  }

  private mutating func enters(_ next: TerminationPhase, _ limit: Duration, at now: Duration) -> [String] {
    var found: [String] = []
    if next != (phase.map { $0.next } ?? .notice) { found.append("orderKept: \(next) after \(String(describing: phase))") }
    for id in participants.indices where participants[id].awaitedIn < next && told[id] != nil && !over.contains(id) {
      found.append("orderKept: \(next) begins while \(id) of \(participants[id].awaitedIn) is awaited")
    }
    if let bound, limit > max(bound, now) { found.append("neverPastTheDeadline: \(next) until \(limit)") }
    (phase, phaseBegan, phaseLimit) = (next, now, limit)
    return found
  }

  private func leaves(_ left: TerminationPhase, at now: Duration) -> [String] {
    guard escalations == 0, !wasMovedOrAdded else { return [] }
    if left == .propagation, now < phaseLimit {
      let asked = participants.indices.filter { participants[$0].kind == .confirmation && !endedBeforeTold.contains($0) }
      if asked.isEmpty || !asked.allSatisfy(confirmed.contains) { return ["quietIsNoConfirmation: left after \(now - phaseBegan)"] }
    }
    if left == .drain, workIsEmpty != true, !workWasCut { return ["workIsAwaited"] }
    return []
  }

  private mutating func tells(_ id: Int, _ limit: Duration, at now: Duration) -> [String] {
    var found: [String] = []
    if told[id] != nil { found.append("toldOnce: \(id)") }
    told[id] = now
    let participant = participants[id]
    if let phase, phase < participant.toldIn || (phase > participant.toldIn && !late.contains(id)) {
      found.append("orderKept: \(id) told in \(phase)")
    }
    for other in participants.indices where other != id && !late.contains(other) && !late.contains(id) {
      guard participant.awaitedIn != .propagation else { continue }
      let needs = participants[other].dependsOn.contains(participant.name) && !participants[id].dependsOn.contains(participants[other].name)
      guard needs, participants[other].awaitedIn == participant.awaitedIn, participant.toldIn == participant.awaitedIn else { continue }
      if !over.contains(other), !isInCircle(id) { found.append("dependentsFirst: \(id) told before \(other) has ended") }
    }
    return found
  }

  /// Whether the participant's dependencies lead back to it, among those of its phase.
  private func isInCircle(_ id: Int) -> Bool {
    var seen: Set<Int> = []
    var open = [id]
    while let next = open.popLast() {
      for other in participants.indices where participants[other].awaitedIn == participants[id].awaitedIn {
        guard
          participants[next].dependsOn.contains(participants[other].name) || participants[other].dependsOn.contains(participants[next].name)
        else { continue }
        if participants[other].dependsOn.contains(where: { participants[id].name == $0 }), seen.contains(other) { return true }
        if seen.insert(other).inserted { open.append(other) }
      }
    }
    return hasCircle(in: seen.union([id]))
  }

  private func hasCircle(in members: Set<Int>) -> Bool {
    var left = members
    while !left.isEmpty {
      let needed = Set(left.flatMap { participants[$0].dependsOn })
      let free = left.filter { !needed.contains(participants[$0].name) }
      if free.isEmpty { return true }
      left.subtract(free)
    }
    return false
  }

  private mutating func cuts(_ id: Int, at now: Duration) -> [String] {
    defer { over.insert(id) }
    guard escalations < 2, !wasMovedOrAdded, let toldAt = told[id] else { return [] }
    let participant = participants[id]
    let members = participants.filter { $0.awaitedIn == participant.awaitedIn }.count
    let share = (shares[participant.awaitedIn] ?? .zero) / max(members, 1)
    // A microsecond for the rounding of scaled budgets.
    let least = min(participant.budget ?? .seconds(1_000), share) - .microseconds(1)
    return now - toldAt < least ? ["noHookStarved: \(id) had \(now - toldAt) of \(least)"] : []
  }

  func atEnd(_ machine: TerminationMachine, now: Duration) -> [String] {
    var found: [String] = []
    guard bound != nil else { return machine.stage == .running ? [] : ["aStopIsAskedFor"] }
    if finishes != 1 { found.append("oneExit: \(finishes)") }
    if escalations < 2 {
      for id in participants.indices where told[id] == nil && !endedBeforeTold.contains(id) && !late.contains(id) {
        found.append("everyHookTold: \(id)")
      }
    }
    for id in participants.indices where machine.entries[id].outcome == nil { found.append("everyOutcomeKnown: \(id)") }
    return found
  }
}
