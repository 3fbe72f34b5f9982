import Logging
import NIOConcurrencyHelpers
import ServiceLifecycle

/// Stops a program in order: everyone is told at once and awaited in order, under one deadline, and at the end it is said what happened.
///
/// ```swift
/// let termination = Termination(logger: logger)
/// termination.add(server, name: "http")
/// termination.onStop(.flush, "metrics") { _ in try await metrics.flush() }
/// await termination.runAndExit()
/// ```
public final class Termination: Sendable {
  struct State {
    var registrations: [Registration] = []
    var runner: TerminationRunner?
    var isStopping = false
    var unstarted: [TerminationMachine.Event] = []
    var result: Task<TerminationReport, Never>?
    var watchdog: Watchdog?
    var observers: [any TerminationObserver] = []
  }

  /// How it stops.
  public let configuration: TerminationConfiguration
  let logger: Logger
  let clock: TerminationClock
  let signals: any StopSignalSource
  let work = WorkRegistry()
  let state = NIOLockedValueBox(State())

  /// A termination of this process.
  /// - Parameters:
  ///   - configuration: how it stops.
  ///   - logger: what a stop does is logged at info level.
  public convenience init(configuration: TerminationConfiguration = .init(), logger: Logger) {
    self.init(configuration: configuration, logger: logger, clock: .process, signals: ProcessSignals())
  }

  /// A termination with a clock and signals of one's own, for tests: see the product LastCallTestKit.
  /// - Parameters:
  ///   - configuration: how it stops.
  ///   - logger: what a stop does is logged at info level.
  ///   - clock: measures budgets.
  ///   - signals: where signals come from.
  public convenience init<C: Clock>(configuration: TerminationConfiguration, logger: Logger, clock: C, signals: any StopSignalSource)
  where C.Duration == Duration {
    self.init(configuration: configuration, logger: logger, clock: TerminationClock(clock), signals: signals)
  }

  private init(configuration: TerminationConfiguration, logger: Logger, clock: TerminationClock, signals: any StopSignalSource) {
    self.configuration = configuration
    self.logger = logger
    self.clock = clock
    self.signals = signals
  }

  // MARK: - Who takes part

  /// Runs a service, and tells it to shut down gracefully when listeners are closed.
  ///
  /// It is a service as in swift-service-lifecycle: it ends by itself once `gracefulShutdown()` returns, and is cancelled when its time is
  /// over. Services are started together, when ``run()`` begins, and all are told at once. One that is added later is started at once.
  /// - Parameters:
  ///   - service: the service.
  ///   - name: for logs and the report.
  ///   - toldIn: the phase in which it is told.
  ///   - awaitedIn: the phase that waits for its end, `toldIn` or a later one; an earlier one counts as `toldIn`.
  ///   - budget: how long it may take from when it is told; nil for what the phase has.
  ///   - dependsOn: names of those that it needs; they are told after it has ended, where the same phase tells and waits for both.
  ///   - whenItEnds: what its end without an error means.
  ///   - whenItFails: what its end with an error means.
  public func add(
    _ service: any Service, name: String, toldIn: TerminationPhase = .stopAccepting, awaitedIn: TerminationPhase = .drain,
    budget: Duration? = nil, dependsOn: [String] = [], whenItEnds: ServiceEnd = .stop, whenItFails: ServiceEnd = .stop
  ) {
    let kind = Participant.Kind.service(endStops: whenItEnds == .stop, failureStops: whenItFails == .stop)
    let participant = Participant(
      name: name, kind: kind, toldIn: toldIn, awaitedIn: max(toldIn, awaitedIn), budget: budget, dependsOn: dependsOn)
    register(Registration(participant: participant, body: .service(service)))
  }

