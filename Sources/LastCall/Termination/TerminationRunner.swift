import Logging
import NIOConcurrencyHelpers
import ServiceLifecycle

/// Carries out a ``TerminationMachine``: feeds it what happens, one event after the other, and does what it says.
final class TerminationRunner: Sendable {
  struct State {
    var machine: TerminationMachine
    var tasks: [Participant.ID: Task<Void, Never>] = [:]
    var groups: [Participant.ID: ServiceGroup] = [:]
    var entries: [TerminationReport.Entry] = []
    var abandoned: [WorkRegistry.Snapshot] = []
    var abandonedCounts: [(kind: TrackedWork.Kind, count: Int)] = []
    /// What had ended when the stop began: the report is the stop's.
    var endedBeforeStop: [TrackedWork.Kind: WorkRegistry.Counts] = [:]
    /// What had ended when the rest was abandoned; what ends later is among the abandoned already.
    var endedBeforeCut: [TrackedWork.Kind: WorkRegistry.Counts]?
    var registrations: [Registration] = []
    var hasToldMetricsOf: Set<Participant.ID> = []
  }

  private enum Input: Sendable {
    case event(TerminationMachine.Event)
    case registered(Registration)
    case signal(StopSignal)
    case workChanged
  }

  let configuration: TerminationConfiguration
  let logger: Logger
  let clock: TerminationClock
  let work: WorkRegistry
  let state: NIOLockedValueBox<State>
  private let observers: @Sendable () -> [any TerminationObserver]
  private let signals: any StopSignalSource
  private let metrics = StopMetrics()
  private let inputs: AsyncStream<Input>
  private let sendInput: AsyncStream<Input>.Continuation
  /// Told of the begin, and of every deadline: what is left until it.
  private let noteDeadline: @Sendable (Duration) -> Void

  init(_ termination: Termination) {
    configuration = termination.configuration
    logger = termination.logger
    clock = termination.clock
    work = termination.work
    signals = termination.signals
    (inputs, sendInput) = AsyncStream<Input>.makeStream()
    observers = { [weak termination] in termination?.state.withLockedValue { $0.observers } ?? [] }
    noteDeadline = { [weak termination] left in
      let watchdog = termination?.state.withLockedValue { state in
        state.isStopping = true
        return state.watchdog
      }
      watchdog?.arm(after: left)
    }
    state = NIOLockedValueBox(
      State(
        machine: TerminationMachine(
          settings: .init(
            grace: configuration.grace, shortened: configuration.shortened, budgets: configuration.budgets, stopOn: configuration.stopOn,
            escalation: configuration.escalation,
            progressEvery: configuration.progressEvery))))
  }

  func send(_ event: TerminationMachine.Event) { sendInput.yield(.event(event)) }

  func add(_ registration: Registration) { sendInput.yield(.registered(registration)) }

  func run() async -> TerminationReport {
    let listening = listen()
    var timer: Task<Void, Never>?
    events: for await input in inputs {
      for action in handle(input) {
        switch action {
        case .arm(let moment):
          timer?.cancel()
          timer = Task { [clock, sendInput] in
            guard (try? await clock.sleep(moment)) != nil else { return }
            sendInput.yield(.event(.clock))
          }
        case .finish: break events
        default: carryOut(action)
        }
      }
    }
    timer?.cancel()
    listening?.cancel()
    sendInput.finish()
    let report = makeReport()
    metrics.workEnded(report.work)
    metrics.stopped(report)
    for observer in observers() { observer.stopEnded(report) }
    logger.log(level: report.result == .clean ? .info : .warning, "\(report)")
    logger.info("stop report: \(report.json)")
    return report
  }

  /// Subscribes before any service is started: a signal that comes in between must not end the program by its default action.
  private func listen() -> Task<Void, Never>? {
    if configuration.followsPipeRules, signals is ProcessSignals { Signals.followPipeRules() }
    // One that nobody can catch must not leave the others to their default actions.
    let wanted = configuration.stopOn.keys.filter(\.canBeCaught).sorted()
    for signal in configuration.stopOn.keys where !signal.canBeCaught {
      logger.error("signal \(signal) cannot be caught, so it begins no stop")
    }
    for signal in wanted where signals is ProcessSignals && ProcessSignals.isLeftIgnored(signal) {
      let level = signal == .term ? Logger.Level.warning : .info
      logger.log(level: level, "signal \(signal) was ignored when the program began and stays so: it begins no stop")
    }
    do {
      let stream = try signals.subscribe(to: wanted)
      return Task { [sendInput] in for await signal in stream { sendInput.yield(.signal(signal)) } }
    } catch {
      logger.error("signals cannot be subscribed to, so they stop nothing: \(error)")
      return nil
    }
  }

