/// How to stop one process tree: an ordered list of steps under one deadline.
///
/// A value that every verb of lastcall executes, checks or explains. Durations are on the monotonic clock.
public struct StopPlan: Equatable, Sendable {
  /// Which processes of the tree a step addresses.
  public enum Scope: CaseIterable, Equatable, Sendable {
    /// The main process.
    case main
    /// The members of the tree that are in the main process's process group.
    case group
    /// Whatever of the tree has not had this signal from the plan yet; a wait after it is for the whole tree, since all have been told then.
    case rest
    /// All of the tree.
    case tree
  }

  /// One step of a plan.
  public enum Step: Equatable, Sendable {
    /// Runs a command in the tree's own environment (preStop) and waits for its end; a failure does not end the stop.
    case hook([[UInt8]])
    /// Lets routers notice that the stop has begun.
    case pause(TimeSpan)
    /// Sends a signal to each process of the scope, once.
    case send(Signal, Scope)
    /// Waits until the scope of the `send` before it is empty, at most that long.
    /// `ifUseful`: does not wait at all when waiting cannot help, because the main process is a shell that waits for a
    /// foreground child (it would act on the signal only afterwards), or ignores the signal.
    case wait(TimeSpan, ifUseful: Bool)
  }

  /// What has to be gone for the stop to be complete.
  public enum Until: Equatable, Sendable {
    /// The main process; what it leaves is left.
    case main
    /// The whole tree.
    case tree
  }

  /// The steps, in order. After them, what is left at the deadline is killed.
  public var steps: [Step]
  /// The budget of the whole plan, hooks included; 0 kills at once.
  public var grace: TimeSpan
  /// The least time between the first signal and KILL, even when hooks have eaten the grace. A plan's own text may say less.
  public var floor: TimeSpan
  /// The part at the grace's end that hooks and pauses cannot use, so that the signal comes while there is time to act on it.
  public var reserve: TimeSpan
  /// What has to be gone for the stop to be complete.
  public var until: Until
  /// Whether a stop that a signal asked for passes on that signal wherever the steps say TERM, so that Ctrl-C means INT to the program too.
  public var adoptsReceivedSignal = false

  /// A plan of these parts.
  public init(steps: [Step], grace: TimeSpan, floor: TimeSpan = .zero, reserve: TimeSpan = .zero, until: Until = .tree) {
    self.steps = steps
    self.grace = grace
    self.floor = floor
    self.reserve = reserve
    self.until = until
  }

  /// The plan of those who have not written one: tell the main process; when it has ended, half of the grace is gone, or waiting cannot
  /// help, tell the rest; KILL what is left at grace.
  ///
  /// - Parameters:
  ///   - signal: what is sent, TERM unless the program wants another.
  ///   - grace: the budget. The floor is a quarter of it, at most one second.
  public static func standard(_ signal: Signal = .term, grace: TimeSpan) -> StopPlan {
    let floor = min(grace / 4, .seconds(1))
    var plan = StopPlan(
      steps: [.send(signal, .main), .wait(grace / 2, ifUseful: true), .send(signal, .rest)],
      grace: grace, floor: floor, reserve: floor)
    plan.adoptsReceivedSignal = true
    return plan
  }

  /// The signal that the plan sends first; TERM when it sends none but KILL.
  public var firstSignal: Signal {
    for step in steps { if case .send(let signal, _) = step, signal != .kill { return signal } }
    return .term
  }

  /// Does that first.
  @inline(never)
  public mutating func begin(with step: Step) { steps.insert(step, at: 0) }

  /// The sum of the plan's waits and pauses: the time its text alone asks for.
  public var writtenLength: TimeSpan {
    var sum = TimeSpan.zero
    for step in steps {
      switch step {
      case .pause(let span), .wait(let span, _): sum = sum + span
      case .hook, .send: break
      }
    }
    return sum
  }
}

/// What becomes of a signal before it is forwarded.
public struct Rewrite: Equatable, Sendable {
  /// Entry n is for signal n+1: 0 forwards it as it is, -1 drops it, another number is sent in its place.
  private var table = InlineArray<64, Int8>(repeating: 0)

  /// Forwards everything as it is.
  public init() {}

  /// Sets what `signal` becomes; nil drops it.
  public mutating func set(_ signal: Signal, to replacement: Signal?) {
    table[Int(signal.number) - 1] = replacement.map { Int8(truncatingIfNeeded: $0.number) } ?? -1
  }

  /// Whether it was set what `signal` becomes, be it itself.
  public func isSet(_ signal: Signal) -> Bool { table[Int(signal.number) - 1] != 0 }

  /// What `signal` becomes, or nil when it is dropped.
  public func apply(to signal: Signal) -> Signal? {
    let entry = table[Int(signal.number) - 1]
    return entry == 0 ? signal : Signal(number: Int32(entry))
  }

  /// Whether both do the same.
  public static func == (lhs: Rewrite, rhs: Rewrite) -> Bool {
    for index in lhs.table.indices where lhs.table[index] != rhs.table[index] { return false }
    return true
  }
}
