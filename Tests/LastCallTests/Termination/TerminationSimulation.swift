import Seeded

@testable import LastCall

/// One random stop: participants that end early, late, never or with an error, work that comes and goes, requests that repeat.
struct TerminationSimulation {
  var random: SeededRandom
  /// Apart, so that a run with repeats is the same run otherwise.
  var repeats: SeededRandom
  let settings: TerminationMachine.Settings
  var machine: TerminationMachine
  var checks: TerminationChecks
  var queue: [(at: Duration, order: Int, event: TerminationMachine.Event)] = []
  var order = 0
  var now = Duration.zero
  var armed: Duration?
  var trace: [String] = []
  var violations: [String] = []
  /// How long each participant takes once it is told; nil for ever. Then once it is cut.
  var takes: [Duration?] = []

  init(seed: UInt64, withRepeats: Bool) {
    random = SeededRandom(seed: seed)
    repeats = SeededRandom(seed: seed ^ 0xABCD)
    var budgets = PhaseBudgets()
    if random.chance(40) { budgets.propagation = .milliseconds(random.int(0...6_000)) }
    if random.chance(30) { budgets.flush = .milliseconds(random.int(0...20_000)) }
    settings = TerminationMachine.Settings(
      grace: random.chance(5) ? .zero : .milliseconds(random.int(1...30_000)), shortened: .milliseconds(random.int(0...4_000)),
      budgets: budgets, stopOn: [.term: .graceful, .int: .graceful, .hup: .immediate], progressEvery: .seconds(1))
    machine = TerminationMachine(settings: settings)
    checks = TerminationChecks(settings: settings)
    for _ in 0..<random.int(0...8) { feed(.add(participant())) }
    scheduleRequests(withRepeats)
  }

  private mutating func participant() -> Participant {
    let names = ["a", "b", "c", "d", "e"]
    let awaited = TerminationPhase(rawValue: random.int(0...6)) ?? .drain
    let told = random.chance(25) ? TerminationPhase(rawValue: random.int(0...awaited.rawValue)) ?? awaited : awaited
    var participant = Participant(
      name: names[random.int(0...4)], kind: .hook, toldIn: told, awaitedIn: awaited,
      budget: random.chance(30) ? .milliseconds(random.int(0...8_000)) : nil)
    if random.chance(30) { participant.dependsOn = [names[random.int(0...4)]] }
    if random.chance(25) {
      participant.kind = .service(endStops: random.chance(50), failureStops: random.chance(80))
    } else if random.chance(10) {
      (participant.kind, participant.toldIn, participant.awaitedIn) = (.confirmation, .propagation, .propagation)
    }
    takes.append(random.chance(15) ? nil : .milliseconds(random.int(0...random.int(1...9_000))))
    return participant
  }

  private mutating func scheduleRequests(_ withRepeats: Bool) {
    let graces: [Duration?] = [nil, nil, nil, .milliseconds(random.int(0...20_000))]
    let begin = TerminationMachine.Event.begin(.requested("test"), immediately: random.chance(10), grace: graces[random.int(0...3)])
    let at = random.int(0...3_000)
    schedule(begin, at: .milliseconds(at))
    if withRepeats {
      for _ in 0..<repeats.int(1...3) {
        schedule(
          repeats.chance(50) ? .signal(StopSignal(.term)) : .signal(StopSignal(.int)), at: .milliseconds(at + repeats.int(1...20_000)))
      }
    }
    for (chance, latest) in [(15, 15_000), (8, 20_000)] where random.chance(chance) {
      schedule(.escalate, at: .milliseconds(random.int(0...latest)))
    }
    if random.chance(8) { schedule(.signal(StopSignal(.int, isFromTerminal: true)), after: 15_000) }
    if random.chance(5) { schedule(.signal(StopSignal(.hup)), after: 15_000) }
    if random.chance(10) {
      schedule(
        .begin(.requested("later"), immediately: random.chance(50), grace: .milliseconds(random.int(0...9_000))), after: 9_000)
    }
    for _ in 0..<random.int(0...2) where random.chance(30) { schedule(.add(participant()), after: 12_000) }
    for id in machine.entries.indices where random.chance(15) && machine.entries[id].participant.isService {
      schedule(.ended(id, error: random.chance(50) ? "broken" : nil), after: 4_000)
    }
  }

  private mutating func schedule(_ event: TerminationMachine.Event, after most: Int) {
    schedule(event, at: now + .milliseconds(random.int(0...most)))
  }

  private mutating func schedule(_ event: TerminationMachine.Event, at moment: Duration) {
    order += 1
    queue.append((moment, order, event))
  }

  mutating func run() {
    var steps = 0
    while machine.stage != .finished {
      steps += 1
      guard steps < 5_000 else { return violations.append("theStopEnds: no end after 5000 events") }
      let next = queue.indices.min { (queue[$0].at, queue[$0].order) < (queue[$1].at, queue[$1].order) }
      if let armed, next.map({ armed <= queue[$0].at }) ?? true {
        now = max(now, armed)
        self.armed = nil
        feed(.clock)
      } else if let next {
        let entry = queue.remove(at: next)
        now = max(now, entry.at)
        feed(entry.event)
      } else {
        break
      }
    }
    for event in [TerminationMachine.Event.clock, .escalate, .work(isEmpty: true), .begin(.cancelled, immediately: true, grace: nil)] {
      if !machine.handle(event, at: now).isEmpty { violations.append("oneExit: something happens after the end") }
    }
    violations += checks.atEnd(machine, now: now)
  }

  private mutating func feed(_ event: TerminationMachine.Event) {
    violations += checks.sees(event, machine, at: now)
    let actions = machine.handle(event, at: now)
    for action in actions {
      violations += checks.sees(action, machine, at: now)
      if case .progress = action { continue }
      if case .arm = action {} else { trace.append("\(now) \(action)") }
      carryOut(action)
    }
  }

  private mutating func carryOut(_ action: TerminationMachine.Action) {
    switch action {
    case .arm(let at): armed = at
    case .tell(let id, _):
      let error: String? = random.chance(15) ? "failed" : nil
      if let takes = takes[id] { schedule(.ended(id, error: error), at: now + takes) }
    case .cut(let id):
      // It may end after all, too late.
      if random.chance(50) { schedule(.ended(id, error: "cancelled"), after: 2_000) }
    case .watchWork:
      let isEmpty = random.chance(50)
      schedule(.work(isEmpty: isEmpty), at: now)
      if !isEmpty {
        for _ in 0..<random.int(0...3) { schedule(.work(isEmpty: random.chance(70)), after: 9_000) }
      }
    default: break
    }
  }
}
