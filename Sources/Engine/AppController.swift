import AppSpec
import Foundation
import Linux
import Rollout
import StopPlan

/// Carries out one app's rollout: what `Rollout` decides is done to keepers and the proxy, what they say is given to it.
actor AppController {
  let app: App
  private let context: EngineContext
  private let listener: ListeningSocket?
  private var rollout: Rollout
  private var processes: [ReplicaNumber: ReplicaProcess] = [:]
  private var ports = ReplicaPorts()
  private var ingress: IngressProcess?
  private var proxies = 0
  private var clock: Task<Void, any Error>?
  private var revision = 0
  private var outcomeWaiters: [CheckedContinuation<Outcome, Never>] = []
  private var isStopping = false

  /// How a rollout ended.
  enum Outcome: Sendable {
    case complete
    case undone(String)
    case superseded
  }

  init(app: App, listener: ListeningSocket?, context: EngineContext) {
    self.app = app
    self.listener = listener
    self.context = context
    let budget = app.update.budget(replicas: app.replicas)
    let policy = app.restart.policy
    rollout = Rollout(
      RolloutBounds(
        surge: budget.surge, unavailable: budget.unavailable, deadline: app.update.deadline, settle: app.update.settle,
        backoff: app.restart.backoff,
        replacesEnded: { endedWell in
          switch policy {
          case .always: true
          case .onFailure: !endedWell
          case .never: false
          }
        }))
  }

  // MARK: - Requests

  /// Starts the proxy, if the app has one, and the replicas.
  func start() async throws {
    if let listener, app.listen?.via == .proxy { try await startIngress(listener) }
    beginRevision()
  }

  /// Starts a proxy on the listener, which stays ours: requests wait in its queue while there is none.
  private func startIngress(_ listener: ListeningSocket) async throws {
    proxies += 1
    let ingress = IngressProcess(app: app, number: proxies, listener: listener, context: context)
    self.ingress = ingress
    try await ingress.start()
    for replica in rollout.replicas {
      if case .ready = replica.phase, let process = processes[replica.number], let port = process.port {
        try await ingress.add(process.name, port: port)
      }
    }
    Task {
      await ingress.untilEnded()
      await ingressEnded(listener)
    }
  }

  private func ingressEnded(_ listener: ListeningSocket) async {
    guard !isStopping else { return }
    await report(.warning, "ProxyEnded", "the proxy of \(app.name) ended by itself; another one is started")
    do {
      try await Task.sleep(nanoseconds: UInt64(app.restart.backoff.lowerBound.nanoseconds))
      if !isStopping { try await startIngress(listener) }
    } catch {
      await report(.warning, "Failed", "\(error)")
    }
  }

  /// Replaces all replicas by new ones and waits for the outcome.
  func restart() async -> Outcome {
    guard !isStopping else { return .superseded }
    return await untilOutcome { beginRevision() }
  }

  /// Stops all replicas, the proxy first, and waits until nothing is left.
  func stopAll() async {
    isStopping = true
    if let ingress {
      await ingress.stop(grace: app.stop.grace)
      await waitTelling("the proxy", until: Clock.now + app.stop.grace) { await ingress.untilEnded() }
    }
    if rollout.replicas.isEmpty, rollout.desired.replicas == 0 { return }
    _ = await untilOutcome { feed(.desired(Desired(replicas: 0, revision: revision))) }
  }

  /// Stops the replicas but keeps the proxy, which holds requests meanwhile.
  func stopReplicas() async {
    if rollout.replicas.isEmpty, rollout.desired.replicas == 0 { return }
    _ = await untilOutcome { feed(.desired(Desired(replicas: 0, revision: revision))) }
  }

  /// Skips to the next signal everywhere.
  func escalate() async {
    for process in processes.values { await process.escalate() }
    await ingress?.escalate()
  }

  private func beginRevision() {
    revision += 1
    feed(.desired(Desired(replicas: app.replicas, revision: revision)))
  }

  private func untilOutcome(_ begin: () -> Void) async -> Outcome {
    for waiter in outcomeWaiters { waiter.resume(returning: .superseded) }
    outcomeWaiters = []
    begin()
    return await withCheckedContinuation { outcomeWaiters.append($0) }
  }

  // MARK: - The machine

  private func feed(_ event: Rollout.Event) {
    for action in rollout.handle(event, at: Clock.now) { carryOut(action) }
  }

  private func carryOut(_ action: Rollout.Action) {
    switch action {
    case .start(let number, _): start(number)
    case .stop(let number): Task { await stop(number) }
    case .arm(let moment): arm(moment)
    case .note(let note): tell(note)
    }
  }

  private func arm(_ moment: Instant?) {
    clock?.cancel()
    guard let moment else { return }
    clock = Task {
      try await Task.sleep(nanoseconds: UInt64(max(0, (moment - Clock.now).nanoseconds)))
      feed(.clock)
    }
  }

  private func tell(_ note: Rollout.Note) {
    switch note {
    case .began(let revision):
      reportSoon(.normal, "RolloutBegan", revision == 1 ? "starting \(app.replicas) replicas" : "replacing \(app.replicas) replicas")
    case .complete: end(.complete, .normal, "RolloutComplete", "\(rollout.replicas.count) replicas are ready\(address)")
    case .undone(_, let number, let failure):
      let why = failure == .late ? "was not ready within \(app.update.deadline)" : "ended before it was ready"
      let text = "\(name(number)) \(why); the old replicas go on"
      end(.undone(text), .warning, "RolloutUndone", text)
    case .backingOff(let number, let until):
      let seconds = (until - Clock.now).nanoseconds / 1_000_000_000 + 1
      reportSoon(.warning, "BackOff", "\(name(number)) ended by itself; a new replica starts in \(seconds) s", name(number))
    case .stopped: end(.complete, .normal, "Stopped", "nothing of \(app.name) runs any more")
    }
  }

  private var address: String { app.listen.map { " on http://\($0.host):\($0.port)" } ?? "" }

  private func end(_ outcome: Outcome, _ kind: EngineEvent.Kind, _ reason: String, _ message: String) {
    let waiters = outcomeWaiters
    outcomeWaiters = []
    Task {
      await report(kind, reason, message)
      for waiter in waiters { waiter.resume(returning: outcome) }
    }
  }

  private func name(_ number: ReplicaNumber) -> String { "\(app.name)-\(number.value)" }

  // MARK: - Starting

  private func start(_ number: ReplicaNumber) {
    do {
      let port = app.listen?.via == .proxy ? try ports.take() : nil
      let inherited = app.listen?.via == .socket ? listener?.descriptor : nil
      let process = ReplicaProcess(name: name(number), app: app, port: port, listener: inherited, context: context)
      processes[number] = process
      Task { await run(process, number) }
    } catch {
      Task {
        await report(.warning, "Failed", "\(error)", name(number))
        feed(.ended(number, endedWell: false))
      }
    }
  }

  private func run(_ process: ReplicaProcess, _ number: ReplicaNumber) async {
    let began = Clock.now
    do {
      try await process.launch()
      await report(.normal, "Started", "\(process.name) started", process.name)
      Task { await ready(process, number, began) }
      await process.untilEnded()
    } catch {
      await report(.warning, "Failed", "\(error)", process.name)
    }
    await ingress?.remove(process.name)
    let status = await process.exitStatus
    await report(status?.isSuccess == true ? .normal : .warning, "Exited", "\(process.name) \(Self.words(status))", process.name)
    processes.removeValue(forKey: number)
    if let port = process.port { ports.giveBack(port) }
    feed(.ended(number, endedWell: status?.isSuccess == true))
  }

  private static func words(_ status: ExitStatus?) -> String {
    switch status {
    case .code(0): "ended"
    case .code(let code): "exited with \(code)"
    case .signal(let signal, _): "was ended by \(signal)"
    case nil: "ended; how is not known"
    }
  }

  private func ready(_ process: ReplicaProcess, _ number: ReplicaNumber, _ began: Instant) async {
    guard await process.untilReady() else { return }
    do {
      if let port = process.port { try await ingress?.add(process.name, port: port) }
    } catch {
      await report(.warning, "Failed", "the proxy did not take \(process.name): \(error)", process.name)
      return
    }
    let tenths = (Clock.now - began).nanoseconds / 100_000_000
    await report(.normal, "Ready", "\(process.name) is ready after \(tenths / 10).\(tenths % 10) s", process.name)
    feed(.ready(number))
  }

  // MARK: - Stopping

  /// One replica's stop in DESIGN's order, under one clock: out of the ingress, drained, then the plan.
  private func stop(_ number: ReplicaNumber) async {
    guard let process = processes[number] else { return }
    let plan = process.plan
    let deadline = Clock.now + plan.grace
    await report(.normal, "Killing", "Stopping replica \(process.name)", process.name)
    await waitTelling(process.name, until: deadline, process) {
      let limit = StopOrder.drainLimit(plan, from: deadline - plan.grace)
      await self.drain(process, by: limit)
      await self.askPreStop(process, by: limit)
      await process.stop(deadline: deadline)
      await process.untilEnded()
    }
  }

  private func drain(_ process: ReplicaProcess, by limit: Instant) async {
    guard let ingress, process.port != nil else { return }
    do {
      if try await ingress.drain(process.name) > 0 { await ingress.untilDrained(process.name, by: limit) }
    } catch {
      // A proxy that does not know the replica sends it nothing.
    }
  }

  /// A preStop hook of kind HTTP. Unlike for Kubernetes, a status of 400 or more is a failure; the stop goes on all the same.
  private func askPreStop(_ process: ReplicaProcess, by limit: Instant) async {
    guard case .http(let target) = app.stop.preStop, let port = target.port ?? process.port else { return }
    let problem: String
    do {
      let status = try await HTTPProbe.status(port: port, target: target, timeout: max(.milliseconds(10), limit - Clock.now))
      if status < 400 { return }
      problem = "\(target.path) answered \(status)"
    } catch {
      problem = "\(target.path): \(error)"
    }
    await report(.warning, "FailedPreStopHook", problem, process.name)
  }

  /// Does something that may take long, and says once a second what it waits for.
  private func waitTelling(
    _ what: String, until deadline: Instant, _ process: ReplicaProcess? = nil, _ work: @Sendable () async -> Void
  ) async {
    let telling = Task {
      while true {
        try await Task.sleep(nanoseconds: 1_000_000_000)
        var line = "waiting for \(what)"
        if let process {
          if let count = await ingress?.inFlight(process.name) { line += ": \(count) requests in flight" }
          let status = await process.statusText
          if !status.isEmpty { line += " (it says: \(status))" }
        }
        let left = max(0, (deadline - Clock.now).nanoseconds) / 100_000_000
        await context.reporter.progress(app: app.name, line + "; \(left / 10).\(left % 10) s of grace left")
      }
    }
    await work()
    telling.cancel()
  }

  // MARK: - Reports

  private func report(_ kind: EngineEvent.Kind, _ reason: String, _ message: String, _ replica: String? = nil) async {
    await context.reporter.report(EngineEvent(app: app.name, replica: replica, kind: kind, reason: reason, message: message))
  }

  private func reportSoon(_ kind: EngineEvent.Kind, _ reason: String, _ message: String, _ replica: String? = nil) {
    Task { await report(kind, reason, message, replica) }
  }

  /// What `lastcall ps` shows.
  func rows() async -> [ReplicaRow] {
    var rows: [ReplicaRow] = []
    for replica in rollout.replicas {
      guard let process = processes[replica.number] else { continue }
      var row = ReplicaRow(
        app: app.name, name: process.name, state: "Starting", age: (Clock.now - replica.startedAt).nanoseconds / 1_000_000_000)
      switch replica.phase {
      case .starting: row.message = await process.notReadyReason
      case .ready: row.state = "Ready"
      case .stopping: row.state = "Terminating"
      }
      if row.state != "Starting" { row.message = await process.statusText }
      row.pid = Int(await process.main)
      row.port = process.port ?? app.listen?.port
      row.inFlight = await ingress?.inFlight(process.name)
      rows.append(row)
    }
    return rows
  }
}
