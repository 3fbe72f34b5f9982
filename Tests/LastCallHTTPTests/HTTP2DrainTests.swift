import Seeded
import Testing

@testable import LastCallHTTP

@Suite struct HTTP2DrainTests {
  @Test func twoGoAwaysThenTheEnd() {
    var machine = HTTP2Drain(ackLimit: 100)
    _ = machine.handle(.streamOpened(1), at: 0)
    #expect(machine.handle(.drain, at: 10) == [.announce])
    #expect(machine.deadline == 110)
    #expect(machine.handle(.streamOpened(3), at: 20).isEmpty)
    #expect(machine.handle(.pingAcknowledged, at: 30) == [.conclude(lastStream: 3)])
    #expect(machine.deadline == nil)
    #expect(machine.handle(.streamClosed, at: 40).isEmpty)
    #expect(machine.handle(.streamClosed, at: 50) == [.finish])
  }

  @Test func anIdleConnectionEndsWithTheSecondGoAway() {
    var machine = HTTP2Drain(ackLimit: 100)
    #expect(machine.handle(.drain, at: 0) == [.announce])
    #expect(machine.handle(.drain, at: 0).isEmpty)
    #expect(machine.handle(.pingAcknowledged, at: 1) == [.conclude(lastStream: 0), .finish])
    #expect(machine.handle(.pingAcknowledged, at: 2).isEmpty)
    #expect(machine.handle(.streamClosed, at: 2).isEmpty)
  }

  @Test func aMissingAcknowledgementIsNotWaitedFor() {
    var machine = HTTP2Drain(ackLimit: 100)
    _ = machine.handle(.streamOpened(1), at: 0)
    _ = machine.handle(.drain, at: 0)
    #expect(machine.handle(.deadline, at: 99).isEmpty)
    #expect(machine.handle(.deadline, at: 100) == [.conclude(lastStream: 1)])
    #expect(machine.handle(.pingAcknowledged, at: 101).isEmpty)
    #expect(machine.handle(.streamClosed, at: 102) == [.finish])
  }

  @Test func aClientThatEndsItsSideStillGetsItsResponses() {
    var machine = HTTP2Drain(ackLimit: 100)
    _ = machine.handle(.streamOpened(1), at: 0)
    #expect(machine.handle(.inputClosed, at: 0).isEmpty)
    #expect(machine.handle(.streamClosed, at: 1) == [.finish])
  }

  /// Random clients. Whatever happens: one announcement, one conclusion after it, which names the last stream of before; no end while a
  /// stream is in flight; and an end in the time of the bound once the streams have ended.
  @Test func simulation() {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededRandom(seed: seed)
    for run in 0..<5_000 {
      let problem = simulate(&random)
      #expect(problem == nil, "seed \(seed), run \(run)")
      if problem != nil { return }
    }
  }

  private func simulate(_ random: inout SeededRandom) -> String? {
    var machine = HTTP2Drain(ackLimit: 100)
    var now: UInt64 = 0
    var next = 1
    var streams = 0
    var inputEnded = false
    var actions: [HTTP2Drain.Action] = []
    var lastBeforeConclusion = 0
    func perform(_ event: HTTP2Drain.Event) -> String? {
      for action in machine.handle(event, at: now) {
        actions.append(action)
        if case .conclude(let last) = action, last != lastBeforeConclusion { return "named \(last), not \(lastBeforeConclusion)" }
        if action == .finish, streams > 0 { return "the end with \(streams) streams" }
      }
      return nil
    }
    func hasConcluded() -> Bool { actions.contains { if case .conclude = $0 { true } else { false } } }
    for _ in 0..<random.int(0...40) where !actions.contains(.finish) {
      now += UInt64(random.int(0...40))
      var problem: String?
      if let due = machine.deadline, due <= now { problem = perform(.deadline) }
      if actions.contains(.finish) { break }
      switch random.int(0...6) {
      case 0: problem = problem ?? perform(.drain)
      case 1: problem = problem ?? perform(.pingAcknowledged)
      case 2 where random.chance(10):
        inputEnded = true
        problem = problem ?? perform(.inputClosed)
      case 3, 4:
        if inputEnded || hasConcluded() { break }
        streams += 1
        lastBeforeConclusion = next
        problem = problem ?? perform(.streamOpened(next))
        next += 2
      default:
        guard streams > 0 else { break }
        streams -= 1
        problem = problem ?? perform(.streamClosed)
      }
      if let problem { return problem }
    }
    if !actions.contains(.finish) {
      if let problem = perform(.drain) { return problem }
      while streams > 0 {
        streams -= 1
        if let problem = perform(.streamClosed) { return problem }
      }
      now += 100
      if let problem = perform(.deadline) { return problem }
    }
    let announced = actions.count { $0 == .announce }
    return actions.count { $0 == .finish } == 1 && announced <= 1 ? nil : "\(actions)"
  }
}
