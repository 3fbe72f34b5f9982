import Seeded
import StopPlan

@testable import Rollout

/// An engine that dies at any moment, a user who wants something else all the time, and replicas that start slowly, hang, crash and fail
/// their liveness checks. What the machine decides is recorded before it is done, as the engine does.
struct RolloutWorld {
  enum Step {
    case request(Rollout.Event)
    case becomesReady(ReplicaNumber)
    case quits(ReplicaNumber)
    case extends(ReplicaNumber)
    case sickens(ReplicaNumber)
    case heals(ReplicaNumber)
    case ends(ReplicaNumber, Ending)
    case storm(kills: Bool, percent: Int)
    case engineReturns
  }

  struct Process {
    var isReady = false
    var isSick = false
    var isQuitting = false
    var isToldToStop = false
    var ending: Ending?
    var startedAt = Instant(nanoseconds: 0)
    /// What it was last told by its keeper, which tells it again to an engine that comes back.
    var extendedUntil: Instant?
    var wasReady = false

    var serves: Bool { isReady && !isQuitting }
  }

  /// When the engine dies while it handles an event.
  enum Death: CaseIterable {
    case beforeRecording, beforeActing, whileActing
  }

  var generator: SeededRandom
  var now = Instant(nanoseconds: 1_000_000_000_000)
  /// Nil while the engine is dead.
  var rollout: Rollout?
  var steps = StepQueue<Step>()
  var armed: Instant?
  var violations: [String] = []
  var notes: [Rollout.Note] = []
  var extensions = 0
  var deaths = 0

  // What outlives the engine: its records, and the processes.
  var recorded: Rollout.Saved
  var records: [ReplicaNumber: Replica] = [:]
  var processes: [ReplicaNumber: Process] = [:]
  var alive = 0
  var serving = 0
  var untold = 0
  var started: Set<ReplicaNumber> = []
  var stopped: Set<ReplicaNumber> = []

  // What may be started during a pause: what failed.
  var pauseAllows = 0
  var pauseStops = 0
  var pausedRevisions: Set<Int> = []
  var startedRevisions: Set<Int> = []

  let final: Desired
  let calmFrom: Instant
  let deathsPerThousand: Int
  let maximum: Int

  init(seed: UInt64, replicas: ClosedRange<Int>, requests: Int, deathsPerThousand: Int, storms: Int = 1) {
    generator = SeededRandom(seed: seed)
    self.deathsPerThousand = deathsPerThousand
    maximum = replicas.upperBound
    let first = Self.bounds(&generator, replicas.upperBound)
    let machine = Rollout(first, seed: seed)
    (rollout, recorded) = (machine, machine.saved)
    calmFrom = now + .seconds(120)
    var revision = 1
    let initial = Desired(replicas: generator.int(replicas), revision: 1)
    var requested = [(TimeSpan.zero, Rollout.Event.desired(initial))]
    for _ in 0..<generator.int(0...requests) {
      let event: Rollout.Event
      switch generator.int(0...9) {
      case 0...1: event = .pause
      case 2...3: event = .resume
      case 4: event = .desired(Desired(replicas: generator.chance(20) ? 0 : generator.int(replicas), revision: revision))
      case 5: event = .desired(Desired(replicas: generator.int(replicas), revision: max(1, revision - 1)))
      default:
        revision += 1
        let bounds = generator.chance(30) ? Self.bounds(&generator, replicas.upperBound) : nil
        event = .desired(Desired(replicas: generator.int(replicas), revision: revision), bounds: bounds)
      }
      requested.append((.milliseconds(Int64(generator.int(0...110_000))), event))
    }
    final = Desired(replicas: generator.int(replicas.lowerBound - 1...replicas.upperBound), revision: revision + 1)
    requested += [(.seconds(130), .resume), (.seconds(131), .desired(final, bounds: first))]
    for (delay, event) in requested { steps.insert(.request(event), at: now + delay) }
    for _ in 0..<generator.int(0...storms) {
      let storm = Step.storm(kills: generator.chance(50), percent: generator.int(20...100))
      steps.insert(storm, at: now + .milliseconds(Int64(generator.int(5_000...110_000))))
    }
  }

