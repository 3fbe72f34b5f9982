import Seeded
import Testing

@testable import LastCallHTTP

@Suite struct ConnectionDrainTests {
  private let second: UInt64 = 1_000_000_000

  private func answered() -> ConnectionDrain {
    var machine = ConnectionDrain()
    for event in [.bytes, .requestHead(closes: false), .responseHead(closes: false), .responseEnd, .flushed] as [ConnectionDrain.Event] {
      #expect(machine.handle(event, at: 0).isEmpty)
    }
    return machine
  }

  @Test func anIdleConnectionIsLeftOpenWhileNothingStops() {
    #expect(answered().deadline == nil)
    #expect(!answered().refusesRequests)
  }

  @Test func anIdleConnectionLingersThenEndsByAFinThenCloses() {
    var machine = answered()
    #expect(machine.handle(.drain, at: 0).isEmpty)
    #expect(machine.deadline == second)
    #expect(machine.handle(.deadline, at: second).isEmpty)
    let look = second + 5_000_000
    #expect(machine.deadline == look)
    #expect(machine.handle(.deadline, at: look) == [.closeOutput])
    #expect(machine.discardsInput)
    #expect(machine.deadline == look + 2 * second)
    #expect(machine.handle(.deadline, at: look + 2 * second) == [.close])
    #expect(machine.deadline == nil)
  }

  @Test func aLateRequestIsAnsweredWithConnectionClose() {
    var machine = answered()
    _ = machine.handle(.drain, at: 0)
    _ = machine.handle(.bytes, at: 1)
    #expect(machine.deadline == 1 + 5 * second)
    _ = machine.handle(.requestHead(closes: false), at: 2)
    #expect(machine.deadline == nil)
    #expect(machine.handle(.responseHead(closes: false), at: 3) == [.announceClose])
    #expect(machine.refusesRequests)
    #expect(machine.handle(.responseEnd, at: 4).isEmpty)
    #expect(machine.handle(.flushed, at: 5) == [.closeOutput])
    #expect(machine.handle(.inputClosed, at: 6) == [.close])
  }

  @Test func aRequestThatComesInTheLastLookIsAnswered() {
    var machine = answered()
    _ = machine.handle(.drain, at: 0)
    _ = machine.handle(.deadline, at: second)
    _ = machine.handle(.bytes, at: second + 1)
    _ = machine.handle(.requestHead(closes: false), at: second + 1)
    #expect(machine.handle(.deadline, at: second + 5_000_000).isEmpty)
    #expect(machine.handle(.responseHead(closes: false), at: second + 2) == [.announceClose])
  }

  @Test func aResponseWhoseHeadIsOutKeepsTheConnectionForOneMoreRequest() {
    var machine = ConnectionDrain()
    _ = machine.handle(.requestHead(closes: false), at: 0)
    #expect(machine.handle(.responseHead(closes: false), at: 0).isEmpty)
    #expect(machine.handle(.drain, at: 1).isEmpty)
    #expect(machine.deadline == nil)
    #expect(machine.handle(.responseEnd, at: 2).isEmpty)
    #expect(machine.handle(.flushed, at: 2).isEmpty)
    #expect(machine.deadline == 2 + second)
  }

  /// A slow client of a long response: nothing that was written is cut short, whoever ends what meanwhile.
  @Test func aResponseThatTheKernelHasNotTakenKeepsTheConnection() {
    var machine = ConnectionDrain()
    for event in [.requestHead(closes: false), .responseHead(closes: false), .responseEnd] as [ConnectionDrain.Event] {
      #expect(machine.handle(event, at: 0).isEmpty)
    }
    #expect(machine.handle(.drain, at: 1).isEmpty)
    #expect(machine.handle(.keepAlive(false), at: 1).isEmpty)
    #expect(machine.handle(.bytes, at: 1).isEmpty)
    #expect(machine.deadline == nil)
    var ended = machine
    #expect(machine.handle(.flushed, at: 60 * second).isEmpty)
    #expect(machine.deadline == 65 * second)
    #expect(ended.handle(.inputClosed, at: 2).isEmpty)
    #expect(ended.handle(.flushed, at: 60 * second) == [.close])
  }

  @Test func aConnectionWithoutARequestGetsTimeForItButNotForever() {
    var machine = ConnectionDrain()
    _ = machine.handle(.drain, at: 0)
    #expect(machine.deadline == 5 * second)
    _ = machine.handle(.bytes, at: 4 * second)
    #expect(machine.deadline == 5 * second)
    _ = machine.handle(.bytes, at: 4 * second + 1)
    #expect(machine.deadline == 5 * second)
  }

