import Rollout
import Seeded
import StopPlan
import Testing

/// Replicas that start slowly, never, or crash; requests that come at any time.
private struct World {
  var generator: SeededRandom
  var rollout: Rollout
  let bounds: RolloutBounds
  var now = Instant(nanoseconds: 0)
  var queue: [(at: Instant, order: Int, event: Rollout.Event)] = []
  var order = 0
  var armed: Instant?
  var stopped: Set<ReplicaNumber> = []
  var alive: Set<ReplicaNumber> = []
  var notes: [Rollout.Note] = []
  var violations: [String] = []
  /// Replicas crash and start badly only in the first part of a run, so that it can come to rest.
  let calmFrom: Instant
  var crashedSince = 0

  init(seed: UInt64) {
    generator = SeededRandom(seed: seed)
    let surge = generator.int(0...3)
    bounds = RolloutBounds(
      surge: surge, unavailable: generator.int(0...2), deadline: .seconds(20), settle: .milliseconds(Int64(generator.int(0...2_000))),
      backoff: .seconds(1) ... .seconds(8))
    rollout = Rollout(bounds)
    calmFrom = Instant(nanoseconds: 0) + .seconds(120)
    var revision = 1
    push(.desired(Desired(replicas: generator.int(1...12), revision: revision)), after: .zero)
    for _ in 0..<generator.int(0...6) {
      revision += generator.chance(70) ? 1 : 0
      push(.desired(Desired(replicas: generator.int(0...12), revision: revision)), after: span(0...110_000))
    }
    push(.desired(Desired(replicas: generator.int(0...12), revision: revision + 1)), after: .seconds(130))
  }

  mutating func span(_ range: ClosedRange<Int>) -> TimeSpan { .milliseconds(Int64(generator.int(range))) }

  mutating func push(_ event: Rollout.Event, after delay: TimeSpan) {
    order += 1
    queue.append((now + delay, order, event))
  }

  mutating func run() {
    for _ in 0..<5_000 {
      let index = queue.indices.min { (queue[$0].at, queue[$0].order) < (queue[$1].at, queue[$1].order) }
      if let armed, index.map({ armed <= queue[$0].at }) ?? true {
        now = max(now, armed)
        self.armed = nil
        feed(.clock)
      } else if let index {
        let entry = queue.remove(at: index)
        now = max(now, entry.at)
        if case .ended(let number, _) = entry.event, alive.remove(number) == nil { continue }
        if case .ready(let number) = entry.event, !alive.contains(number) { continue }
        feed(entry.event)
      } else {
        return
      }
    }
    violations.append("itEnds: 5000 events and no rest")
  }

  private mutating func feed(_ event: Rollout.Event) {
    let before = rollout.available(at: now)
    for action in rollout.handle(event, at: now) { carryOut(action) }
    let running = rollout.replicas.filter { $0.phase != .stopping }.count
    let started = rollout.replicas.filter { $0.startedAt == now }.count
    if started > 0, running > rollout.desired.replicas + bounds.surge { violations.append("neverMoreThanSurge: \(running)") }
    let after = rollout.available(at: now)
    let promised = rollout.desired.replicas - bounds.unavailable
    let lost: Bool
    if case .ended = event { lost = true } else { lost = false }
    if !lost, after < before, after < promised { violations.append("neverFewerThanPromised: \(before) to \(after) of \(promised)") }
  }

  private mutating func carryOut(_ action: Rollout.Action) {
    switch action {
    case .start(let number, _):
      alive.insert(number)
      let isCalm = now >= calmFrom
      switch isCalm ? 9 : generator.int(0...9) {
      case 0: push(.ended(number, endedWell: false), after: span(1...3_000))
      case 1: break
      case 2:
        push(.ready(number), after: span(1...3_000))
        push(.ended(number, endedWell: generator.chance(50)), after: span(3_000...60_000))
      default: push(.ready(number), after: span(1...5_000))
      }
    case .stop(let number):
      if !stopped.insert(number).inserted { violations.append("stoppedOnce: \(number)") }
      push(.ended(number, endedWell: true), after: span(1...10_000))
    case .arm(let moment): armed = moment
    case .note(let note): notes.append(note)
    }
  }
}

