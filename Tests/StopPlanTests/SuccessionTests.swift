import Seeded
import StopPlan
import Testing

@Suite struct SuccessionTests {
  /// Programs that die, stop in time or late, and cannot be started; requests that are repeated with other deadlines.
  private struct World {
    var random: SeededRandom
    let sidecars: Int
    let grace: TimeSpan
    let policies: (main: Succession.Policy, sidecars: Succession.Policy)
    var succession: Succession
    var now = Instant(nanoseconds: 0)
    var running: Set<Int> = []
    var told: [(program: Int, deadline: Instant)] = []
    var next = Instant(nanoseconds: 0)
    var asked: Instant?
    var isOver = false
    var problems: [String] = []

    init(seed: UInt64) {
      random = SeededRandom(seed: seed)
      sidecars = random.int(0...4)
      grace = .milliseconds(Int64(random.int(0...10_000)))
      let all: [Succession.Policy] = [.ignore, .restart, .stop]
      policies = (all[random.int(0...2)], all[random.int(0...2)])
      succession = Succession(
        sidecars: sidecars, grace: grace, mainPolicy: policies.main, sidecarPolicy: policies.sidecars,
        pauses: .milliseconds(100) ... .seconds(2))
      ask()
      if running.count != sidecars + 1 { problems.append("not all were started") }
    }

    /// Asks what to do until there is nothing.
    mutating func ask() {
      for _ in 0..<1_000 {
        switch succession.next(at: now) {
        case .start(let program):
          if !running.insert(program).inserted { problems.append("\(program) was started twice") }
          if asked != nil { problems.append("\(program) was started during the stop") }
          if program == 0, policies.sidecars == .restart, told.isEmpty, now.nanoseconds == 0, running.count != sidecars + 1 {
            problems.append("main was started before its sidecars")
          }
        case .stop(let program, let deadline):
          if !running.contains(program) { problems.append("\(program) was stopped and does not run") }
          if program != 0, running.contains(0) { problems.append("\(program) was stopped before main had ended") }
          if running.contains(where: { $0 > program && program != 0 }) { problems.append("\(program) was stopped before one after it") }
          if let asked, deadline > max(asked, now) { problems.append("\(program) may take until \(deadline), \(asked) was asked") }
          told.append((program, deadline))
        case .kill(let program):
          if program == 0 || !running.contains(program) { problems.append("\(program) was killed") }
          if let asked, now < asked + .seconds(5) { problems.append("\(program) was killed early") }
          running.remove(program)
        case .wait(let moment):
          if moment <= now { problems.append("a wait for what has passed") }
          next = moment
          return
        case .finish:
          if !running.isEmpty { problems.append("the end came with \(running) running") }
          isOver = true
          return
        }
      }
      problems.append("no end of things to do")
    }

    mutating func step() {
      now = now + .milliseconds(Int64(random.int(0...400)))
      switch random.int(0...9) {
      case 0: stop(after: .milliseconds(Int64(random.int(0...10_000))))
      case 1...4: if let program = running.randomElement(using: &random) { end(program) }
      default: if next != .never, random.int(0...1) == 0 { now = max(now, next) }
      }
      ask()
    }

    mutating func stop(after span: TimeSpan) {
      asked = min(asked ?? .never, now + span)
      succession.stop(by: now + span, mainIsTold: false)
    }

    mutating func end(_ program: Int) {
      running.remove(program)
      if asked == nil, (program == 0 ? policies.main : policies.sidecars) == .stop { asked = now + grace }
      succession.over(program, at: now)
    }
  }

  @Test(arguments: UInt64(0)..<4) func everyoneIsStoppedInOrderAndInTime(part: UInt64) {
    for seed in (part * 2_500)..<((part + 1) * 2_500) {
      var world = World(seed: seed)
      for _ in 0..<40 where !world.isOver { world.step() }
      if !world.isOver { world.stop(after: .seconds(8)) }
      world.ask()
      // Each that is told ends at its own time, or never, and is killed.
      while !world.isOver, world.problems.isEmpty {
        if let last = world.told.last, world.running.contains(last.program), last.program == 0 || world.random.int(0...3) > 0 {
          world.now = max(world.now, last.deadline)
          world.end(last.program)
        } else {
          world.now = max(world.now, world.next)
        }
        world.ask()
      }
      #expect(world.isOver && world.problems.isEmpty, "seed \(seed): \(world.problems), running \(world.running)")
      if !world.problems.isEmpty { return }
    }
  }

  private let start = Instant(nanoseconds: 0)

  @Test func eachOfThemHasItsPartOfTheGrace() {
    var succession = Succession(sidecars: 2, grace: .seconds(8))
    #expect(
      (0..<4).map { _ in succession.next(at: start) } == [.start(program: 1), .start(program: 2), .start(program: 0), .wait(until: .never)])
    succession.stop(by: start + .seconds(8), mainIsTold: false)
    #expect(succession.next(at: start) == .stop(program: 0, deadline: start + .seconds(6)))
    succession.stop(by: start + .seconds(9), mainIsTold: false)
    #expect(succession.next(at: start) == .wait(until: .never))
    succession.over(0, at: start + .seconds(2))
    #expect(succession.next(at: start + .seconds(2)) == .stop(program: 2, deadline: start + .seconds(5)))
    succession.over(2, at: start + .seconds(3))
    #expect(succession.next(at: start + .seconds(3)) == .stop(program: 1, deadline: start + .seconds(8)))
    succession.over(1, at: start + .seconds(4))
    #expect(succession.next(at: start + .seconds(4)) == .finish)
  }

  @Test func oneAloneIsStoppedWithTheWholeGrace() {
    var succession = Succession(sidecars: 0, grace: .seconds(8))
    #expect(succession.next(at: start) == .start(program: 0))
    succession.stop(by: start + .seconds(8), mainIsTold: false)
    #expect(succession.next(at: start) == .stop(program: 0, deadline: start + .seconds(8)))
    succession.over(0, at: start)
    #expect(succession.next(at: start) == .finish)
  }

  @Test func whatDiesAgainAndAgainIsStartedAfterPausesThatGrow() {
    var succession = Succession(sidecars: 1, grace: .seconds(8))
    var now = start
    var pauses: [TimeSpan] = []
    _ = (succession.next(at: now), succession.next(at: now))
    for _ in 0..<8 {
      succession.over(1, at: now)
      guard case .wait(let moment) = succession.next(at: now) else { break }
      pauses.append(moment - now)
      now = moment
      #expect(succession.next(at: now) == .start(program: 1))
    }
    #expect(pauses == [1, 2, 4, 8, 16, 32, 60, 60].map { .seconds($0) })
  }
}
