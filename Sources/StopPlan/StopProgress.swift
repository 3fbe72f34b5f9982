/// Where a stop under way stands in its plan.
struct StopProgress: Sendable {
  /// What the current step is doing.
  enum Stage: Equatable, Sendable {
    /// It has not begun.
    case entering
    /// Its hook runs.
    case hook
    /// It waits, until `wanted` unless the deadlines cut that short, and then goes on with the step `next`.
    case waiting(wanted: Instant, next: Int)
    /// Somebody escalated to the KILL of step `next`; who was told last still has until then.
    case escalated(until: Instant, next: Int)
    /// It has asked who is there, for the `round`th time. Only who was born up to `newestPid`, before the step's first signal, is told:
    /// what a process starts after it was told is its own clean-up.
    case observing(round: Int, newestPid: Int32)
    /// KILL was sent to everything; what it leaves is waited for until then.
    case killing(until: Instant)
  }

  /// The plan's steps, with KILL for the tree at their end.
  let steps: [StopPlan.Step]
  /// The index in `steps` of the wait that was added before an added KILL: it waits for the whole tree.
  let addedWait: Int?
  let floor: TimeSpan
  let reserve: TimeSpan
  let until: StopPlan.Until
  private(set) var deadline: Instant
  var index = 0
  var stage = Stage.entering
  var firstSignalAt: Instant?
  /// The last moment at which somebody was told for the first time; whoever escalates leaves that one its floor.
  var lastTold: Instant?
  var told = ToldProcesses()
  var mainCannotAct = false
  var groupEmpty = false
  var hookEnded = false
  private var requests = SeenIDs()

  init(plan: StopPlan, deadline: Instant) {
    var steps = plan.steps
    if case .send(.kill, let scope)? = steps.last, scope == .tree || scope == .rest {
      addedWait = nil
    } else {
      addedWait = steps.count
      steps.append(.wait(.longest, ifUseful: false))
      steps.append(.send(.kill, .tree))
    }
    self.steps = steps
    floor = plan.floor
    reserve = plan.reserve
    until = plan.until
    self.deadline = deadline
  }

  /// The latest moment for KILL: the deadline, or a floor after the first signal when hooks ate the grace.
  var killBound: Instant {
    guard let firstSignalAt else { return deadline }
    return max(deadline, firstSignalAt + floor)
  }

  /// The moment by which the current step's wait must be over. Signals that are still to be sent are brought forward so that
  /// everyone is told a floor before KILL; hooks and pauses leave the reserve.
  var cut: Instant {
    switch index < steps.count ? steps[index] : .wait(.zero, ifUseful: false) {
    case .hook, .pause: deadline - reserve
    case .send, .wait: hasGentleSendAhead ? killBound - floor : killBound
    }
  }

  var isKilling: Bool {
    if case .killing = stage { true } else { false }
  }

  private var hasGentleSendAhead: Bool {
    var candidate = index + 1
    while candidate < steps.count {
      if case .send(let signal, _) = steps[candidate], signal != .kill { return true }
      candidate += 1
    }
    return false
  }

  /// Whether a request's id is new; remembers it.
  mutating func accept(_ id: UInt64) -> Bool { requests.insert(id) }

  /// Moves the deadline earlier, but leaves a floor to those who were told last or are still to be told.
  /// - Returns: the new deadline, or nil when it is no earlier.
  mutating func moveDeadline(to other: Instant, at now: Instant) -> Instant? {
    let earliest = hasGentleSendAhead ? now + floor : max(now, (lastTold ?? now) + floor)
    guard max(other, earliest) < deadline else { return nil }
    deadline = max(other, earliest)
    return deadline
  }

  /// Goes on with the step `next`.
  mutating func go(to next: Int) {
    index = next
    stage = .entering
  }

  /// Goes straight to KILL, which nobody has to be told before: the grace is 0.
  mutating func skipToKill() {
    if !isKilling { go(to: steps.count - 1) }
  }

  /// Skips to the next `send`; before KILL it leaves the floor to who was told last.
  /// - Returns: false when there is nothing to skip to.
  mutating func escalate(at now: Instant) -> Bool {
    if isKilling { return false }
    if case .observing = stage { return false }
    var next = index + 1
    while next < steps.count {
      if case .send(let signal, _) = steps[next] {
        if signal == .kill, let lastTold {
          stage = .escalated(until: max(now, lastTold + floor), next: next)
        } else {
          go(to: next)
        }
        return true
      }
      next += 1
    }
    return false
  }
}
