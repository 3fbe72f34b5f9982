/// How much of the grace period each phase may have.
///
/// The drain has whatever the others leave, at least half of the grace: where the others together would have more than half, they are
/// scaled down. So a short grace period is shared, and a phase never eats what those after it need. A phase that nobody
/// takes part in needs no time, and what a phase leaves over is for those after it, but for the propagation, which is a wait.
public struct PhaseBudgets: Sendable, Equatable {
  /// For telling the outside. 3 s.
  public var notice: Duration = .seconds(3)
  /// How long routers get to notice; nil for 5 s where there is something to wait for, which is when the program runs in Kubernetes
  /// (`KUBERNETES_SERVICE_HOST`), or when somebody takes part in the propagation, and for nothing elsewhere.
  ///
  /// An endpoint's removal takes seconds to reach every proxy and races with TERM (Kubernetes' documentation of "Pod Lifecycle", Termination of Pods).
  public var propagation: Duration?
  /// For closing listeners. 1 s.
  public var stopAccepting: Duration = .seconds(1)
  /// For flushing. 5 s.
  public var flush: Duration = .seconds(5)
  /// For closing. 3 s.
  public var close: Duration = .seconds(3)
  /// For what ends last. 1 s.
  public var exit: Duration = .seconds(1)

  /// The standard budgets.
  public init() {}

  static let standardPropagation = Duration.seconds(5)

  /// What a phase asks for; nil for the drain.
  private func asked(_ phase: TerminationPhase) -> Duration? {
    let asked: Duration? =
      switch phase {
      case .notice: notice
      case .propagation: propagation ?? .zero
      case .stopAccepting: stopAccepting
      case .drain: nil
      case .flush: flush
      case .close: close
      case .exit: exit
      }
    return asked.map(\.bounded)
  }

  /// By how much budgets have to shrink, at most 1.
  /// - Parameters:
  ///   - left: the time until the deadline.
  ///   - used: the phases that are still to come and need time.
  func scale(left: Duration, used: Set<TerminationPhase>) -> Double {
    let fixed = used.reduce(Duration.zero) { $0 + (asked($1) ?? .zero) }
    // Without a drain ahead the others may have it all.
    let available = used.contains(.drain) ? max(left, .zero) / 2 : max(left, .zero)
    return fixed > available ? available / fixed : 1
  }

  /// When a phase that begins now has to be over.
  /// - Parameters:
  ///   - deadline: of the whole stop.
  ///   - used: the phases that need time.
  ///   - scale: what ``scale(left:used:)`` gave for this deadline.
  func limit(of phase: TerminationPhase, from now: Duration, deadline: Duration, used: Set<TerminationPhase>, scale: Double) -> Duration {
    // Before the drain the rest is the drain's; after it, whoever comes first may have it.
    if phase < .drain, let own = asked(phase) { return max(now, min(now + own * scale, deadline)) }
    let later = used.filter { $0 > phase }.reduce(Duration.zero) { $0 + (asked($1) ?? .zero) * scale }
    return max(now, deadline - later)
  }
}
