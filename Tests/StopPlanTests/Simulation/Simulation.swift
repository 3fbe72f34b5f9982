import Seeded
import StopPlan

/// One run: a random plan over a random tree with random requests, signals and faults, checked against DESIGN's invariants.
struct Simulation: ~Copyable {
  enum Happening: Equatable {
    case event(StopMachine.Event)
    case ends(Int32, start: UInt64)
    case forks(Int32)
    /// Something that had no parent to notice ended; the keeper sees it only when nothing is left.
    case vanished
  }

  /// What the machine saw and did, to compare runs.
  struct Trace: Equatable {
    var lines: [String] = []
    var violations: [String] = []
    var finishedAt: Instant?
    var status: ExitStatus?
  }

  let seed: UInt64
  let withRepeats: Bool
  var generator: SeededRandom
  /// Apart from `generator`, so that a run with repeats is the same run otherwise.
  var faults: SeededRandom
  var tree: SimulatedTree
  var machine: StopMachine
  var plan: StopPlan
  var queue: [(at: Instant, order: Int, happening: Happening)] = []
  var order = 0
  var now = Instant(nanoseconds: 0)
  var armed: Instant?
  var answers: [StopMachine.Event] = []
  var trace = Trace()
  var checks: Invariants
  var mainStatus: ExitStatus?
  var groupToldUpTo: Int32 = 0

  init(seed: UInt64, withRepeats: Bool = true) {
    self.seed = seed
    self.withRepeats = withRepeats
    generator = SeededRandom(seed: seed)
    faults = SeededRandom(seed: seed ^ 0xFA17)
    // Near the end often, where pids begin anew.
    tree = SimulatedTree(newestPid: Int32(generator.chance(50) ? generator.int(385...400) : 100))
    plan = RandomPlan.make(&generator)
    var settings = StopMachine.Settings(plan: plan)
    settings.isEverythingOurs = generator.chance(30)
    if generator.chance(20) { settings.rewrite.set(.int, to: .usr1) }
    machine = StopMachine(settings)
    checks = Invariants(plan: plan, rewrite: settings.rewrite)
    growTree()
    scheduleRequests()
  }

  private mutating func growTree() {
    _ = spawn(asMain: true)
    for _ in 0..<generator.int(0...6) { _ = spawn(asMain: false) }
    if generator.chance(30) {
      let child = spawn(asMain: false)
      tree.update(SimulatedTree.mainPid) { $0.reaction = .waitsForChild(pid: child) }
    }
    if generator.chance(25) { schedule(.ends(SimulatedTree.mainPid, start: 0), after: span(0...20_000)) }
  }

  private mutating func spawn(asMain: Bool) -> Int32 {
    let reaction: SimulatedTree.Reaction
    switch generator.int(0...9) {
    case 0...5: reaction = .ends(after: span(0...3_000))
    case 6, 7: reaction = .cleansUp(span(1...2_000))
    default: reaction = .ignores
    }
    let pid = tree.spawn(reaction, inMainGroup: asMain || generator.chance(60), at: now, asMain: asMain)
    if generator.chance(10) { tree.update(pid) { $0.isStopped = true } }
    if !asMain, generator.chance(20) { scheduleEnd(of: pid, after: span(0...15_000)) }
    if generator.chance(15) { schedule(.forks(pid), after: span(0...12_000)) }
    return pid
  }

  private mutating func scheduleRequests() {
    let isAsked = generator.chance(85)
    if isAsked {
      if generator.chance(50) {
        let request = StopRequest(id: 7, deadline: generator.chance(40) ? now + span(0...15_000) : nil)
        send(.stop(request), after: span(0...3_000))
      } else {
        let signal: Signal = generator.chance(70) ? .term : .int
        send(.signal(signal, value: nil, fromTerminal: generator.chance(30)), after: span(0...3_000))
      }
    }
    for id in 0..<UInt64(generator.int(0...3)) where generator.chance(40) {
      send(.stop(StopRequest(id: 8 + id, deadline: now + span(0...20_000))), after: span(0...15_000))
    }
    if generator.chance(20) { send(.escalate(id: 1), after: span(0...10_000)) }
    if generator.chance(10) { send(.escalate(id: 2), after: span(0...10_000)) }
    for _ in 0..<generator.int(0...4) {
      let number = Int32(generator.int(1...64))
      guard let signal = Signal(number: number), signal.canBeCaught, signal != .chld else { continue }
      send(.signal(signal, value: signal.isRealTime ? generator.int(0...99) : nil, fromTerminal: false), after: span(0...12_000))
    }
  }

