import Rollout
import Seeded
import StopPlan
import Testing

@Suite struct StopOrderTests {
  private let start = Instant(nanoseconds: 1_000_000_000_000)

  @Test func lastcallWaitsForTheRouterAndKubernetesRacesWithIt() {
    #expect(StopOrder.lastcall.steps == [.deregister(isAwaited: true), .drain, .preStop, .signal])
    #expect(StopOrder.kubernetes.steps == [.deregister(isAwaited: false), .preStop, .signal])
  }

  /// The numbers of kubelet's killContainer and calculateEffectiveGracePeriod.
  @Test func kubernetesDeductsWholeSecondsAndLeavesTwo() {
    func left(_ spent: TimeSpan..., grace: TimeSpan) -> TimeSpan {
      let now = spent.reduce(start) { $0 + $1 }
      return StopOrder.kubernetes.killTime(deadline: start + grace, from: start, spent: spent, at: now) - now
    }
    #expect(left(grace: .seconds(30)) == .seconds(30))
    #expect(left(.milliseconds(900), grace: .seconds(30)) == .seconds(30))
    #expect(left(.milliseconds(1_100), grace: .seconds(30)) == .seconds(29))
    // Each of them is truncated for itself.
    #expect(left(.milliseconds(900), .milliseconds(900), grace: .seconds(30)) == .seconds(30))
    #expect(left(.seconds(29), grace: .seconds(30)) == .seconds(2))
    #expect(left(.seconds(30), grace: .seconds(30)) == .seconds(2))
    #expect(
      StopOrder.lastcall.killTime(deadline: start + .seconds(30), from: start, spent: [.seconds(3)], at: start) == start + .seconds(30))
  }

  @Test func aGraceOfZeroKillsAtOnceButNotForKubernetes() {
    #expect(StopOrder.lastcall.deadline(grace: .zero, at: start) < start - .seconds(100))
    #expect(StopOrder.lastcall.deadline(grace: .seconds(3), at: start) == start + .seconds(3))
    #expect(StopOrder.kubernetes.deadline(grace: .zero, at: start) == start + .seconds(1))
    #expect(StopOrder.kubernetes.deadline(grace: .seconds(3), at: start) == start + .seconds(3))
  }

  @Test func onlyKubernetesGivesAHookAllOfTheGrace() throws {
    let plan = try StopPlan("TERM/20/KILL", grace: .seconds(20))
    #expect(StopOrder.lastcall.hookLimit(plan, deadline: start + .seconds(20)) == start + .seconds(15))
    #expect(StopOrder.kubernetes.hookLimit(plan, deadline: start + .seconds(20)) == start + .seconds(20))
  }

  /// Unit cases of kuberuntime_termination_order_test.go: SidecarsInReverseOrder (the waits are 0, 1, 2, 3) and ObeysGrace (0, 1, 2, 2).
  @Test(arguments: StopOrder.allCases, [TimeSpan.seconds(10), .milliseconds(2_500)])
  func sidecarsWaitForTheirTurnAndNotBeyondTheGrace(order: StopOrder, grace: TimeSpan) throws {
    let life = TimeSpan.milliseconds(1_250)
    // The main program ends a life after the request, each sidecar a life after its signal, the last one first.
    var turn = start + life
    var told: [TimeSpan] = []
    for _ in 0..<3 {
      var keeper = try HeldKeeper(order, "TERM/30/KILL", grace: grace, from: start)
      keeper.run(until: turn)
      keeper.takeTurn()
      keeper.run(until: turn + .seconds(60))
      let moment = keeper.told
      let signal = try #require(moment)
      told.append(signal - start)
      turn = max(turn, signal) + life
    }
    let expected = (1...3).map { min(life * $0, grace) }
    #expect(told == expected)
  }

  @Test func aHookThatHangsDelaysTheSignalToTheGraceAndKILLToTwoSecondsMore() throws {
    var keeper = try HeldKeeper(.kubernetes, "hook(hang)/TERM/30/KILL", grace: .seconds(10), from: start)
    keeper.run(until: start + .seconds(60))
    let (told, killed) = (keeper.told, keeper.killed)
    #expect(told == start + .seconds(10))
    #expect(killed == start + .seconds(12))
  }

  @Test func whoeverHasNobodyToTellItGoesOnByItself() throws {
    for order in StopOrder.allCases {
      var keeper = try HeldKeeper(order, "TERM/30/KILL", grace: .seconds(10), from: start)
      keeper.run(until: start + .seconds(60))
      let (told, killed) = (keeper.told, keeper.killed)
      #expect(told == start + .seconds(10))
      #expect(try #require(killed) - start <= .seconds(12))
    }
  }

  /// Whatever the plan, the grace and the moment of the turn: no signal before the turn but at the grace's end, and KILL in its bounds.
  @Test(arguments: UInt64(0)..<4) func theTurnIsKeptToForEverySeed(part: UInt64) throws {
    for seed in (part * 250)..<((part + 1) * 250) {
      var random = SeededRandom(seed: seed)
      let order = random.int(0...1) == 0 ? StopOrder.lastcall : .kubernetes
      let text = ["TERM/30/KILL", "QUIT/1/TERM/30/KILL", "pause(1)/TERM/30/KILL", "hook(x)/TERM@tree/30/KILL"][random.int(0...3)]
      let grace = TimeSpan.milliseconds(Int64(random.int(1_500...20_000)))
      let turn = start + .milliseconds(Int64(random.int(0...25_000)))
      var keeper = try HeldKeeper(order, text, grace: grace, from: start)
      keeper.hookTime = .milliseconds(Int64(random.int(0...25_000)))
      keeper.run(until: turn)
      keeper.takeTurn()
      keeper.run(until: start + .seconds(60))
      let (signal, end, floor) = (keeper.told, keeper.killed, keeper.floor)
      let told = try #require(signal, "seed \(seed)")
      let killed = try #require(end, "seed \(seed)")
      #expect(told >= min(turn, start + grace), "seed \(seed)")
      #expect(told <= max(start + grace, turn), "seed \(seed)")
      #expect(killed >= told + floor, "seed \(seed)")
      #expect(killed <= start + grace + .seconds(order == .kubernetes ? 3 : 1), "seed \(seed)")
    }
  }
}