  private static func bounds(_ generator: inout SeededRandom, _ replicas: Int) -> RolloutBounds {
    let scale = max(1, replicas / 10)
    return RolloutBounds(
      surge: generator.int(0...3) * scale, unavailable: generator.int(0...2) * scale, deadline: .seconds(20),
      extending: .seconds(Int64(generator.int(0...2) * 15)), settle: .milliseconds(Int64(generator.int(0...2_000))),
      backoff: .seconds(1) ... .seconds(8))
  }

  private mutating func after(_ range: ClosedRange<Int>) -> Instant { now + .milliseconds(Int64(generator.int(range))) }

  // MARK: - Running

  mutating func run() {
    let limit = 20_000 + 200 * maximum
    for _ in 0..<limit {
      if violations.count > 20 { return }
      let next = steps.first?.at
      if rollout != nil, let armed, next.map({ armed <= $0 }) ?? true {
        now = max(now, armed)
        self.armed = nil
        feed(.clock)
      } else if let step = steps.removeFirst() {
        now = max(now, step.at)
        take(step.value)
      } else {
        return checkRest()
      }
    }
    violations.append("alwaysEnds: \(limit) steps and no rest")
  }

  private mutating func checkRest() {
    guard let rollout else { return violations.append("alwaysEnds: no engine") }
    if !rollout.isComplete || rollout.desired != final || rollout.count != final.replicas || rollout.isPaused {
      violations.append("alwaysEnds: \(rollout.count) replicas, desired \(rollout.desired), wanted \(final)")
    }
    if alive != final.replicas || serving != alive { violations.append("alwaysEnds: \(alive) alive, \(serving) serving") }
  }

  private mutating func take(_ step: Step) {
    switch step {
    case .request(let event):
      // A request that comes while the engine is away is made again.
      if rollout == nil { steps.insert(step, at: now + .milliseconds(500)) } else { feed(event) }
    case .engineReturns: returns()
    case .storm(let kills, let percent):
      for (number, process) in processes.sorted(by: { $0.key < $1.key }) where process.ending == nil && generator.chance(percent) {
        take(kills ? .ends(number, .failed) : .sickens(number))
        if !kills, generator.chance(30) { steps.insert(.heals(number), at: after(1_000...20_000)) }
      }
    case .becomesReady(let number):
      if change(number, { ($0.isReady, $0.wasReady) = (true, true) }) { feed(.ready(number)) }
    case .extends(let number): extends(number)
    case .quits(let number):
      if change(number, { $0.isQuitting = true }) { feed(.quitting(number)) }
    case .sickens(let number):
      if change(number, { $0.isSick = true }) {
        pauseAllows += 1
        feed(.unhealthy(number))
      }
    case .heals(let number):
      if change(number, { $0.isSick = false }) {
        // Its substitute is one too many.
        pauseStops += 1
        feed(.healthy(number))
      }
    case .ends(let number, let ending):
      if change(number, { $0.ending = ending }) {
        pauseAllows += 1
        // The substitute of an unhealthy one that ends for good is one too many.
        if ending == .done || ending == .refused { pauseStops += 1 }
        feed(.ended(number, ending))
      }
    }
  }

  /// Changes a process that lives. Returns whether there is one.
  private mutating func change(_ number: ReplicaNumber, _ body: (inout Process) -> Void) -> Bool {
    guard var process = processes[number], process.ending == nil else { return false }
    count(process, -1)
    body(&process)
    processes[number] = process
    count(process, 1)
    return true
  }

  private mutating func count(_ process: Process, _ sign: Int) {
    guard process.ending == nil else { return }
    alive += sign
    if process.isToldToStop { return }
    untold += sign
    if process.serves { serving += sign }
  }

  // MARK: - The engine

  private mutating func feed(_ event: Rollout.Event) {
    guard var machine = rollout else { return }
    let wasPaused = machine.isPaused
    let actions = machine.handle(event, at: now)
    let death = now < calmFrom && generator.int(1...1_000) <= deathsPerThousand ? Death.allCases[generator.int(0...2)] : nil
    if death == .beforeRecording {
      dies()
      if case .desired = event { steps.insert(.request(event), at: now + .seconds(6)) }
      if event == .resume { steps.insert(.request(event), at: now + .seconds(6)) }
      return
    }
    record(event, machine, actions)
    check(actions, machine, wasPaused: wasPaused, event)
    rollout = machine
    var left = death == nil ? actions.count : death == .beforeActing ? 0 : generator.int(0...actions.count)
    for action in actions where left > 0 {
      carryOut(action)
      left -= 1
    }
    if death != nil { dies() }
  }

