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
  /// The plan with the signal that asked for the stop in TERM's place, where the plan adopts it.
  func passing(on signal: Signal) -> StopPlan {
    guard adoptsReceivedSignal, signal != .term else { return self }
    var plan = self
    for index in plan.steps.indices {
      if case .send(.term, let scope) = plan.steps[index] { plan.steps[index] = .send(signal, scope) }
    }
    return plan
  }
}

/// The last ids that were taken, so that a repeated one changes nothing; the oldest is forgotten beyond 16.
struct SeenIDs: Sendable {
  private var ids: [UInt64] = []

  /// - Returns: false when the id was seen before.
  mutating func insert(_ id: UInt64) -> Bool {
    if ids.contains(id) { return false }
    if ids.count == 16 { ids.removeFirst() }
    ids.append(id)
    return true
  }
}
