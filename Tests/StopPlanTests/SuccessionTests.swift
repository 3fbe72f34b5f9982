import Seeded
import StopPlan
import Testing

@Suite struct SuccessionTests {
  /// Programs that die, stop in time or late, and cannot be started; requests that are repeated with other deadlines.
  private struct World {
    var random: SeededRandom
    let others: Int
    let grace: TimeSpan
    let policies: (Succession.Policy, Succession.Policy)
    var succession: Succession
    var now = Instant(nanoseconds: 0)
    var running: Set<Int> = []
    var told: [(program: Int, at: Instant, deadline: Instant)] = []
    var armed: Instant?
    var asked: Instant?
    var isOver = false
    var problems: [String] = []
    private var lastStopped: Int?

    init(seed: UInt64) {
      random = SeededRandom(seed: seed)
      others = random.int(0...4)
      grace = .milliseconds(Int64(random.int(0...10_000)))
      let all: [Succession.Policy] = [.ignore, .restart, .stop]
      policies = (all[random.int(0...2)], all[random.int(0...2)])
      succession = Succession(
        others: others, grace: grace, mainPolicy: policies.0, othersPolicy: policies.1, pauses: .milliseconds(100) ... .seconds(2))
      take(succession.begin(at: now))
      if running.count != others + 1 { problems.append("not all were started") }
    }

    mutating func take(_ actions: [Succession.Action]) {
      for action in actions {
        if isOver { problems.append("an action after the end: \(action)") }
        switch action {
        case .start(let program):
          if !running.insert(program).inserted { problems.append("\(program) was started twice") }
          if asked != nil { problems.append("\(program) was started during the stop") }
        case .stop(let program, let deadline):
          if !running.contains(program) { problems.append("\(program) was stopped and does not run") }
          if program != 0, running.contains(0) { problems.append("\(program) was stopped before main had ended") }
          if running.contains(where: { $0 > program && program != 0 }) { problems.append("\(program) was stopped before one after it") }
          if let asked, deadline > max(asked, now) { problems.append("\(program) may take until \(deadline), \(asked) was asked") }
          told.append((program, now, deadline))
        case .arm(let moment): armed = moment
        case .finish:
          if !running.isEmpty { problems.append("the end came with \(running) running") }
          isOver = true
        }
      }
    }

    mutating func step() {
      now = now + .milliseconds(Int64(random.int(0...400)))
      if let moment = armed, now >= moment {
        armed = nil
        take(succession.handle(.clock, at: now))
      }
      if isOver { return }
      switch random.int(0...9) {
      case 0:
        let deadline = now + .milliseconds(Int64(random.int(0...10_000)))
        asked = min(asked ?? deadline, deadline)
        take(succession.handle(.stop(deadline: deadline), at: now))
      case 1...4: if let program = running.randomElement(using: &random) { end(program) }
      default: take(succession.handle(.clock, at: now))
      }
    }

    mutating func end(_ program: Int) {
      running.remove(program)
      let isMain = program == 0
      if asked == nil, (isMain ? policies.0 : policies.1) == .stop { asked = now + grace }
      take(succession.handle(.over(program: program), at: now))
    }
  }

  @Test(arguments: UInt64(0)..<4) func everyoneIsStoppedInOrderAndInTime(part: UInt64) {
    for seed in (part * 2_500)..<((part + 1) * 2_500) {
      var world = World(seed: seed)
      for _ in 0..<40 where !world.isOver { world.step() }
      if !world.isOver {
        let deadline = world.now + .seconds(8)
        world.asked = min(world.asked ?? deadline, deadline)
        world.take(world.succession.handle(.stop(deadline: deadline), at: world.now))
      }
      // Each that is told ends at its own time.
      while !world.isOver, world.problems.isEmpty, let last = world.told.last, world.running.contains(last.program) {
        world.now = max(world.now, last.deadline)
        world.end(last.program)
      }
      #expect(world.isOver && world.problems.isEmpty, "seed \(seed): \(world.problems), running \(world.running)")
      if !world.problems.isEmpty { return }
    }
  }

  @Test func eachOfThemHasItsPartOfTheGrace() {
    let start = Instant(nanoseconds: 0)
    var succession = Succession(others: 2, grace: .seconds(8))
    #expect(succession.begin(at: start) == [.start(program: 1), .start(program: 2), .start(program: 0)])
    #expect(succession.handle(.stop(deadline: start + .seconds(8)), at: start) == [.stop(program: 0, deadline: start + .seconds(6))])
    #expect(succession.handle(.stop(deadline: start + .seconds(9)), at: start) == [])
    #expect(
      succession.handle(.over(program: 0), at: start + .seconds(2)) == [.stop(program: 2, deadline: start + .seconds(5))])
    #expect(succession.handle(.over(program: 2), at: start + .seconds(3)) == [.stop(program: 1, deadline: start + .seconds(8))])
    #expect(succession.handle(.over(program: 1), at: start + .seconds(4)) == [.finish])
  }

  @Test func oneAloneIsStoppedWithTheWholeGrace() {
    let start = Instant(nanoseconds: 0)
    var succession = Succession(others: 0, grace: .seconds(8))
    _ = succession.begin(at: start)
    #expect(succession.handle(.stop(deadline: start + .seconds(8)), at: start) == [.stop(program: 0, deadline: start + .seconds(8))])
    #expect(succession.handle(.over(program: 0), at: start) == [.finish])
  }
}