  private mutating func record(_ event: Rollout.Event, _ machine: Rollout, _ actions: [Rollout.Action]) {
    recorded = machine.saved
    switch event {
    case .ready(let number), .quitting(let number): records[number] = machine.replica(number)
    case .ended(let number, _): (records[number], processes[number]) = (nil, nil)
    default: break
    }
    for action in actions {
      switch action {
      case .start(let number, _): records[number] = machine.replica(number)
      case .stop(let number): records[number] = machine.replica(number)
      case .arm, .note: break
      }
    }
  }

  private mutating func carryOut(_ action: Rollout.Action) {
    switch action {
    case .start(let number, _):
      if !started.insert(number).inserted { violations.append("noSecondCopy: \(number)") }
      let process = Process(startedAt: now)
      count(process, 1)
      processes[number] = process
      live(number)
    case .stop(let number): tell(number)
    case .arm(let moment): armed = moment
    case .note(let note): notes.append(note)
    }
  }

  private mutating func tell(_ number: ReplicaNumber) {
    guard var process = processes[number], process.ending == nil, !process.isToldToStop else { return }
    count(process, -1)
    process.isToldToStop = true
    processes[number] = process
    count(process, 1)
    steps.insert(.ends(number, .done), at: after(1...10_000))
  }

  /// What becomes of a process: in a calm world it gets ready.
  private mutating func live(_ number: ReplicaNumber) {
    let endings: [Ending] = [.failed, .failed, .failed, .restart, .done, .refused]
    let ready = after(1...5_000)
    switch now >= calmFrom ? 99 : generator.int(0...99) {
    case 0..<8: steps.insert(.ends(number, generator.chance(80) ? .failed : .restart), at: after(1...3_000))
    case 8..<11: break
    // It asks for more time, also again and again; some get ready in the end.
    case 11..<14:
      steps.insert(.extends(number), at: after(1...25_000))
      if generator.chance(50) { steps.insert(.becomesReady(number), at: after(15_000...60_000)) }
    case 14..<24:
      steps.insert(.becomesReady(number), at: ready)
      steps.insert(.ends(number, endings[generator.int(0...5)]), at: after(3_000...60_000))
    case 24..<30:
      steps.insert(.becomesReady(number), at: ready)
      steps.insert(.sickens(number), at: after(1_000...60_000))
    case 30..<34:
      steps.insert(.becomesReady(number), at: ready)
      steps.insert(.quits(number), at: after(1...10_000))
      // One that hangs is found to be unhealthy in the end.
      if generator.chance(20) {
        steps.insert(.sickens(number), at: after(10_000...60_000))
      } else {
        steps.insert(.ends(number, endings[generator.int(0...5)]), at: after(10_000...40_000))
      }
    default: steps.insert(.becomesReady(number), at: ready)
    }
  }

  private mutating func extends(_ number: ReplicaNumber) {
    let until = after(1_000...40_000)
    guard processes[number]?.isReady == false, change(number, { $0.extendedUntil = max(until, $0.extendedUntil ?? until) }) else { return }
    extensions += 1
    feed(.extended(number, until: until))
    if generator.chance(80) { steps.insert(.extends(number), at: after(1_000...20_000)) }
  }

  private mutating func dies() {
    deaths += 1
    rollout = nil
    armed = nil
    steps.insert(.engineReturns, at: after(0...5_000))
  }

  /// The engine comes back: it reads its records, looks what lives, tells again what it had told to stop, and goes on.
  private mutating func returns() {
    rollout = Rollout(restoring: recorded, replicas: records.values.map(Self.asRecorded), at: now)
    for (number, record) in records.sorted(by: { $0.key < $1.key }) {
      guard let process = processes[number], process.ending == nil else {
        if !started.contains(number) { pauseAllows += 1 }
        takeIn(.ended(number, processes[number]?.ending ?? .lost))
        continue
      }
      if record.phase == .stopping { tell(number) }
      if let until = process.extendedUntil { takeIn(.extended(number, until: until)) }
      if process.isReady, record.phase == .starting { takeIn(.ready(number)) }
      if process.isQuitting { takeIn(.quitting(number)) }
      if process.isSick { takeIn(.unhealthy(number)) }
      if !process.isSick, record.isUnhealthy { takeIn(.healthy(number)) }
    }
    feed(.clock)
  }

