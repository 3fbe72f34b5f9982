import StopPlan

/// The order of a replica's stop under the engine, all under one grace clock that starts at the request: which step follows which, what each
/// waits for, and when KILL comes. Whoever carries it out decides nothing of that.
public enum StopOrder: CaseIterable, Sendable {
  /// lastcall's own: no request is on its way to the replica when its hook begins.
  case lastcall
  /// Kubernetes', for rehearsals: nothing waits for the endpoint's removal (pkg/kubelet/kuberuntime/kuberuntime_container.go, killContainer).
  case kubernetes

  /// One step.
  public enum Step: Equatable, Sendable {
    /// Takes it out of the ingress. Awaited: until nothing new can come to it; else what follows races with it.
    case deregister(isAwaited: Bool)
    /// Waits for its requests in flight, at most until `drainLimit`.
    case drain
    /// Has its preStop hook, and those of its sidecars at the same time, do what they do.
    case preStop
    /// Sends its plan's signals.
    case signal
  }

  /// The steps. The sidecars' signals follow when the program has ended, the last one's first, one after another.
  public var steps: [Step] {
    switch self {
    case .lastcall: [.deregister(isAwaited: true), .drain, .preStop, .signal]
    case .kubernetes: [.deregister(isAwaited: false), .preStop, .signal]
    }
  }

  /// Whether the replica's own keeper waits before the first signal until it is told that it is time, as those of sidecars always do. Else
  /// it goes through its whole plan by itself.
  public var holdsMain: Bool { self == .kubernetes }

  /// What killContainer leaves between TERM and KILL at least (minimumGracePeriodInSeconds).
  static let kubernetesFloor = TimeSpan.seconds(2)
  /// What even a forced deletion leaves ("we always supply a grace period of 1", pkg/kubelet/pod_workers.go, calculateEffectiveGracePeriod).
  static let kubernetesLeast = TimeSpan.seconds(1)

  // MARK: - Limits

  /// The moment at which draining gives way to the plan, so that the plan keeps its reserve: a quarter of the grace at least.
  ///
  /// - Parameters:
  ///   - plan: the replica's plan.
  ///   - start: when the stop was asked for.
  public static func drainLimit(_ plan: StopPlan, from start: Instant) -> Instant {
    start + plan.grace - max(plan.reserve, plan.grace / 4)
  }

  /// The moment by which a preStop hook that its keeper does not run has to be over: Kubernetes lets it have all of the grace.
  public func hookLimit(_ plan: StopPlan, deadline: Instant) -> Instant {
    self == .kubernetes ? deadline : Self.drainLimit(plan, from: deadline - plan.grace)
  }

  /// By when a stop that is asked for with that grace has to be over. Grace 0 kills at once, whatever was told before: the moment zero.
  public func deadline(grace: TimeSpan, at now: Instant) -> Instant {
    switch self {
    case .lastcall: grace == .zero ? Instant(nanoseconds: 0) : now + grace
    case .kubernetes: now + max(grace, Self.kubernetesLeast)
    }
  }

  // MARK: - Waiting for one's turn

  /// How much later than the deadline a keeper that waits for its turn may KILL.
  public var allowance: TimeSpan { self == .kubernetes ? Self.kubernetesFloor : .zero }

  /// The plan of a keeper that waits, after the hooks, until it is told that its turn has come; when the grace is over it waits no longer. So
  /// it goes on to the end by itself, within the same bounds, when there is nobody any more to tell it.
  ///
  /// - Returns: the plan, and which of its steps is the wait.
  public func holding(_ plan: StopPlan) -> (plan: StopPlan, turn: Int) {
    var held = plan
    let turn = plan.steps.firstIndex { if case .send = $0 { true } else { false } } ?? plan.steps.count
    if self == .kubernetes {
      held.grace = max(plan.grace, Self.kubernetesLeast) + allowance
      held.floor = Self.kubernetesFloor
    }
    held.steps.insert(.pause(held.grace), at: turn)
    held.reserve = allowance
    return (held, turn)
  }

  /// When KILL comes for who is told now that its turn has come.
  ///
  /// - Parameters:
  ///   - deadline: by when the stop has to be over, as it was asked for.
  ///   - start: when it was asked for.
  ///   - spent: what has been waited for, one after another: its hook, its turn. Kubernetes deducts whole seconds of each.
  ///   - now: the time of the signal.
  public func killTime(deadline: Instant, from start: Instant, spent: [TimeSpan], at now: Instant) -> Instant {
    guard self == .kubernetes else { return deadline }
    let seconds = spent.reduce(0) { $0 + $1.nanoseconds / 1_000_000_000 }
    return now + max(Self.kubernetesFloor, deadline - start - .seconds(seconds))
  }
}
