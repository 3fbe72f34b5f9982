/// Decides for the programs of one keeper, the main one and its sidecars (`--with`), when each is started, stopped and started again.
///
/// Sidecars are started before the main program, in order, and stopped after it has ended, in reverse order, as Kubernetes does
/// (KEP-753). All of it is under one deadline: the main program leaves a part of the grace to the others, and each of them an equal part
/// of what is left to those after it, so that everyone is told before KILL.
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

  /// What is to be done now.
  public enum Action: Equatable, Sendable {
    /// Start a program.
    case start(program: Int)
    /// Stop a program by its plan, to be over by then.
    case stop(program: Int, deadline: Instant)
    /// KILL what keeps a sidecar: it has not ended by its own bound. It counts as ended.
    case kill(program: Int)
    /// Nothing before this moment, or before something happens.
    case wait(until: Instant)
    /// Nothing runs, and nothing will.
    case finish
  }

  private enum Phase {
    case ended, running, waiting
  }

  private struct Program {
    var phase = Phase.waiting
    /// Whether it was told of the stop.
    var isTold = false
    /// How often it has ended soon after its start, one time after another.
    var failures: UInt8 = 0
    /// When it was started, or is to be.
    var moment = Instant(nanoseconds: 0)
  }

  /// The main program's number; its sidecars follow, in the order of their starts.
  public static let main = 0
  /// The most sidecars there can be.
  public static let limit = 16
  /// How long after the deadline a sidecar's keeper can be there: it waits `StopMachine.killBound` for what it killed.
  static let keeperBound = StopMachine.killBound + .seconds(1)

  private let grace: TimeSpan
  private let mainPolicy: Policy
  private let sidecarPolicy: Policy
  private let pauses: ClosedRange<TimeSpan>
  private let count: Int
  private var deadline: Instant?
  private var programs: InlineArray<17, Program>

  /// - Parameters:
  ///   - sidecars: how many there are, 0 to `limit`.
  ///   - grace: the budget of a stop that nobody gave a deadline.
  ///   - mainPolicy: what the main program's death means.
  ///   - sidecarPolicy: what the death of a sidecar means.
  ///   - pauses: the first and the longest pause before a restart.
  public init(
    sidecars: Int, grace: TimeSpan, mainPolicy: Policy = .stop, sidecarPolicy: Policy = .restart,
    pauses: ClosedRange<TimeSpan> = .seconds(1) ... .seconds(60)
  ) {
    self.grace = grace
    self.mainPolicy = mainPolicy
    self.sidecarPolicy = sidecarPolicy
    count = min(sidecars, Self.limit) + 1
    programs = InlineArray(repeating: Program())
    self.pauses = pauses
  }

  /// The part of the grace that the main program has: three quarters when sidecars are stopped after it.
  public static func mainGrace(_ grace: TimeSpan, sidecars: Int) -> TimeSpan { sidecars == 0 ? grace : grace - grace / 4 }

  /// Everything is to be stopped, and over by then. A later deadline than one before changes nothing.
  /// - Parameter mainIsTold: whether the main program's stop is under way.
  public mutating func stop(by wanted: Instant, mainIsTold: Bool) {
    if let deadline, deadline <= wanted { return }
    deadline = wanted
    for program in 0..<count { programs[program].isTold = program == Self.main && mainIsTold }
  }

  /// Nothing is left of a program: it ended by itself, could not be started, or its plan is over.
  public mutating func over(_ program: Int, at now: Instant) {
    guard programs[program].phase == .running else { return }
    programs[program].phase = .ended
    if deadline != nil { return }
    switch program == Self.main ? mainPolicy : sidecarPolicy {
    case .stop: deadline = now + grace
    case .restart:
      // What ran for long did not fail by its start.
      if now - programs[program].moment >= pauses.upperBound { programs[program].failures = 0 }
      var backoff = Backoff(pauses)
      for _ in 0..<programs[program].failures { _ = backoff.next() }
      programs[program].moment = now + backoff.next()
      if programs[program].failures < .max { programs[program].failures += 1 }
      programs[program].phase = .waiting
    case .ignore: break
    }
  }

  /// What to do next; asked again after each thing that was done, until it says to wait or that it is over.
  @inline(never)
  public mutating func next(at now: Instant) -> Action {
    if let deadline { return nextStop(deadline, at: now) }
    var next = Instant.never
    var isAnyRunning = false
    for number in 1...count {
      // The main program last.
      let program = number == count ? Self.main : number
      switch programs[program].phase {
      case .running: isAnyRunning = true
      case .ended: break
      case .waiting:
        if now >= programs[program].moment {
          programs[program].moment = now
          programs[program].phase = .running
          return .start(program: program)
        }
        next = min(next, programs[program].moment)
      }
    }
    return isAnyRunning || next != .never ? .wait(until: next) : .finish
  }

  /// The main program first, then the sidecars from the last to the first.
  private mutating func nextStop(_ deadline: Instant, at now: Instant) -> Action {
    var program = Self.main
    if programs[program].phase != .running {
      program = count - 1
      while program > 0, programs[program].phase != .running { program -= 1 }
      if program == 0 { return .finish }
    }
    if !programs[program].isTold {
      programs[program].isTold = true
      return .stop(program: program, deadline: share(of: program, of: deadline, at: now))
    }
    // The main program's own bounds are its machine's.
    if program == Self.main { return .wait(until: .never) }
    let bound = deadline + Self.keeperBound
    if now < bound { return .wait(until: bound) }
    programs[program].phase = .ended
    return .kill(program: program)
  }

  /// By when a program has to be over so that those after it have their part.
  private func share(of program: Int, of deadline: Instant, at now: Instant) -> Instant {
    var after: Int64 = 0
    for other in 1..<count where other != program && programs[other].phase == .running { after += 1 }
    guard now < deadline, after > 0 else { return deadline }
    let left = deadline - now
    return now + (program == Self.main ? left - left / 4 : left / (after + 1))
  }
}