  @Test func ofPipelinedRequestsOnlyTheLastResponseSaysClose() {
    var machine = ConnectionDrain()
    _ = machine.handle(.requestHead(closes: false), at: 0)
    _ = machine.handle(.requestHead(closes: false), at: 0)
    _ = machine.handle(.drain, at: 1)
    #expect(machine.handle(.responseHead(closes: false), at: 2).isEmpty)
    _ = machine.handle(.responseEnd, at: 2)
    #expect(machine.handle(.responseHead(closes: false), at: 2) == [.announceClose])
  }

  @Test func aPipelineHasAnEnd() {
    var machine = ConnectionDrain()
    _ = machine.handle(.requestHead(closes: false), at: 0)
    _ = machine.handle(.drain, at: 1)
    #expect(machine.handle(.requestHead(closes: false), at: second).isEmpty)
    #expect(machine.inFlight == 2)
    #expect(machine.handle(.requestHead(closes: false), at: second + 1) == [.refuseRequest])
    #expect(machine.inFlight == 2)
    #expect(machine.handle(.responseHead(closes: false), at: second + 2).isEmpty)
    _ = machine.handle(.responseEnd, at: second + 2)
    #expect(machine.handle(.responseHead(closes: false), at: second + 3) == [.announceClose])
    _ = machine.handle(.responseEnd, at: second + 3)
    #expect(machine.handle(.flushed, at: second + 3).isEmpty)
    #expect(machine.handle(.flushed, at: second + 3) == [.closeOutput])
  }

  @Test func afterThePipelinesEndARequestIsTakenIfNoOtherResponseCanSayClose() {
    var machine = ConnectionDrain()
    _ = machine.handle(.requestHead(closes: false), at: 0)
    _ = machine.handle(.responseHead(closes: false), at: 0)
    _ = machine.handle(.drain, at: 1)
    #expect(machine.handle(.requestHead(closes: false), at: 3 * second).isEmpty)
    #expect(machine.handle(.requestHead(closes: false), at: 3 * second) == [.refuseRequest])
    _ = machine.handle(.responseEnd, at: 3 * second)
    #expect(machine.handle(.responseHead(closes: false), at: 4 * second) == [.announceClose])
  }

  @Test func withoutKeepAliveResponsesSayCloseAndIdleConnectionsEnd() {
    var machine = answered()
    #expect(machine.handle(.keepAlive(false), at: 0).isEmpty)
    #expect(machine.deadline == second)
    #expect(machine.handle(.keepAlive(true), at: 1).isEmpty)
    #expect(machine.deadline == nil)
    _ = machine.handle(.keepAlive(false), at: 2)
    _ = machine.handle(.requestHead(closes: false), at: 3)
    #expect(machine.handle(.responseHead(closes: false), at: 4) == [.announceClose])
    var unused = ConnectionDrain()
    #expect(unused.handle(.keepAlive(false), at: 0).isEmpty)
    #expect(unused.deadline == nil)
  }

  @Test func aConnectionThatWasHandedOverIsToldAndBounded() {
    var machine = ConnectionDrain()
    _ = machine.handle(.requestHead(closes: false), at: 0)
    #expect(machine.handle(.handedOver(bounded: true), at: 0).isEmpty)
    #expect(machine.inFlight == 0)
    #expect(machine.deadline == nil)
    #expect(machine.handle(.drain, at: 1) == [.tellSuccessor])
    #expect(machine.deadline == 1 + 5 * second)
    #expect(machine.handle(.drain, at: 2).isEmpty)
    #expect(machine.handle(.bytes, at: 3).isEmpty)
    #expect(machine.handle(.deadline, at: 1 + 5 * second) == [.closeOutput])
    #expect(machine.handle(.inputClosed, at: 6 * second) == [.close])
  }

  @Test func aConnectionThatIsHandedOverInADrainIsBoundedToo() {
    var machine = ConnectionDrain()
    _ = machine.handle(.drain, at: 0)
    _ = machine.handle(.handedOver(bounded: true), at: 1)
    #expect(machine.deadline == 1 + 5 * second)
    #expect(machine.handle(.finish, at: 2) == [.closeOutput])
    #expect(machine.deadline == 2 + 2 * second)
  }

  @Test func anUnboundedSuccessorEndsWhenItSaysSo() {
    var machine = ConnectionDrain()
    _ = machine.handle(.handedOver(bounded: false), at: 0)
    #expect(machine.handle(.drain, at: 1) == [.tellSuccessor])
    #expect(machine.deadline == nil)
    #expect(machine.handle(.inputClosed, at: 2).isEmpty)
    #expect(machine.handle(.finish, at: 3) == [.close])
  }

  @Test func aClientThatAsksForCloseIsToldSo() {
    var machine = ConnectionDrain()
    _ = machine.handle(.requestHead(closes: true), at: 0)
    #expect(machine.handle(.responseHead(closes: false), at: 0) == [.announceClose])
  }

