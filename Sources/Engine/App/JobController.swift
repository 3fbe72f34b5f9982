import AppSpec
import Foundation
import Linux
import Rollout
import StopPlan

/// Carries out a job: `ScheduledJob` decides when it is run, and `JobRun` how often it is tried again.
actor JobController: AppController {
  nonisolated let name: String
  nonisolated let context: EngineContext
  nonisolated var listener: ListeningSocket? { nil }
  nonisolated var proxy: ProxyController? { nil }
  var ledger: Ledger
  private(set) var machine: ScheduledJob
  private var alarm = Alarm()
  /// When runs that are let go to their end are stopped.
  private(set) var drains: [ReplicaNumber: Alarm] = [:]
  /// Whether a user waits for a run beside the schedule.
  private(set) var isAsked = false

  init(app: App, context: EngineContext) {
    ledger = Ledger(app: app)
    name = app.name
    self.context = context
    machine = ScheduledJob(in: .local, at: .now, seed: Seed.of(app.name))
  }

  private static func bounds(_ app: App) -> JobBounds {
    JobBounds(retries: app.restart.policy == .never ? 0 : nil, backoff: app.restart.backoff)
  }

  /// The file was checked.
  private func schedule(of app: App) -> CronSchedule? { app.schedule.flatMap { try? CronSchedule($0) } }

  // MARK: - The machine

  var record: AppRecord {
    AppRecord(
      name: name, job: machine.saved, declared: ledger.declared, isStopped: ledger.isStopped, stoppedReplicas: ledger.stoppedReplicas)
  }

  var revision: Int { machine.saved.revision }

  var wantedReplicas: Int { ledger.isStopped ? 0 : 1 }

  /// Nobody waits for what comes by the schedule.
  var isSettled: Bool {
    if machine.isEnding { return !machine.isRunning }
    return app.schedule == nil ? !machine.isAwaited : !isAsked
  }

  var hasDoneItsPart: Bool { machine.outcome == .succeeded(revision: revision) && !machine.isAwaited }

  var runsNothing: Bool { ledger.processes.isEmpty && (ledger.isStopped || app.schedule == nil && isSettled) }

  func want(revision: Int, replicas: Int) {
    renewIfEnded()
    feed(.desired(revision: revision, schedule(of: app), Self.bounds(app)))
  }

  /// What was asked for has had its run.
  func answered() { isAsked = false }

  func serve(_ process: ReplicaProcess, _ number: ReplicaNumber, since began: Instant) async {}

  /// Nobody counts on a run while it lasts.
  func quits(_ number: ReplicaNumber) {}

  /// A run is nobody's heir.
  func estate(for number: ReplicaNumber) async -> Estate? { nil }

  func ended(_ number: ReplicaNumber, _ ending: Ending, wasStopped: Bool, leaving estate: Estate?) {
    forgetDrain(number)
    // What was cut off is neither done nor failed, whatever its code.
    feed(wasStopped ? .interrupted(number) : .ended(number, ending))
  }

  /// A machine that was stopped begins nothing more: another one goes on from where it was.
  private func renewIfEnded() {
    if machine.isEnding { machine = ScheduledJob(in: .local, Self.bounds(app), restoring: machine.saved, at: Clock.now) }
  }

  private func feed(_ event: ScheduledJob.Event) {
    for action in machine.handle(event, at: Clock.now, wall: .now) { carryOut(action) }
    write()
  }

  private func carryOut(_ action: ScheduledJob.Action) {
    switch action {
    case .job(.start(let number, let revision)): plan(number, revision: revision)
    case .job(.stop(let number)):
      forgetDrain(number)
      planStop(number)
    case .job(.drain(let number)): drain(number)
    case .job(.arm(let moment)): alarm.set(moment) { await self.feed(.clock) }
    case .job(.note(let note)): tell(note)
    case .armWall(let moment): context.wallAlarms.set(moment, for: name) { await self.feed(.clock) }
    case .note(let note): tell(note)
    }
  }

  // MARK: - Requests

  func recover(_ found: RecoveredApp) async {
    takeIn(found)
    if let saved = found.record?.job {
      machine = ScheduledJob(in: .local, Self.bounds(app), restoring: saved, at: Clock.now)
    }
    for record in ledger.records.values {
      // The newest of the database may be lost: what lives says what was begun.
      feed(.found(ReplicaNumber(record.number), revision: record.revision, startedAt: Instant(nanoseconds: record.startedAt)))
    }
    await adopt(found)
    if let running = machine.running, ledger.processes[running] == nil { feed(.ended(running, .lost)) }
    write()
  }

  func resume() async throws {
    if ledger.isResumed || ledger.isStopping { return }
    ledger.isResumed = true
    feed(.clock)
  }

  func start() async throws {
    try await resume()
    if !ledger.isStopping { carryOutAtStart() }
  }

  func restart() async -> AppOutcome { await runOnce() }

  /// Runs it now, beside its schedule, and waits for the outcome.
  private func runOnce() async -> AppOutcome {
    guard !ledger.isStopping else { return .superseded }
    if machine.isRunning { return .undone("\(name) runs already; wait for its end, or stop it first") }
    ledger.isStopped = false
    return await untilOutcome {
      isAsked = true
      // One that waits for others has no revision yet.
      guard ledger.revisions[revision] != nil else {
        ledger.declared = app
        return begin(app, because: "restart", replicas: 1)
      }
      want(revision: revision, replicas: 1)
      feed(.runNow)
    }
  }

  func startAgain() async -> AppOutcome {
    guard !ledger.isStopping else { return .superseded }
    guard ledger.isStopped else { return .complete }
    ledger.isStopped = false
    return await untilOutcome { want(revision: revision, replicas: 1) }
  }

  func scale(to replicas: Int) async -> AppOutcome {
    .undone("\(name) is a job, which has one replica; run it once more with: lastcall restart \(name)")
  }

  func pause(_ holds: Bool) -> AppOutcome { .undone("\(name) is a job; there is no rollout to \(holds ? "pause" : "go on with")") }

  func untilSettled() async -> AppOutcome {
    guard isSettled, ledger.declared != nil || ledger.isStopped else { return await nextOutcome() }
    if app.schedule == nil, case .failed = machine.outcome { return .undone("\(name) has failed and is not tried again") }
    return .complete
  }

  func stop(grace: TimeSpan?, isHurried: Bool) async {
    if isHurried {
      ledger.isHurrying = true
      await skipToSignals()
    }
    ledger.isStopped = true
    if let grace { shorten(to: app.stopOrder.deadline(grace: grace, at: Clock.now)) }
    await untilStopped(.stop)
    forgetShortening()
    write()
  }

  /// A run is let go to its end, within its grace.
  func stopAll() async {
    ledger.isStopping = true
    let deadline = Clock.now + app.stop.grace
    ledger.fullStopDeadline = deadline
    await waitTelling("\(name) to end by itself", until: deadline) { await self.untilStopped(.drain) }
    await forget()
  }

  func escalate() async {
    // A second Ctrl-C ends the drain and begins the plan; the third skips.
    await skipToSignals()
    for number in drains.keys { endDrain(number) }
  }

  private func untilStopped(_ event: ScheduledJob.Event) async { await untilStopped { feed(event) } }

  // MARK: - A run that is let go to its end

  private func drain(_ number: ReplicaNumber) {
    guard let process = ledger.processes[number] else { return }
    let grace = process.plan.grace
    let deadline = min(ledger.fullStopDeadline ?? .never, Clock.now + grace)
    var alarm = Alarm()
    alarm.set(StopOrder.drainLimit(process.plan, from: deadline - grace)) { await self.endDrain(number) }
    drains[number] = alarm
    note(.normal, "Draining", "\(process.name) may end by itself before it is stopped, within its grace of \(grace)", process.name)
  }

  private func endDrain(_ number: ReplicaNumber) {
    forgetDrain(number)
    planStop(number)
    write()
  }

  private func forgetDrain(_ number: ReplicaNumber) {
    drains[number]?.set(nil)
    drains.removeValue(forKey: number)
  }
}