@Suite struct RolloutSimulationTests {
  @Test(arguments: UInt64(0)..<4) func boundsAreKeptAndItComesToRest(part: UInt64) {
    for seed in (part * 500)..<((part + 1) * 500) {
      var world = World(seed: seed)
      world.run()
      #expect(world.violations.isEmpty, "seed \(seed)")
      let desired = world.rollout.desired
      #expect(world.rollout.replicas.count == desired.replicas, "seed \(seed): \(world.rollout.replicas.count) of \(desired)")
      #expect(world.rollout.isComplete, "seed \(seed)")
      if !world.violations.isEmpty || !world.rollout.isComplete { return }
    }
  }

  @Test func aRevisionThatDoesNotGetReadyIsUndone() {
    var rollout = Rollout(RolloutBounds(surge: 1, unavailable: 0, deadline: .seconds(5), settle: .zero))
    var now = Instant(nanoseconds: 0)
    _ = rollout.handle(.desired(Desired(replicas: 2, revision: 1)), at: now)
    for number in 1...2 { _ = rollout.handle(.ready(ReplicaNumber(number)), at: now) }
    #expect(rollout.isComplete)
    let began = rollout.handle(.desired(Desired(replicas: 2, revision: 2)), at: now)
    #expect(began.contains(.start(ReplicaNumber(3), revision: 2)))
    #expect(!began.contains(.stop(ReplicaNumber(1))))
    now = now + .seconds(5)
    let late = rollout.handle(.clock, at: now)
    #expect(late.contains(.note(.undone(revision: 2, replica: ReplicaNumber(3), .late))))
    #expect(late.contains(.stop(ReplicaNumber(3))))
    _ = rollout.handle(.ended(ReplicaNumber(3), endedWell: true), at: now)
    #expect(rollout.replicas.map(\.number.value) == [1, 2])
    #expect(rollout.isComplete)
  }

  @Test func aFirstRevisionThatDoesNotGetReadyIsSaidOnce() {
    var rollout = Rollout(RolloutBounds(surge: 1, unavailable: 0, deadline: .seconds(5), settle: .zero))
    let start = Instant(nanoseconds: 0)
    let began = rollout.handle(.desired(Desired(replicas: 2, revision: 1)), at: start)
    #expect(began.last == .arm(start + .seconds(5)))
    let late = rollout.handle(.clock, at: start + .seconds(5))
    #expect(late.contains(.note(.overdue(revision: 1, replica: ReplicaNumber(1)))))
    #expect(!rollout.handle(.clock, at: start + .seconds(6)).contains { if case .note = $0 { true } else { false } })
    for number in 1...2 { _ = rollout.handle(.ready(ReplicaNumber(number)), at: start + .seconds(7)) }
    #expect(rollout.isComplete)
  }

  @Test func aRevisionThatHasServedIsNotUndoneByALaterCrash() {
    var rollout = Rollout(
      RolloutBounds(surge: 1, unavailable: 0, deadline: .seconds(5), settle: .zero, backoff: .seconds(1) ... .seconds(8)))
    let start = Instant(nanoseconds: 0)
    _ = rollout.handle(.desired(Desired(replicas: 1, revision: 1)), at: start)
    _ = rollout.handle(.ready(ReplicaNumber(1)), at: start)
    _ = rollout.handle(.desired(Desired(replicas: 1, revision: 2)), at: start)
    _ = rollout.handle(.ready(ReplicaNumber(2)), at: start)
    _ = rollout.handle(.ended(ReplicaNumber(1), endedWell: true), at: start)
    #expect(rollout.isComplete)
    _ = rollout.handle(.ended(ReplicaNumber(2), endedWell: false), at: start + .seconds(100))
    _ = rollout.handle(.clock, at: start + .seconds(101))
    let late = rollout.handle(.clock, at: start + .seconds(200))
    #expect(!late.contains(.stop(ReplicaNumber(3))))
    #expect(rollout.desired.revision == 2)
  }

  @Test func withoutSurgeTheOldOneEndsFirst() {
    var rollout = Rollout(RolloutBounds(surge: 0, unavailable: 1, deadline: .seconds(5), settle: .zero))
    let now = Instant(nanoseconds: 0)
    _ = rollout.handle(.desired(Desired(replicas: 1, revision: 1)), at: now)
    _ = rollout.handle(.ready(ReplicaNumber(1)), at: now)
    let actions = rollout.handle(.desired(Desired(replicas: 1, revision: 2)), at: now)
    #expect(actions.contains(.stop(ReplicaNumber(1))))
    #expect(!actions.contains(.start(ReplicaNumber(2), revision: 2)))
    #expect(rollout.handle(.ended(ReplicaNumber(1), endedWell: true), at: now).contains(.start(ReplicaNumber(2), revision: 2)))
  }
}
