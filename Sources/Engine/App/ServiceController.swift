import AppSpec
import Foundation
import Linux
import Rollout
import StopPlan

/// Carries out a service's rollout: `Rollout` decides which replicas are started and stopped.
actor ServiceController: AppController {
  nonisolated let name: String
  nonisolated let context: EngineContext
  nonisolated let listener: ListeningSocket?
  nonisolated let proxy: ProxyController?
  var ledger: Ledger
  var rollout: Rollout
  /// Who is given what by whom of what replicas have stored, by who is to start; and what those that have ended have left.
  var inheritance = Inheritance()
  var givers: [ReplicaNumber: ReplicaNumber] = [:]
  var estates: [ReplicaNumber: Estate] = [:]
  private var alarm = Alarm()
  /// What the proxy was told last of whether requests wait for replicas, and how often it was told anything.
  private var proxyHolds: Bool?
  private var proxyWishes = 0
  /// How long a full stop waits for queued connections to be accepted.
  private static let queueBound = TimeSpan.seconds(1)

  init(app: App, listener: ListeningSocket?, context: EngineContext) {
    ledger = Ledger(app: app)
    name = app.name
    self.listener = listener
    self.context = context
    proxy = if let listener, app.listen?.via == .proxy { ProxyController(app: app, listener: listener, context: context) } else { nil }
    rollout = Rollout(Self.bounds(app), seed: Seed.of(app.name))
  }

  static func bounds(_ app: App) -> RolloutBounds {
    let budget = app.update.budget(replicas: app.replicas)
    return RolloutBounds(
      surge: budget.surge, unavailable: budget.unavailable, deadline: app.update.deadline, extending: app.notify.extend,
      settle: app.update.settle, backoff: app.restart.backoff)
  }

  // MARK: - The machine

  var record: AppRecord {
    AppRecord(
      name: name, rollout: rollout.saved, declared: ledger.declared, isStopped: ledger.isStopped, stoppedReplicas: ledger.stoppedReplicas)
  }

  var revision: Int { rollout.desired.revision }

  var wantedReplicas: Int { rollout.desired.replicas }

  var isSettled: Bool { rollout.isComplete }

  var hasDoneItsPart: Bool { rollout.isComplete && wantedReplicas > 0 && ledger.declared != nil && !rollout.hasFailedForGood }

  var runsNothing: Bool { rollout.replicas.isEmpty && rollout.desired.replicas == 0 }

  func want(revision: Int, replicas: Int) {
    feed(.desired(Desired(replicas: replicas, revision: revision), bounds: Self.bounds(app)))
  }

  func quits(_ number: ReplicaNumber) {
    guard var record = ledger.records[number], record.stop == nil, record.quitsSince == nil else { return }
    record.quitsSince = Clock.now.nanoseconds
    record.hasSettled = rollout.replica(number)?.hasSettled
    keep(record)
    feed(.quitting(number))
  }

  func ended(_ number: ReplicaNumber, _ ending: Ending, wasStopped: Bool, leaving estate: Estate?) {
    settleEstate(of: number, estate)
    feed(.ended(number, ending))
    dropEstates(missing: rollout.missing)
  }

  func feed(_ event: Rollout.Event) {
    for action in rollout.handle(event, at: Clock.now) { carryOut(action) }
    tellProxy()
    write()
  }

  /// Nobody waits for replicas that are not to come.
  private func tellProxy() {
    let holds = rollout.wanted > 0 || isToBegin
    guard let proxy, holds != proxyHolds else { return }
    proxyHolds = holds
    proxyWishes += 1
    Task { [wish = proxyWishes] in await proxy.hold(holds, wish: wish) }
  }

  /// Whether it waits for others, and replicas are to come then.
  var isToBegin: Bool { !ledger.hasBegun && !ledger.isStopped }

  private func carryOut(_ action: Rollout.Action) {
    switch action {
    case .start(let number, let revision):
      plan(number, revision: revision)
      if (ledger.revisions[revision]?.spec ?? app).notify.store > 0 { appointHeir(number, of: revision) }
    case .stop(let number): planStop(number)
    case .arm(let moment): alarm.set(moment) { await self.feed(.clock) }
    case .note(let note): tell(note)
    }
  }

  // MARK: - After an engine's death

  func recover(_ found: RecoveredApp) async {
    takeIn(found)
    if await proxy?.adopt(found.proxies) == false { for proxy in found.proxies { ledger.outbox.append(.replicaGone(proxy.name)) } }
    let replicas = ledger.records.values.map(\.replica)
    if let saved = found.record?.rollout {
      rollout = Rollout(restoring: saved, replicas: replicas, at: Clock.now)
    } else if !replicas.isEmpty {
      // The newest of the database is lost: what lives says which numbers were given.
      rollout = Rollout(restoring: rollout.saved, replicas: replicas, at: Clock.now)
      let desired = Desired(replicas: replicas.count { $0.phase != .stopping }, revision: replicas.map(\.revision).max() ?? 0)
      for action in rollout.handle(.desired(desired), at: Clock.now) { carryOut(action) }
    }
    await adopt(found)
    await proxy?.keepOnlyMembers()
    write()
  }

  // MARK: - Requests

  func resume() async throws {
    if ledger.isResumed || ledger.isStopping { return }
    do { try await proxy?.start() } catch { if !ledger.isStopping { throw error } }
    guard !ledger.isStopping else { return }
    ledger.isResumed = true
    // The first clock ends the taking in of what was found.
    feed(.clock)
  }

  func start() async throws {
    try await resume()
    guard !ledger.isStopping else { return }
    carryOutAtStart()
    tellProxy()
  }

  func restart() async -> AppOutcome {
    guard !ledger.isStopping else { return .superseded }
    return await untilOutcome { begin(app, because: "restart", replicas: wantedReplicas > 0 ? wantedReplicas : countWhenUp) }
  }

  func startAgain() async -> AppOutcome {
    guard !ledger.isStopping else { return .superseded }
    guard ledger.isStopped || wantedReplicas == 0 else { return .complete }
    ledger.isStopped = false
    return await untilOutcome { feed(.desired(Desired(replicas: countWhenUp, revision: revision))) }
  }

  func scale(to replicas: Int) async -> AppOutcome {
    guard !ledger.isStopping else { return .superseded }
    if isNew, replicas > 0 { return .undone("\(name) has not begun yet; start it with: lastcall start \(name)") }
    // No replicas are none until somebody names the app, as after a stop.
    if replicas == 0, wantedReplicas > 0 { ledger.stoppedReplicas = wantedReplicas }
    ledger.isStopped = replicas == 0
    if replicas == wantedReplicas, isSettled {
      if isNew { await stop(grace: nil, isHurried: false) }
      return .complete
    }
    return await untilOutcome { feed(.desired(Desired(replicas: replicas, revision: revision))) }
  }

  func pause(_ holds: Bool) -> AppOutcome {
    if holds == rollout.isPaused { return .undone("the rollout of \(name) is \(holds ? "paused already" : "not paused")") }
    feed(holds ? .pause : .resume)
    return .complete
  }

  func untilSettled() async -> AppOutcome {
    if let failure { return .undone(failure) }
    if rollout.isComplete, ledger.declared != nil || ledger.isStopped { return .complete }
    return await nextOutcome()
  }

  /// Why nothing of it runs and nothing will, when that is no good end.
  var failure: String? {
    rollout.hasFailedForGood ? "\(name) has failed and is not started again; see lastcall logs \(name)" : nil
  }

  /// Keeps the proxy, which answers 503 meanwhile.
  func stop(grace: TimeSpan?, isHurried: Bool) async {
    if isHurried {
      ledger.isHurrying = true
      await skipToSignals()
    }
    if wantedReplicas > 0 { ledger.stoppedReplicas = wantedReplicas }
    ledger.isStopped = true
    // Whose turn has not come has no proxy yet, and connections wait for one.
    if isNew { try? await resume() }
    tellProxy()
    if let grace { shorten(to: app.stopOrder.deadline(grace: grace, at: Clock.now)) }
    await stopReplicas()
    forgetShortening()
    write()
  }

  private func stopReplicas() async {
    if runsNothing { return }
    await untilStopped { feed(.desired(Desired(replicas: 0, revision: revision))) }
  }

  /// The proxy is stopped first, unless the order is one in which nobody waits for it.
  func stopAll() async {
    ledger.isStopping = true
    let deadline = Clock.now + app.stop.grace
    ledger.fullStopDeadline = deadline
    if app.stopOrder.steps.contains(.drain) { await stopProxy(by: deadline) }
    await stopReplicas()
    await proxy?.stop(deadline: deadline)
    await forget()
  }

  /// Stops the proxy, once what is queued at its listener was accepted: it answers what it has.
  private func stopProxy(by deadline: Instant) async {
    if let listener, rollout.available(at: Clock.now) > 0 {
      await listener.drainQueue(by: Clock.now + min(Self.queueBound, app.stop.grace / 4))
    }
    guard let proxy else { return }
    let limit = StopOrder.drainLimit(app.stop.plan(for: ReplicaValues(port: nil)), from: deadline - app.stop.grace)
    await waitTelling("the proxy", until: deadline, inFlight: { await proxy.inFlight() }) { await proxy.stop(deadline: limit) }
  }

  func escalate() async {
    // Those whose stop waits for the proxy's.
    if ledger.isStopping { ledger.isHurrying = true }
    await skipToSignals()
    await proxy?.escalate()
  }
}