  /// Runs a hook when the program stops.
  ///
  /// A hook that throws fails alone: the others go on. One that is too slow is cancelled and no longer waited for, and what comes after it
  /// has its time all the same. What is added while the program stops already takes part, unless its phase is over.
  /// - Parameters:
  ///   - phase: the phase that waits for it.
  ///   - name: for logs and the report.
  ///   - toldIn: an earlier phase in which it is already told; nil for `phase`.
  ///   - budget: how long it may take; nil for what the phase has.
  ///   - dependsOn: names of those that it needs; they are told after it has ended, where the same phase tells and waits for both.
  ///   - body: the hook.
  public func onStop(
    _ phase: TerminationPhase, _ name: String, toldIn: TerminationPhase? = nil, budget: Duration? = nil, dependsOn: [String] = [],
    _ body: @escaping @Sendable (StopContext) async throws -> Void
  ) {
    let participant = Participant(
      name: name, kind: .hook, toldIn: min(toldIn ?? phase, phase), awaitedIn: phase, budget: budget, dependsOn: dependsOn)
    register(Registration(participant: participant, body: .hook(body)))
  }

  /// Ends the propagation early once everyone who was asked this way has confirmed that nothing more will be sent here.
  ///
  /// Quiet is no confirmation: a client may just not have sent anything for a while.
  /// - Parameters:
  ///   - name: for logs and the report.
  ///   - body: returns when it is confirmed; an error means that it is not.
  public func confirmPropagation(_ name: String, _ body: @escaping @Sendable (StopContext) async throws -> Void) {
    let participant = Participant(name: name, kind: .confirmation, toldIn: .propagation, awaitedIn: .propagation)
    register(Registration(participant: participant, body: .hook(body)))
  }

  /// Tells an observer how the stop goes on, from its begin, or from now on when it has begun.
  public func addObserver(_ observer: any TerminationObserver) { state.withLockedValue { $0.observers.append(observer) } }

  private func register(_ registration: Registration) {
    state.withLockedValue { state in
      state.registrations.append(registration)
      state.runner?.add(registration)
    }
  }

  // MARK: - The stop

  /// Begins the stop. Once it has begun, further calls change nothing but this: a shorter grace moves the deadline earlier, never later.
  /// - Parameters:
  ///   - reason: for logs and the report.
  ///   - grace: how long it may take from now; nil for the configuration's, which a longer one does not exceed.
  public func stop(_ reason: String, grace: Duration? = nil) { send(.begin(.requested(reason), immediately: false, grace: grace)) }

  /// Shortens a stop that is under way, as a second Ctrl-C does; once more ends it at once. Before a stop it does nothing.
  public func escalate() { send(.escalate) }

  /// Whether the stop has begun. Readiness is the opposite of it: a readiness endpoint that answers by it flips at once.
  public var isStopping: Bool { state.withLockedValue { $0.isStopping } }

  /// Runs the services until the program has to stop, stops it, and says how that came out. It has to be awaited for anything to happen.
  ///
  /// The stop begins by a signal, by ``stop(_:grace:)``, by the end of a service, or when the task is cancelled. A second call waits for
  /// the same stop. What does not end in its time is left behind: whoever called should exit soon. When it returns, signals have their
  /// former dispositions again: a TERM that is repeated then ends the process, unless ``runAndExit()`` was used instead.
  public func run() async -> TerminationReport {
    let task = state.withLockedValue { state in
      if let result = state.result { return result }
      let runner = TerminationRunner(self)
      // Before anybody else can send it anything: a stop must find everyone who takes part.
      for registration in state.registrations { runner.add(registration) }
      for event in state.unstarted { runner.send(event) }
      state.runner = runner
      let task = Task { await runner.run() }
      state.result = task
      return task
    }
    return await withTaskCancellationHandler {
      await task.value
    } onCancel: {
      send(.begin(.cancelled, immediately: false, grace: nil))
    }
  }

  func send(_ event: TerminationMachine.Event) {
    var left: Duration?
    if case .begin(_, let immediately, let grace) = event {
      left = min(configuration.grace, grace ?? configuration.grace, immediately ? configuration.shortened : configuration.grace)
    }
    let watchdog = state.withLockedValue { state -> Watchdog? in
      if left != nil { state.isStopping = true }
      if let runner = state.runner { runner.send(event) } else { state.unstarted.append(event) }
      return state.watchdog
    }
    if let left { watchdog?.arm(after: left) }
  }
}
