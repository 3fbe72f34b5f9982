/// Decides for the programs of one keeper, the main one and those that serve it (`--with`), when each is started, stopped and started again.
///
/// Those that serve are started before the main one, in order, and stopped after it has ended, in reverse order, as Kubernetes orders
/// sidecars (KEP-753). All of it is under one deadline: the main program leaves a part of the grace to the others, and each of them an equal
/// part of what is left to those after it, so that everyone is told before KILL.
public struct Succession: Sendable {
  /// What the death of a program by itself means.
  public enum Policy: UInt8, Sendable {
    /// The others go on.
    case ignore
    /// It is started again, after a pause that grows.
    case restart
    /// All are stopped.
    case stop
  }

  /// What can happen.
  public enum Event: Equatable, Sendable {
    /// The stop of everything was asked for, to be over by then.
    case stop(deadline: Instant)
    /// Nothing is left of a program: it ended by itself, could not be started, or its plan is over.
    case over(program: Int)
    /// Time has passed.
    case clock
  }

  /// What is to be done.
  public enum Action: Equatable, Sendable {
    /// Start a program.
    case start(program: Int)
    /// Stop a program by its plan, to be over by then.
    case stop(program: Int, deadline: Instant)
    /// Send `.clock` at this moment.
    case arm(Instant)
    /// Nothing runs, and nothing will.
    case finish
  }

  private enum Phase: Equatable {
    case ended
    case running(since: Instant)
    case waiting(until: Instant)
  }

  /// The main program's number; those that serve it follow, in the order of their starts.
  public static let main = 0

  private let grace: TimeSpan
  private let policies: (main: Policy, others: Policy)
  private var phases: [Phase]
  private var backoffs: [Backoff]
  private var deadline: Instant?
  /// The program that is being stopped.
  private var current: Int?

  /// - Parameters:
  ///   - others: how many programs serve the main one, 0 or more.
  ///   - grace: the budget of a stop that nobody gave a deadline.
  ///   - mainPolicy: what the main program's death means.
  ///   - othersPolicy: what the death of one of the others means.
  ///   - pauses: the first and the longest pause before a restart.
  public init(
    others: Int, grace: TimeSpan, mainPolicy: Policy = .stop, othersPolicy: Policy = .restart,
    pauses: ClosedRange<TimeSpan> = .seconds(1) ... .seconds(60)
  ) {
    self.grace = grace
    policies = (mainPolicy, othersPolicy)
    phases = [Phase](repeating: .ended, count: others + 1)
    backoffs = [Backoff](repeating: Backoff(pauses), count: others + 1)
  }

  /// The part of the grace that the main program has: three quarters when others are stopped after it.
  public static func mainGrace(_ grace: TimeSpan, others: Int) -> TimeSpan { others == 0 ? grace : grace - grace / 4 }

  /// Whether everything is being stopped.
  public var isStopping: Bool { deadline != nil }

  /// The programs to start at first, in this order.
  public mutating func begin(at now: Instant) -> [Action] {
    var actions: [Action] = []
    var program = 1
    while program < phases.count {
      actions.append(start(program, at: now))
      program += 1
    }
    actions.append(start(Self.main, at: now))
    return actions
  }

  /// Takes in what happened and returns what to do about it.
  public mutating func handle(_ event: Event, at now: Instant) -> [Action] {
    switch event {
    case .stop(let wanted): return stop(by: wanted, at: now)
    case .over(let program):
      guard case .running(let since) = phases[program] else { return [] }
      phases[program] = .ended
      if deadline != nil {
        if program != current, current != nil { return [] }
        return stopNext(at: now)
      }
      return died(program, since: since, at: now)
    case .clock: return startWaiting(at: now)
    }
  }

  private mutating func start(_ program: Int, at now: Instant) -> Action {
    phases[program] = .running(since: now)
    return .start(program: program)
  }

  private mutating func stop(by wanted: Instant, at now: Instant) -> [Action] {
    if let deadline {
      guard wanted < deadline else { return [] }
      self.deadline = wanted
      guard let current else { return [] }
      return [.stop(program: current, deadline: share(of: current, at: now))]
    }
    deadline = wanted
    var program = 0
    while program < phases.count {
      if case .waiting = phases[program] { phases[program] = .ended }
      program += 1
    }
    return stopNext(at: now)
  }

  /// The main program first, then the others from the last to the first.
  private mutating func stopNext(at now: Instant) -> [Action] {
    current = nil
    if isRunning(Self.main) {
      current = Self.main
    } else {
      var program = phases.count - 1
      while program > 0, !isRunning(program) { program -= 1 }
      if program > 0 { current = program }
    }
    guard let current else { return [.finish] }
    return [.stop(program: current, deadline: share(of: current, at: now))]
  }

  private func isRunning(_ program: Int) -> Bool {
    if case .running = phases[program] { true } else { false }
  }

  /// By when a program has to be over so that those after it have their part.
  private func share(of program: Int, at now: Instant) -> Instant {
    guard let deadline, now < deadline else { return deadline ?? now }
    var after = 0
    var other = 1
    while other < phases.count {
      if other != program, isRunning(other) { after += 1 }
      other += 1
    }
    let left = deadline - now
    if after == 0 { return deadline }
    return program == Self.main ? now + (left - left / 4) : now + left / Int64(after + 1)
  }

  private mutating func died(_ program: Int, since: Instant, at now: Instant) -> [Action] {
    switch program == Self.main ? policies.main : policies.others {
    case .stop: return stop(by: now + grace, at: now)
    case .restart:
      // What ran for long did not fail by its start.
      if now - since >= backoffs[program].bounds.upperBound { backoffs[program].reset() }
      let until = now + backoffs[program].next()
      phases[program] = .waiting(until: until)
      return [.arm(nextStart ?? until)]
    case .ignore:
      for phase in phases where phase != .ended { return [] }
      return [.finish]
    }
  }

  private mutating func startWaiting(at now: Instant) -> [Action] {
    var actions: [Action] = []
    var program = 0
    while program < phases.count {
      if case .waiting(let until) = phases[program], now >= until { actions.append(start(program, at: now)) }
      program += 1
    }
    if let nextStart { actions.append(.arm(nextStart)) }
    return actions
  }

  private var nextStart: Instant? {
    var next: Instant?
    for phase in phases {
      if case .waiting(let until) = phase { next = min(next ?? until, until) }
    }
    return next
  }
}