  // MARK: - Events

  private func handle(_ input: Input) -> [TerminationMachine.Action] {
    let now = clock.now
    switch input {
    case .event(let event): return handle(event, now)
    case .workChanged: return handle(.work(isEmpty: work.isEmpty), now)
    case .signal(let signal): return handle(.signal(signal), now)
    case .registered(let registration):
      let (id, actions, isTooLate) = state.withLockedValue { state in
        state.registrations.append(registration)
        let actions = state.machine.handle(.add(registration.participant), at: now)
        let id = state.registrations.count - 1
        return (id, actions, state.machine.stage == .finished || state.machine.entries[id].outcome != nil)
      }
      if isTooLate {
        logger.warning("\(registration.participant.name) was added after its phase of the stop and takes no part")
      } else if case .service(let service) = registration.body {
        start(service, id, registration.participant.name)
      }
      return actions
    }
  }

  private func handle(_ event: TerminationMachine.Event, _ now: Duration) -> [TerminationMachine.Action] {
    state.withLockedValue { $0.machine.handle(event, at: now) }
  }

  // MARK: - Actions

  private func carryOut(_ action: TerminationMachine.Action) {
    switch action {
    case .began(let reason, let deadline): began(reason, deadline)
    case .escalatedBy(let signal): logger.notice("signal \(signal) escalates the stop")
    case .entered(let phase, let limit): entered(phase, limit)
    case .left(let phase): left(phase)
    case .tell(let id, let limit): tell(id, limit)
    case .cut(let id): cut(id)
    case .watchWork: work.watch { [sendInput] in sendInput.yield(.workChanged) }
    case .cutWork: cutWork()
    case .deadlineMoved(let deadline):
      noteDeadline(deadline - clock.now)
      logger.notice("the stop has to end within \(ProgressText.seconds(deadline - clock.now))")
    case .progress: logProgress()
    case .arm, .finish: break
    }
  }

  private func began(_ reason: StopReason, _ deadline: Duration) {
    let ended = work.ended()
    state.withLockedValue { $0.endedBeforeStop = ended }
    noteDeadline(deadline - clock.now)
    logger.info("stopping (\(reason)), within \(ProgressText.seconds(deadline - clock.now))")
    for observer in observers() { observer.stopBegan(reason, grace: deadline - clock.now) }
    checkDependencies(state.withLockedValue { $0.registrations.map(\.participant) })
  }

  private func checkDependencies(_ participants: [Participant]) {
    let names = Set(participants.map(\.name))
    for participant in participants {
      for dependency in participant.dependsOn where !names.contains(dependency) {
        logger.warning("\(participant.name) depends on \(dependency), which does not take part in the stop; check the name")
      }
    }
    let circle = DependencyLevels.circle(among: participants)
    if !circle.isEmpty {
      let names = circle.joined(separator: ", ")
      logger.warning("\(names) depend on each other in a circle, so they are told at once; one has to go without the others")
    }
  }

  private func entered(_ phase: TerminationPhase, _ limit: Duration) {
    let left = limit - clock.now
    logger.debug("stop: \(phase.name), at most \(ProgressText.seconds(left))")
    for observer in observers() { observer.phaseBegan(phase, limit: max(left, .zero)) }
  }

  private func left(_ phase: TerminationPhase) {
    for observer in observers() { observer.phaseEnded(phase) }
    let (record, hooks) = state.withLockedValue { state in
      let ended = state.machine.entries.indices.filter { state.machine.entries[$0].outcome != nil && !state.hasToldMetricsOf.contains($0) }
      state.hasToldMetricsOf.formUnion(ended)
      return (
        state.machine.records.first { $0.phase == phase }, ended.map { TerminationReport.Hook(state.machine.entries[$0], now: clock.now) }
      )
    }
    for hook in hooks { metrics.hookEnded(hook) }
    if let record, let ended = record.ended { metrics.phaseEnded(record, took: ended - record.began) }
  }