  private mutating func send(_ event: StopMachine.Event, after delay: TimeSpan) {
    schedule(.event(event), after: delay)
    guard withRepeats, event.isIdempotent else { return }
    for _ in 0..<faults.int(0...2) {
      schedule(.event(event), after: delay + .milliseconds(Int64(faults.int(0...9_000))))
    }
  }

  mutating func span(_ range: ClosedRange<Int>) -> TimeSpan { .milliseconds(Int64(generator.int(range))) }

  mutating func schedule(_ happening: Happening, after delay: TimeSpan) {
    order += 1
    queue.append((now + delay, order, happening))
  }

  private mutating func scheduleEnd(of pid: Int32, after delay: TimeSpan) {
    guard let member = tree.members[pid] else { return }
    schedule(.ends(pid, start: member.identity.startTime), after: delay)
  }

  // MARK: - The run

  mutating func run() -> Trace {
    var steps = 0
    while trace.finishedAt == nil {
      steps += 1
      if steps > 5_000 {
        violation("theStopEnds: no end after 5000 events")
        break
      }
      guard takeNext() else { break }
    }
    trace.violations += checks.atEnd(machineFinished: trace.finishedAt != nil, tree: tree)
    return trace
  }

  /// Takes the earliest happening; false when nothing will ever happen again.
  private mutating func takeNext() -> Bool {
    let index = queue.indices.min { (queue[$0].at, queue[$0].order) < (queue[$1].at, queue[$1].order) }
    if let armed, index.map({ armed <= queue[$0].at }) ?? true {
      now = max(now, armed)
      self.armed = nil
      feed(.clock)
      return true
    }
    guard let index else { return false }
    let entry = queue.remove(at: index)
    now = max(now, entry.at)
    switch entry.happening {
    case .event(let event): feed(event)
    case .ends(let pid, let start):
      if pid == SimulatedTree.mainPid || tree.members[pid]?.identity.startTime == start {
        end(pid, .code(UInt8(truncatingIfNeeded: start)))
      }
    case .forks(let pid): if tree.members[pid] != nil, tree.members.count < 40 { _ = spawn(asMain: false) }
    case .vanished: if tree.isEmpty { feed(.reaped(main: nil, treeEmpty: true)) }
    }
    return true
  }

  private mutating func end(_ pid: Int32, _ status: ExitStatus) {
    guard tree.members[pid] != nil else { return }
    tree.remove(pid)
    for other in tree.inOrder {
      if case .waitsForChild(pid) = other.reaction, let pending = other.pending { scheduleEnd(of: other.identity.pid, after: pending) }
    }
    let isMain = pid == SimulatedTree.mainPid
    if isMain { mainStatus = status }
    feed(.reaped(main: isMain ? status : nil, treeEmpty: tree.isEmpty))
  }

  private mutating func feed(_ event: StopMachine.Event) {
    answers = [event]
    while trace.finishedAt == nil, !answers.isEmpty {
      let next = answers.removeFirst()
      checks.saw(next, at: now)
      let actions = machine.handle(next, at: now)
      checks.deadline(machine.deadline)
      for action in actions { carryOut(action) }
    }
  }

  private mutating func carryOut(_ action: StopMachine.Action) {
    if case .arm(let at) = action {
      armed = at
      return
    }
    trace.lines.append("\(now.nanoseconds) \(action)")
    switch action {
    case .observe(let wholeTree): observe(wholeTree)
    case .send(let signal, let identity): deliver(signal, identity)
    case .signalEverything(let signal): signalEverything(signal)
    case .forward(let signal, let value, _): checks.forwarded(signal, value: value, mainLives: tree.main != nil)
    case .runHook: schedule(.event(.hookEnded), after: span(0...12_000))
    case .watchGroup: watchGroup()
    case .note(let note): checks.noted(note, at: now)
    case .finish(let main, let leftover): finish(main, leftover)
    case .arm: break
    }
  }

