import StopPlan

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// How a program stops.
public struct TerminationConfiguration: Sendable {
  /// What the first signal of its kind does.
  public enum StopKind: Sendable, Equatable {
    /// A stop in phases, with the whole grace.
    case graceful
    /// A stop in the same order, without the propagation and with ``TerminationConfiguration/shortened`` for everything. Where a stop is
    /// under way already, as after a preStop hook that has sent another signal, it is shortened to that.
    case immediate
  }

  /// What shortens a stop that is under way; the same once more ends it at once, with the report.
  public enum Escalation: Sendable, Equatable {
    /// A Ctrl-C of the terminal. TERM may be repeated by platforms, and INT by those with `STOPSIGNAL SIGINT`: that changes nothing.
    case terminalInterrupt
    /// Any signal of ``TerminationConfiguration/stopOn``.
    case anySignal
    /// Nothing.
    case never
  }

  /// How long a stop may take. By default what the environment says, see ``graceFromEnvironment(_:)``.
  public var grace: Duration
  /// What is left at most once a stop is shortened. 2 s.
  public var shortened: Duration = .seconds(2)
  /// What each phase may have of the grace.
  public var budgets = PhaseBudgets()
  /// Which signals stop the program, and how. One that was ignored when the program began (INT of a shell's background job) stays ignored.
  public var stopOn: [Signal: StopKind] = [.term: .graceful, .int: .graceful]
  /// What shortens a stop.
  public var escalation = Escalation.terminalInterrupt
  /// What the program exits with.
  public var exitCodes = ExitCodes()
  /// How often it is logged what a stop still waits for. 1 s.
  public var progressEvery: Duration = .seconds(1)
  /// Whether a broken standard output ends the program, see ``Signals/followPipeRules()``.
  public var followsPipeRules = true

  /// The standard, with what the environment says: its grace, and 5 s of propagation in Kubernetes.
  public init() {
    grace = Self.graceFromEnvironment(Self.variable)
    if Self.variable("KUBERNETES_SERVICE_HOST") != nil, Self.variable("LASTCALL_GRACE") == nil {
      budgets.propagation = PhaseBudgets.standardPropagation
    }
  }

  /// A little under Kubernetes' standard `terminationGracePeriodSeconds` of 30 (KillPodGracePeriod; `docker stop` has only 10 s).
  public static let standardGrace = Duration.seconds(28)

  /// The grace that the environment names.
  ///
  /// `LASTCALL_GRACE`, which lastcall-init and the engine export, less half a second, at most a half, so that what was cut is said and not
  /// killed while it is said; else `TERMINATION_GRACE_PERIOD_SECONDS`, which a manifest can set beside `terminationGracePeriodSeconds`,
  /// less 2 s, at most a tenth; else ``standardGrace``. A value that is no length of time is ignored.
  /// - Parameter variable: the value of an environment variable.
  public static func graceFromEnvironment(_ variable: (String) -> String?) -> Duration {
    if let grace = variable("LASTCALL_GRACE").flatMap(length) { return grace - min(.milliseconds(500), grace / 2) }
    if let grace = variable("TERMINATION_GRACE_PERIOD_SECONDS").flatMap(length) { return grace - min(.seconds(2), grace / 10) }
    return standardGrace
  }

  private static func length(_ text: String) -> Duration? { TimeSpan(text).map { .nanoseconds($0.nanoseconds) } }

  private static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}