  @Test func aClientThatEndedItsSideStillGetsItsResponse() {
    var machine = ConnectionDrain()
    _ = machine.handle(.requestHead(closes: true), at: 0)
    #expect(machine.handle(.inputClosed, at: 0).isEmpty)
    _ = machine.handle(.responseHead(closes: false), at: 0)
    _ = machine.handle(.responseEnd, at: 0)
    #expect(machine.handle(.flushed, at: 0) == [.close])
  }

  /// Random clients and a drain at a random time. What must hold whatever happens:
  /// no FIN while a request is unanswered or a response is not sent, the last response of a drained connection announces the close or the connection was idle
  /// for the whole linger, and every drained connection ends, once nothing more is asked or though a client pipelines without end.
  @Test func simulation() {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededRandom(seed: seed)
    for run in 0..<5_000 {
      var simulation = Simulation(random: random)
      let problem = simulation.run()
      random = simulation.random
      #expect(problem == nil, "seed \(seed), run \(run)")
      if problem != nil { return }
    }
  }
}

/// One connection as its handlers would drive the machine.
private struct Simulation {
  var random: SeededRandom
  private var machine = ConnectionDrain()
  private var now: UInt64 = 0
  private var drainedAt: UInt64?
  private var unanswered = 0
  /// Responses that are written and that the client's slowness keeps from the kernel.
  private var untaken = 0
  private var headWritten = false
  private var idleSince: UInt64 = 0
  private var finSent = false
  private var isClosed = false
  private var wasRefused = false

  init(random: SeededRandom) {
    self.random = random
  }

  mutating func run() -> String? {
    for _ in 0..<Int.random(in: 0...60, using: &random) where !isClosed {
      now += UInt64.random(in: 0...400_000_000, using: &random)
      if let problem = fireDeadline() ?? step() { return problem }
    }
    if drainedAt == nil { drainedAt = now }
    if let problem = perform(.drain) { return problem }
    let pipelines = Bool.random(using: &random)
    for _ in 0..<200 where unanswered > 0 && !isClosed {
      if pipelines, let problem = request() { return problem }
      now += 50_000_000
      if let problem = answer() { return problem }
    }
    if unanswered > 0, !isClosed { return "a pipelining client holds the connection" }
    if let problem = take() { return problem }
    for _ in 0..<8 {
      guard !isClosed, let due = machine.deadline else { break }
      now = max(now, due)
      if let problem = fireDeadline() { return problem }
    }
    return isClosed ? nil : "the connection never ended"
  }

  private mutating func fireDeadline() -> String? {
    guard let due = machine.deadline, due <= now else { return nil }
    return perform(.deadline)
  }

  private mutating func step() -> String? {
    switch Int.random(in: 0...9, using: &random) {
    case 0 where drainedAt == nil:
      drainedAt = now
      return perform(.drain)
    case 1, 2, 3:
      if machine.discardsInput { return nil }
      return perform(.bytes) ?? request()
    case 4: return machine.discardsInput ? nil : perform(.bytes)
    case 5 where Int.random(in: 0...9, using: &random) == 0: return perform(.inputClosed)
    case 6: return take()
    default: return unanswered > 0 ? answer() : nil
    }
  }

  private mutating func request() -> String? {
    guard !isClosed, !machine.refusesRequests else { return nil }
    wasRefused = false
    let problem = perform(.requestHead(closes: Int.random(in: 0...19, using: &random) == 0))
    if wasRefused, drainedAt == nil { return "refused without a drain" }
    return problem
  }

  private mutating func answer() -> String? {
    if !headWritten {
      headWritten = true
      return perform(.responseHead(closes: Int.random(in: 0...19, using: &random) == 0))
    }
    headWritten = false
    unanswered -= 1
    untaken += 1
    return perform(.responseEnd) ?? (Int.random(in: 0...3, using: &random) > 0 ? take() : nil)
  }

  /// The kernel takes what has been written.
  private mutating func take() -> String? {
    while untaken > 0, !isClosed {
      untaken -= 1
      idleSince = now
      if let problem = perform(.flushed) { return problem }
    }
    return nil
  }

  private mutating func perform(_ event: ConnectionDrain.Event) -> String? {
    if case .requestHead = event { unanswered += 1 }
    for action in machine.handle(event, at: now) {
      switch action {
      case .announceClose:
        if unanswered > 1 { return "close announced before the last response" }
      case .refuseRequest:
        wasRefused = true
        unanswered -= 1
      case .tellSuccessor: return "nobody has taken over"
      case .closeOutput, .close:
        if unanswered > 0 || untaken > 0 { return "\(action) with \(unanswered) unanswered, \(untaken) not sent" }
        if action == .closeOutput, finSent { return "two FINs" }
        if action == .closeOutput, event == .deadline, now < max(idleSince, drainedAt ?? .max) + 1_000_000_000 {
          return "FIN before the linger was over"
        }
        if action == .close { isClosed = true } else { finSent = true }
      }
    }
    return machine.inFlight == unanswered || isClosed ? nil : "miscounted"
  }
}