  /// Everybody; or, when that cannot be, the main process's group, whose number may be another's by now.
  private mutating func signalEverything(_ signal: Signal) {
    let everything = tree.observation(wholeTree: true)
    if !machine.isEverythingOurs, signal != .cont { groupToldUpTo = generator.chance(70) ? everything.newestPid : 0 }
    guard machine.isEverythingOurs || groupToldUpTo > 0 else { return }
    checks.observed(everything)
    for member in everything.members where machine.isEverythingOurs || member.group == SimulatedTree.mainPid {
      if signal == .kill { killed(member.identity.pid) } else { deliver(signal, member.identity) }
    }
    checkKillTimes()
    // Who is in no such group forks until it is looked for.
    if signal != .kill, signal != .cont, let other = tree.inOrder.first(where: { !$0.inMainGroup }), generator.chance(30) {
      schedule(.forks(other.identity.pid), after: .milliseconds(Int64(generator.int(1...15))))
    }
  }

  private mutating func observe(_ wholeTree: Bool) {
    // Where everything is told by one call, what is born later counts as told.
    if wholeTree, !machine.isEverythingOurs {
      checks.looked(at: tree.inOrder.filter { !$0.inMainGroup && !$0.isCleanUp && $0.toldAt == nil })
    }
    var observation = tree.observation(wholeTree: wholeTree)
    if groupToldUpTo > 0 { (observation.toldUpTo, observation.toldGroup) = (groupToldUpTo, SimulatedTree.mainPid) }
    groupToldUpTo = 0
    checks.observed(observation)
    if generator.chance(10), let pid = tree.inOrder.first?.identity.pid, pid != SimulatedTree.mainPid {
      tree.remove(pid)
      schedule(.vanished, after: .zero)
    }
    if generator.chance(10), tree.members.count < 40 { _ = spawn(asMain: false) }
    answers.append(.observed(observation))
  }

  private mutating func deliver(_ signal: Signal, _ identity: ProcessIdentity) {
    checks.sent(signal, identity, member: tree.members[identity.pid], at: now)
    guard let member = tree.members[identity.pid], member.identity == identity else { return }
    if signal == .kill {
      killed(identity.pid)
      return checkKillTimes()
    }
    if signal == .cont { return tree.update(identity.pid) { $0.isStopped = false } }
    tree.update(identity.pid) { if $0.toldAt == nil { $0.toldAt = now } }
    switch member.reaction {
    case .ends(let delay): scheduleEnd(of: identity.pid, after: delay)
    case .cleansUp(let delay):
      let child = tree.spawn(.ends(after: delay), inMainGroup: true, at: now)
      tree.update(child) { $0.isCleanUp = true }
      scheduleEnd(of: identity.pid, after: delay)
    case .ignores: break
    case .waitsForChild(let child):
      tree.update(identity.pid) { $0.pending = .milliseconds(20) }
      if tree.members[child] == nil { scheduleEnd(of: identity.pid, after: .milliseconds(20)) }
    }
  }

  private mutating func killed(_ pid: Int32) {
    guard let member = tree.members[pid] else { return }
    checks.killed(member, at: now)
    scheduleEndBySignal(pid, member)
  }

  private mutating func scheduleEndBySignal(_ pid: Int32, _ member: SimulatedTree.Member) {
    schedule(.ends(pid, start: member.identity.startTime), after: .milliseconds(Int64(pid % 4)))
  }

  private mutating func checkKillTimes() { trace.violations += checks.takeViolations() }

  private mutating func watchGroup() {
    if !tree.members.values.contains(where: \.inMainGroup) { schedule(.event(.groupEmpty), after: .zero) }
  }

  private mutating func finish(_ main: ExitStatus?, _ leftover: Bool) {
    trace.finishedAt = now
    trace.status = main
    if main != mainStatus { violation("exitStatusIsTheMainProcesss: \(String(describing: main)) for \(String(describing: mainStatus))") }
    if !leftover, !tree.isEmpty { violation("leftoverIsReported: \(leftover) with \(tree.members.count) left") }
    trace.violations += checks.finished(at: now, tree: tree)
  }

  private mutating func violation(_ text: String) { trace.violations.append(text) }
}

extension StopMachine.Event {
  /// What a peer may repeat without effect.
  var isIdempotent: Bool {
    switch self {
    case .stop, .escalate: true
    default: false
    }
  }
}
