/// One request to stop. Who repeats it (a recovered engine, a kubelet) repeats its id, and nothing changes.
public struct StopRequest: Equatable, Sendable {
  /// Chosen by who asks, unique for the tree.
  public var id: UInt64
  /// When it must be over; nil means the plan's grace from now on. A later request can move it earlier, never later.
  public var deadline: Instant?
  /// The plan to use, or nil for the keeper's own. Only the first request's plan counts; one with grace 0 always kills at once.
  public var plan: StopPlan?

  /// A request.
  public init(id: UInt64, deadline: Instant? = nil, plan: StopPlan? = nil) {
    self.id = id
    self.deadline = deadline
    self.plan = plan
  }
}

extension StopPlan {
  /// Puts the signal that asked for the stop in TERM's place, where the plan adopts it; but not for the rest, where a shell's background
  /// children ignore INT and QUIT (POSIX Shell Command Language, 2.11), and most programs an image's own WINCH.
  mutating func pass(on signal: Signal) {
    guard adoptsReceivedSignal, signal != .term else { return }
    for index in steps.indices {
      if case .send(.term, let scope) = steps[index], scope != .rest { steps[index] = .send(signal, scope) }
    }
  }

  /// Fits the plan to a stop that was announced: what is left of the grace, and of a pause that has begun.
  mutating func fit(grace: TimeSpan, pause: TimeSpan?) {
    self.grace = grace
    floor = min(floor, grace / 4)
    for index in steps.indices {
      switch steps[index] {
      case .pause: if let pause { steps[index] = .pause(pause) }
      // Half of the grace, in the standard plan.
      case .wait(_, ifUseful: true): steps[index] = .wait(grace / 2, ifUseful: true)
      default: break
      }
    }
  }
}

/// The last ten ids that were taken, so that a repeated one changes nothing.
struct SeenIDs: Sendable {
  private var ids = InlineArray<10, UInt64>(repeating: 0)
  private var count = 0

  /// - Returns: false when the id was seen before.
  mutating func insert(_ id: UInt64) -> Bool {
    for index in 0..<min(count, ids.count) where ids[index] == id { return false }
    ids[count % ids.count] = id
    count += 1
    return true
  }
}