  /// What a record has of a replica.
  private static func asRecorded(_ replica: Replica) -> Replica {
    Replica(
      number: replica.number, revision: replica.revision, phase: replica.phase, startedAt: replica.startedAt,
      isUnhealthy: replica.isUnhealthy, isQuitting: replica.isQuitting, hasSettled: replica.isQuitting && replica.hasSettled)
  }

  private mutating func takeIn(_ event: Rollout.Event) {
    guard var machine = rollout else { return }
    let actions = machine.handle(event, at: now)
    rollout = machine
    record(event, machine, actions)
    for action in actions {
      if case .note(let note) = action { notes.append(note) } else { violations.append("decides before it knows: \(action)") }
    }
  }

  // MARK: - What has to hold

  private mutating func check(_ actions: [Rollout.Action], _ machine: Rollout, wasPaused: Bool, _ event: Rollout.Event) {
    var (starts, leaves, servingLeft) = (0, 0, serving)
    let mayBeNew = untold == 0
    let isDesired = if case .desired = event { true } else { false }
    if !wasPaused || !machine.isPaused || isDesired { allow(machine, actions) }
    checkDeadlines(actions, machine)
    let promised = machine.wanted - machine.bounds.unavailable
    let limit = machine.wanted + machine.bounds.surge
    for action in actions {
      switch action {
      case .stop(let number):
        if !stopped.insert(number).inserted { violations.append("stoppedOnce: \(number)") }
        guard let replica = machine.replica(number) else { continue }
        if processes[number]?.ending == nil, processes[number] != nil { leaves += 1 }
        if replica.isAvailable, processes[number]?.serves == true {
          servingLeft -= 1
          if machine.fleet.available < promised || servingLeft < promised {
            let name = replica.isUnhealthy ? "brakeHolds" : "neverFewerThanPromised"
            violations.append("\(name): \(machine.fleet.available) and \(servingLeft) of \(promised)")
          }
        }
        if wasPaused, machine.isPaused, !replica.isUnhealthy, machine.wanted > 0 {
          pauseStops -= 1
          if pauseStops < 0 { violations.append("pauseHolds: \(number) stopped at \(event)") }
        }
      case .start(let number, let revision):
        starts += 1
        let running = untold - leaves + starts
        let all = machine.bounds.surge == 0 ? alive + starts : running
        if all > limit { violations.append("neverMoreThanSurge: \(all) of \(limit)") }
        if wasPaused, machine.isPaused {
          pauseAllows -= 1
          let isOfThePause = pausedRevisions.contains(revision) && (startedRevisions.contains(revision) || mayBeNew)
          if pauseAllows < 0 || !isOfThePause { violations.append("pauseHolds: \(number) of \(revision) started at \(event)") }
        }
        startedRevisions.insert(revision)
      case .arm, .note: break
      }
    }
  }

  /// Whoever is awaited is given up no sooner than it was promised, and no later than all its extensions allow.
  private mutating func checkDeadlines(_ actions: [Rollout.Action], _ machine: Rollout) {
    for case .note(.undone(_, let number, .late)) in actions {
      guard let process = processes[number], let until = process.extendedUntil, let old = rollout else { continue }
      if now < min(until, old.deadline(from: process.startedAt) + old.bounds.extending) {
        violations.append("neverBeforeThePromise: \(number) at \(now)")
      }
    }
    guard !machine.saved.isSettled, !machine.isPaused, machine.previousRevision != nil else { return }
    for (number, process) in processes where process.ending == nil && !process.isToldToStop && !process.wasReady {
      guard let replica = machine.replica(number), replica.phase == .starting, replica.revision == machine.desired.revision else {
        continue
      }
      if !replica.isUnhealthy, now >= machine.deadline(from: replica.startedAt) + machine.bounds.extending {
        violations.append("neverBeyondTheBound: \(number) at \(now)")
      }
    }
  }

  /// What a pause leaves to be started from here on: what failed before, and what is asked for during it.
  private mutating func allow(_ machine: Rollout, _ actions: [Rollout.Action]) {
    let frozen = machine.saved.frozen ?? [:]
    pausedRevisions = Set(frozen.keys)
    let starts = actions.count { if case .start = $0 { true } else { false } }
    pauseStops = actions.count { if case .stop = $0 { true } else { false } }
    pauseAllows = max(0, frozen.values.reduce(0, +) - machine.fleet.healthyByRevision.values.reduce(0, +)) + starts
  }
}
