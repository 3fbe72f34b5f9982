import AppSpec
import Foundation
import Linux
import Rollout
import StopPlan

/// Carries out one app's rollout: what `Rollout` decides is done to keepers and the proxy, what they say is given to it.
actor AppController {
  let app: App
  let context: EngineContext
  private let listener: ListeningSocket?
  private var rollout: Rollout
  var processes: [ReplicaNumber: ReplicaProcess] = [:]
  private var ports = ReplicaPorts()
  let proxy: ProxyController?
  private var clock: Task<Void, any Error>?
  private var revision = 0
  private var outcomeWaiters: [CheckedContinuation<Outcome, Never>] = []
  private var isStopping = false
  /// Replicas of which something may still run, though nothing can be done about it.
  private(set) var inDoubt: [String] = []
  /// By when a full stop has to be over; nil while none is under way.
  var fullStopDeadline: Instant?
  /// How long a full stop waits for queued connections to be accepted.
  private static let queueBound = TimeSpan.seconds(1)

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
    proxy = if let listener, app.listen?.via == .proxy { ProxyController(app: app, listener: listener, context: context) } else { nil }
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

  /// Starts the proxy, if the app has one, and the replicas; nothing once a full stop was asked for.
  func start() async throws {
    do { if !isStopping { try await proxy?.start() } } catch { if !isStopping { throw error } }
    if !isStopping { beginRevision() }
  }

  /// Replaces all replicas by new ones and waits for the outcome.
  func restart() async -> Outcome {
    guard !isStopping else { return .superseded }
    return await untilOutcome { beginRevision() }
  }

  /// Stops all replicas, the proxy first, under one grace clock, and waits until nothing is left.
  func stopAll() async {
    isStopping = true
    let deadline = Clock.now + app.stop.grace
    fullStopDeadline = deadline
    if let listener, rollout.available(at: Clock.now) > 0 {
      await listener.drainQueue(by: Clock.now + min(Self.queueBound, app.stop.grace / 4))
    }
    if let proxy {
      let limit = StopOrder.drainLimit(app.stop.plan(for: ReplicaValues(port: nil)), from: deadline - app.stop.grace)
      await waitTelling("the proxy", until: deadline, inFlight: { await proxy.inFlight() }) { await proxy.stop(deadline: limit) }
    }
    await stopReplicas()
  }

  /// Stops the replicas but keeps the proxy, which holds requests meanwhile.
  func stopReplicas() async {
    if rollout.replicas.isEmpty, rollout.desired.replicas == 0 { return }
    _ = await untilOutcome { feed(.desired(Desired(replicas: 0, revision: revision))) }
  }

  /// Skips to the next signal everywhere.
  func escalate() async {
    for process in processes.values { await process.escalate() }
    await proxy?.escalate()
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
    case .stop(let number): Task { await stopReplica(number) }
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
      reportSoon(.normal, "RolloutBegan", revision == 1 ? "starting \(counted)" : "replacing \(counted)")
    case .complete:
      end(.complete, .normal, "RolloutComplete", "\(app.replicas == 1 ? "1 replica is" : "\(app.replicas) replicas are") ready\(address)")
    case .undone(_, let number, let failure):
      let why = failure == .late ? "was not ready within \(app.update.deadline)" : "ended before it was ready"
      let text = "\(name(number)) \(why); the old replicas go on"
      end(.undone(text), .warning, "RolloutUndone", text)
    case .overdue(_, let number):
      Task { await overdue(number) }
    case .backingOff(let number, let until):
      let seconds = (until - Clock.now).nanoseconds / 1_000_000_000 + 1
      reportSoon(.warning, "BackOff", "\(name(number)) ended by itself; a new replica starts in \(seconds) s", name(number))
    case .stopped: end(.complete, .normal, "Stopped", "nothing of \(app.name) runs any more")
    }
  }

  private var counted: String { app.replicas == 1 ? "1 replica" : "\(app.replicas) replicas" }

  /// Says why the first revision is not up, and lets who asked for it go; it goes on being tried.
  private func overdue(_ number: ReplicaNumber?) async {
    var why = "they end before they are ready"
    if let number, let process = processes[number] { why = "\(process.name): \(await process.notReadyReason)" }
    let text = "\(app.name) is not up after \(app.update.deadline): \(why); it goes on being tried"
    end(.undone(text), .warning, "ProgressDeadlineExceeded", text)
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
    await proxy?.remove(process.name)
    let status = await process.exitStatus
    let wasAsked = await process.wasAskedToStop
    await report(
      status?.isSuccess == true || wasAsked ? .normal : .warning, "Exited", "\(process.name) \(Self.words(status))", process.name)
    processes.removeValue(forKey: number)
    if await process.isInDoubt { inDoubt.append(process.name) }
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
    let isReady = await waitTelling({ "\(process.name) is not ready: \(await process.notReadyReason)" }) { await process.untilReady() }
    guard isReady, await !process.isLeaving else { return }
    do {
      if let port = process.port { try await proxy?.add(process.name, port: port) }
    } catch {
      return await report(.warning, "Failed", "the proxy did not take \(process.name): \(error)", process.name)
    }
    let tenths = (Clock.now - began).nanoseconds / 100_000_000
    await report(.normal, "Ready", "\(process.name) is ready after \(tenths / 10).\(tenths % 10) s", process.name)
    feed(.ready(number))
    await leaving(process)
  }

  /// A program that says STOPPING=1 of itself gets no more requests; its end is treated as any.
  private func leaving(_ process: ReplicaProcess) async {
    guard await process.untilLeaving() else { return }
    await report(.normal, "Stopping", "\(process.name) says that it stops", process.name)
    _ = try? await proxy?.drain(process.name)
  }

  // MARK: - Reports

  func report(_ kind: EngineEvent.Kind, _ reason: String, _ message: String, _ replica: String? = nil) async {
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
      row.inFlight = await proxy?.inFlight(process.name)
      rows.append(row)
    }
    return rows
  }
}