  private func tell(_ id: Participant.ID, _ limit: Duration) {
    let (registration, reason, group) = state.withLockedValue { ($0.registrations[id], $0.machine.reason ?? .cancelled, $0.groups[id]) }
    let name = registration.participant.name
    logger.debug("stop: \(name) is told")
    switch registration.body {
    case .service: Task { await group?.triggerGracefulShutdown() }
    case .hook(let body):
      let context = StopContext(
        reason: reason, name: name, limit: limit, now: { [clock] in clock.now },
        say: { [state] entry in state.withLockedValue { $0.entries.append(entry) } })
      let task = Task(name: name) { [sendInput] in
        do {
          try await body(context)
          sendInput.yield(.event(.ended(id, error: nil)))
        } catch {
          sendInput.yield(.event(.ended(id, error: "\(error)")))
        }
      }
      state.withLockedValue { $0.tasks[id] = task }
    }
  }

  private func cut(_ id: Participant.ID) {
    let (task, entry) = state.withLockedValue { ($0.tasks[id], $0.machine.entries[id]) }
    if entry.outcome == .overran { logger.warning("stop: \(entry.participant.name) was cut, its time was over") }
    task?.cancel()
  }

  private func cutWork() {
    let left = work.snapshot(limit: 100, of: clock)
    let (counts, ended) = work.tally()
    guard !counts.isEmpty else { return }
    state.withLockedValue { ($0.abandoned, $0.abandonedCounts, $0.endedBeforeCut) = (left, counts, ended) }
    logger.warning("stop: the drain is over, \(counts.reduce(0) { $0 + $1.count }) pieces of work are abandoned")
  }

  private func logProgress() {
    let now = clock.now
    let (waiting, phase, deadline) = state.withLockedValue { state in
      (
        state.machine.awaited.map { id in
          (name: state.machine.entries[id].participant.name, age: now - (state.machine.entries[id].toldAt ?? now))
        }, state.machine.currentPhase, state.machine.deadline
      )
    }
    let counts = phase == .drain ? work.counts() : []
    guard !waiting.isEmpty || !counts.isEmpty else { return }
    let named = phase == .drain ? work.snapshot(limit: 100, of: clock) : []
    logger.info("\(ProgressText.line(hooks: waiting, work: named, counts: counts, now: now, left: deadline - now))")
  }

  // MARK: - Services

  /// Each in a group of its own: that is the public way to tell one service, and not all, to shut down.
  private func start(_ service: any Service, _ id: Participant.ID, _ name: String) {
    var quiet = logger
    quiet[metadataKey: "service"] = "\(name)"
    let group = ServiceGroup(
      configuration: ServiceGroupConfiguration(
        services: [
          .init(
            service: service, successTerminationBehavior: .gracefullyShutdownGroup, failureTerminationBehavior: .cancelGroup)
        ], logger: quiet))
    let task = Task(name: name) { [sendInput, logger] in
      do {
        try await group.run()
        sendInput.yield(.event(.ended(id, error: nil)))
        logger.debug("service \(name) has ended")
      } catch {
        logger.error("service \(name) has failed: \(error)")
        sendInput.yield(.event(.ended(id, error: "\(error)")))
      }
    }
    state.withLockedValue {
      $0.groups[id] = group
      $0.tasks[id] = task
    }
  }

  // MARK: - The report

  func makeReport() -> TerminationReport {
    let now = clock.now
    return state.withLockedValue { state in
      TerminationReport(
        state.machine, codes: configuration.exitCodes,
        work: WorkRegistry.ended(state.endedBeforeCut ?? work.ended(), since: state.endedBeforeStop),
        abandoned: state.abandoned.map {
          TerminationReport.Abandoned(
            name: $0.name, kind: $0.kind.description, age: (now - $0.began).inSeconds, note: $0.note, location: "\($0.fileID):\($0.line)")
        }, abandonedCounts: state.abandonedCounts, entries: state.entries, now: now)
    }
  }
}