extension TimeSpan {
  fileprivate static func * (span: TimeSpan, count: Int) -> TimeSpan { .milliseconds(span.nanoseconds / 1_000_000 * Int64(count)) }
}

/// A keeper that waits for its turn, under a simulated clock: its machine, a program that ignores what it is told, a hook that takes its time.
private struct HeldKeeper: ~Copyable {
  private let order: StopOrder
  private let deadline: Instant
  private let start: Instant
  private let turn: Int
  private var machine: StopMachine
  private var now: Instant
  private var alarm: Instant?
  private var reachedAt: Instant?
  private var hookEnd: Instant?
  let floor: TimeSpan
  /// How long a hook takes; nil is for ever.
  var hookTime: TimeSpan?
  private(set) var told: Instant?
  private(set) var killed: Instant?

  init(_ order: StopOrder, _ text: String, grace: TimeSpan, from start: Instant) throws {
    self.order = order
    self.start = start
    deadline = start + grace
    let (plan, turn) = order.holding(try StopPlan(text, grace: grace))
    self.turn = turn
    floor = plan.floor
    now = start
    machine = StopMachine(StopMachine.Settings(plan: plan))
    feed(.stop(StopRequest(id: 1, deadline: deadline + order.allowance)))
  }

  mutating func run(until end: Instant) {
    while let next = [alarm, hookEnd].compactMap({ $0 }).min(), next <= end, killed == nil {
      now = max(now, next)
      if hookEnd == next {
        hookEnd = nil
        feed(.hookEnded)
      } else {
        alarm = nil
        feed(.clock)
      }
    }
    now = max(now, end)
  }

  /// What the engine does when it is this one's turn: nothing until its hook is over.
  mutating func takeTurn() {
    while reachedAt == nil, told == nil, let next = [alarm, hookEnd].compactMap({ $0 }).min() { run(until: next) }
    guard let reachedAt, told == nil else { return }
    let limit = order.killTime(deadline: deadline, from: start, spent: [reachedAt - start, now - reachedAt], at: now)
    feed(.stop(StopRequest(id: 2, deadline: limit)))
    feed(.escalate(id: 3))
  }

  private mutating func feed(_ event: StopMachine.Event) {
    var events = [event]
    while !events.isEmpty {
      for action in machine.handle(events.removeFirst(), at: now) {
        switch action {
        case .arm(let moment): alarm = moment
        case .note(.step(let step)): if step == turn { reachedAt = now }
        case .note(.killing): killed = killed ?? now
        case .runHook: hookEnd = hookTime.map { now + $0 }
        case .observe: events.append(.observed(Self.program))
        case .send(let signal, _), .signalEverything(let signal): if signal != .cont, signal != .kill { told = told ?? now }
        case .forward, .watchGroup, .note, .finish: break
        }
      }
    }
  }

  /// The main process, which ignores what it is told.
  private static var program: Observation {
    let main = ProcessRecord(identity: ProcessIdentity(pid: 10, startTime: 1), state: UInt8(ascii: "S"), group: 10)
    return Observation(members: [main], mainGroup: 10, newestPid: 10, mainCannotAct: false)
  }
}
