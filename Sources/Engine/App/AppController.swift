import AppSpec
import Rollout
import StopPlan

<<<<<<< HEAD
/// Carries out one app: its machine decides, a service's rollout or the runs of a job. What it decides is written down, then done to keepers and
/// the proxy; what they say is given to it. What is the same for both kinds is done in extensions of this protocol.
protocol AppController: Actor {
  nonisolated var name: String { get }
  nonisolated var context: EngineContext { get }
  nonisolated var listener: ListeningSocket? { get }
  nonisolated var proxy: ProxyController? { get }
  var ledger: Ledger { get set }
=======
/// Carries out one app's rollout: what `Rollout` decides is written down, then done to keepers and the proxy; what they say is given to it.
actor AppController {
  /// What is declared now; replicas of earlier revisions were started from theirs.
  private(set) var app: App
  /// What the file said when it was last carried out.
  private(set) var declared: App?
  /// Whether a user has stopped it.
  var isStopped = false
  /// How many replicas it had then.
  var stoppedReplicas: Int?
  nonisolated let name: String
  let context: EngineContext
  let listener: ListeningSocket?
  var rollout: Rollout
  var processes: [ReplicaNumber: ReplicaProcess] = [:]
  var records: [ReplicaNumber: ReplicaRecord] = [:]
  /// What runs beside replicas.
  var sidecars: [ReplicaNumber: Sidecars] = [:]
  var ports = ReplicaPorts()
  /// Who is given what by whom of what replicas have stored, by who is to start; and what those that have ended have left.
  var inheritance = Inheritance()
  var givers: [ReplicaNumber: ReplicaNumber] = [:]
  var estates: [ReplicaNumber: Estate] = [:]
  let proxy: ProxyController?
  /// The revisions that are kept, by number.
  private(set) var revisions: [Int: RevisionRecord] = [:]
  private var alarm = Alarm()
  private var outcomeWaiters: [CheckedContinuation<Outcome, Never>] = []
  private(set) var isStopping = false
  /// Replicas of which something may still run, though nothing can be done about it.
  private(set) var inDoubt: [String] = []
  /// By when a full stop has to be over; nil while none is under way.
  private(set) var fullStopDeadline: Instant?
  /// What is to be written before anything is done about it, and what is done then, in the machine's order.
  var outbox: [StateChange] = []
  private var deeds: [Deed] = []
  private var writing: Task<Void, Never>?
  private var written: AppRecord?
  /// Set when nothing of it is to be written any more.
  private var isForgotten = false
  /// How long a full stop waits for queued connections to be accepted.
  private static let queueBound = TimeSpan.seconds(1)

  /// How a rollout ended.
  enum Outcome: Sendable {
    case complete
    case undone(String)
    case superseded
  }

  /// What the machine wants done once it is written down.
  private enum Deed {
    case start(ReplicaNumber)
    case stop(ReplicaNumber)
    case end(Outcome, [CheckedContinuation<Outcome, Never>])
  }

  /// What an earlier engine has left of an app.
  struct Recovered: Sendable {
    var record: AppRecord?
    var revisions: [RevisionRecord] = []
    var replicas: [ReplicaRecord] = []
    var proxies: [ReplicaRecord] = []
    var sidecars: [ReplicaRecord] = []
  }

  init(app: App, listener: ListeningSocket?, context: EngineContext) {
    self.app = app
    name = app.name
    self.listener = listener
    self.context = context
    proxy = if let listener, app.listen?.via == .proxy { ProxyController(app: app, listener: listener, context: context) } else { nil }
    rollout = Rollout(Self.bounds(app), seed: Self.seed(app.name))
  }

  /// Apps that fail together do not come back together.
  private static func seed(_ name: String) -> UInt64 { name.utf8.reduce(0) { $0 &* 31 &+ UInt64($1) } }

  static func bounds(_ app: App) -> RolloutBounds {
    let budget = app.update.budget(replicas: app.replicas)
    return RolloutBounds(
      surge: budget.surge, unavailable: budget.unavailable, deadline: app.update.deadline, extending: app.notify.extend,
      settle: app.update.settle, backoff: app.restart.backoff)
  }

  // MARK: - After an engine's death

  /// Takes over what an earlier engine has left: who lives is followed again, stops that were under way go on with what they had left.
  func recover(_ found: Recovered) async {
    for revision in found.revisions { revisions[revision.number] = revision }
    if await proxy?.adopt(found.proxies) == false { for proxy in found.proxies { outbox.append(.replicaGone(proxy.name)) } }
    for record in found.replicas { adopt(record) }
    let replicas = records.values.map(\.replica)
    if let record = found.record {
      (written, declared, isStopped, stoppedReplicas) = (record, record.declared, record.isStopped, record.stoppedReplicas)
      rollout = Rollout(restoring: record.rollout, replicas: replicas, at: Clock.now)
    } else if !replicas.isEmpty {
      // The newest of the database is lost: what lives says which numbers were given.
      rollout = Rollout(restoring: rollout.saved, replicas: replicas, at: Clock.now)
      let desired = Desired(replicas: replicas.count { $0.phase != .stopping }, revision: replicas.map(\.revision).max() ?? 0)
      for action in rollout.handle(.desired(desired), at: Clock.now) { carryOut(action) }
    }
    if !replicas.isEmpty {
      let text = "an engine that was killed has left \(Self.counted(replicas.count)); \(replicas.count == 1 ? "it goes" : "they go") on"
      note(.normal, "Recovered", text)
    }
    await adoptSidecars(found.sidecars)
    for (number, record) in records {
      guard let process = processes[number] else { continue }
      let following = Task { await follow(process, number) { await process.adopt() } }
      // What ended meanwhile must not count as serving once the machine decides.
      guard process.directory.isHeld || !process.directory.exists else {
        await following.value
        continue
      }
      if record.stop == nil, record.readySince != nil, let port = record.port { try? await proxy?.add(record.name, port: port) }
      if record.stop != nil { Task { await stopReplica(number) } }
    }
    await proxy?.keepOnlyMembers()
    write()
  }

  private func adoptSidecars(_ found: [ReplicaRecord]) async {
    for (number, record) in records {
      guard let process = processes[number], let beside = Sidecars(process.app, beside: record, context: context) else { continue }
      sidecars[number] = beside
      await beside.adopt(found.filter { $0.number == number.value })
    }
    // Those whose replica is gone, or was never started.
    let orphans = found.filter { records[ReplicaNumber($0.number)] == nil }
    let living = orphans.map(\.name).filter { ReplicaDirectory(context.paths.replica($0)).isHeld }
    do { try await Leftovers.stop(context.paths, only: living) { _ in } } catch { note(.warning, "Doubt", "\(error)") }
    for orphan in orphans { outbox.append(.replicaGone(orphan.name)) }
  }

  /// Whether it lives though its directory is gone.
  private func isLost(_ name: String) -> Bool {
    !ReplicaDirectory(context.paths.replica(name)).exists && LivingKeepers.lost(context.paths)[name] != nil
  }

  private func adopt(_ record: ReplicaRecord) {
    let directory = ReplicaDirectory(context.paths.replica(record.name))
    // Written down and then not started, or of another boot.
    guard record.boot == ReplicaRecord.currentBoot, directory.record() != nil || directory.isHeld || isLost(record.name) else {
      outbox.append(.replicaGone(record.name))
      return
    }
    let number = ReplicaNumber(record.number)
    records[number] = record
    if let port = record.port { ports.keep(port) }
    let spec = revisions[record.revision]?.spec ?? app
    processes[number] = ReplicaProcess(record, app: spec, listener: listener?.descriptor, context: context)
  }

  // MARK: - Requests

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
    isForgotten = true
    outbox.append(.appGone(app.name))
    write()
    await writing?.value
  }

  /// Skips to the next signal everywhere.
  func escalate() async {
    for process in processes.values { await process.escalate() }
    await proxy?.escalate()
  }

  /// Starts replicas of a new revision, which take the places of all others.
  func begin(_ app: App, because cause: String, replicas: Int) {
    self.app = app
    isStopped = false
    let number = max(rollout.desired.revision, revisions.keys.max() ?? 0) + 1
    let revision = RevisionRecord(app: app.name, number: number, at: Date().timeIntervalSince1970, cause: cause, spec: app)
    revisions[number] = revision
    outbox.append(.revision(revision))
    feed(.desired(Desired(replicas: replicas, revision: number), bounds: Self.bounds(app)))
  }

  /// Takes what is declared into the revision that is wanted: what needs no new replicas.
  func amend(_ app: App, replicas: Int) {
    self.app = app
    let number = rollout.desired.revision
    if var revision = revisions[number] {
      revision.spec = app
      revisions[number] = revision
      outbox.append(.revision(revision))
    }
    feed(.desired(Desired(replicas: replicas, revision: number), bounds: Self.bounds(app)))
  }

  /// What is in force again after a revision was undone.
  func serve(_ spec: App) { app = spec }

  /// Notes what the file says, so that it is carried out once.
  func declare(_ app: App) { declared = app }

  func untilOutcome(_ begin: () -> Void) async -> Outcome {
    for waiter in outcomeWaiters { waiter.resume(returning: .superseded) }
    outcomeWaiters = []
    return await withCheckedContinuation { waiter in
      outcomeWaiters.append(waiter)
      begin()
      // What is as wanted already says nothing more.
      guard rollout.isComplete, !outcomeWaiters.isEmpty else { return }
      end(.complete)
      write()
    }
  }

  func wait(_ waiter: CheckedContinuation<Outcome, Never>) { outcomeWaiters.append(waiter) }

  /// What starts from now on has its own grace.
  func forgetShortening() { if !isStopping { fullStopDeadline = nil } }

  /// Moves the end of all stops under way, and of those to come, forward; never back.
  func shorten(to deadline: Instant) {
    fullStopDeadline = min(fullStopDeadline ?? .never, deadline)
    for (number, record) in records {
      guard let old = record.stop, deadline.nanoseconds < old.deadline else { continue }
      let stop = ReplicaRecord.Stop(id: RequestIDs.next(), deadline: deadline.nanoseconds, since: old.since)
      var record = record
      record.stop = stop
      keep(record)
      guard let process = processes[number] else { continue }
      Task {
        await process.shorten(stop)
        await proxy?.hurry(process.name)
      }
    }
    write()
  }
>>>>>>> ff480d115fc13640eec5dcbc1d1eb2c30d07adfb

  // MARK: - The machine

  /// What a later engine goes on from.
  var record: AppRecord { get }
  /// The revision that is wanted.
  var revision: Int { get }
  /// How many replicas are wanted.
  var wantedReplicas: Int { get }
  /// Whether what is wanted has been reached, or given up.
  var isSettled: Bool { get }
  /// Whether nothing of it runs, nor is to.
  var runsNothing: Bool { get }
  /// Its state in one word, and why.
  var state: (String, String) { get }
  /// What its replicas are, for `lastcall ps`.
  func rows(of target: String?) async -> [ReplicaRow]

  /// Has the machine go for a revision.
  func want(revision: Int, replicas: Int)
  /// What a replica is given that starts now of what another has stored.
  func estate(for number: ReplicaNumber) async -> Estate?
  /// A replica has ended.
  /// - Parameter estate: what it had stored.
  func ended(_ number: ReplicaNumber, _ ending: Ending, leaving estate: Estate?)
  /// A replica runs: what is done with it until it ends.
  func serve(_ process: ReplicaProcess, _ number: ReplicaNumber, since began: Instant) async

  // MARK: - Requests

  /// Takes over what an earlier engine has left: who lives is followed again, stops that were under way go on with what they had left.
  func recover(_ found: RecoveredApp) async
  /// Starts what is declared; nothing once a full stop was asked for. What an earlier engine has left goes on as it was when the file says the
  /// same as then.
  func start() async throws
  /// Replaces all replicas by new ones, or runs the job once more, and waits for the outcome.
  func restart() async -> AppOutcome
  /// Starts what was stopped, and waits for the outcome.
  func startAgain() async -> AppOutcome
  /// Changes the number of replicas and waits for the outcome.
  func scale(to replicas: Int) async -> AppOutcome
  /// Holds the replacement of old replicas by new ones, or goes on with it.
  func pause(_ holds: Bool) -> AppOutcome
  /// Stops what runs. It stays stopped over an engine's death.
  /// - Parameter grace: by when it has to be gone, if that is sooner than what is declared; 0 kills at once.
  func stop(grace: TimeSpan?) async
  /// Waits until what is under way has ended.
  func untilSettled() async -> AppOutcome
  /// Stops everything of it, under one grace clock, and waits until nothing is left.
  func stopAll() async
  /// Skips to the next signal everywhere.
  func escalate() async
}

/// The controller of an app of that kind.
func makeController(_ app: App, listener: ListeningSocket?, context: EngineContext) -> any AppController {
  switch app.kind {
  case .service: ServiceController(app: app, listener: listener, context: context)
  case .job: JobController(app: app, context: context)
  }
}

<<<<<<< HEAD
extension AppController {
  /// What is declared now.
  var app: App { ledger.app }
=======
  private func carryOut(_ action: Rollout.Action) {
    switch action {
    case .start(let number, let revision):
      var record = ReplicaRecord(
        name: name(number), app: app.name, number: number.value, revision: revision, boot: ReplicaRecord.currentBoot,
        startedAt: Clock.now.nanoseconds)
      let spec = revisions[revision]?.spec ?? app
      if spec.listen?.via == .proxy { record.port = try? ports.take() }
      keep(record)
      let inherited = spec.listen?.via == .socket ? listener?.descriptor : nil
      processes[number] = ReplicaProcess(record, app: spec, listener: inherited, context: context)
      if spec.notify.store > 0 { appointHeir(number, of: revision) }
      deeds.append(.start(number))
    case .stop(let number):
      guard var record = records[number], let process = processes[number] else { return }
      let deadline = min(fullStopDeadline ?? .never, Clock.now + process.plan.grace)
      record.stop = ReplicaRecord.Stop(id: RequestIDs.next(), deadline: deadline.nanoseconds, since: Clock.now.nanoseconds)
      keep(record)
      deeds.append(.stop(number))
    case .arm(let moment): alarm.set(moment) { await self.feed(.clock) }
    case .note(let note): tell(note)
    }
  }
>>>>>>> ff480d115fc13640eec5dcbc1d1eb2c30d07adfb

  /// Whether that is a replica of it.
  func has(_ replica: String) -> Bool { ledger.processes.values.contains { $0.name == replica } }

  /// Whether it was never started.
  var isNew: Bool { ledger.declared == nil && ledger.revisions.isEmpty }

  /// Replicas of which something may still run, though nothing can be done about it.
  var inDoubt: [String] { ledger.inDoubt }

  /// Why it was not begun yet.
  var waitsFor: String { app.after.isEmpty ? "" : "it waits for \(app.after.joined(separator: ", "))" }

<<<<<<< HEAD
  func name(_ number: ReplicaNumber) -> String { "\(name)-\(number.value)" }
=======
  // MARK: - Writing before doing

  /// Writes what is noted, then does what waits for that. What comes meanwhile is written together afterwards.
  func write() {
    let record = AppRecord(
      name: app.name, rollout: rollout.saved, declared: declared, isStopped: isStopped, stoppedReplicas: stoppedReplicas)
    if record != written, !isForgotten {
      written = record
      outbox.append(.app(record))
    }
    guard writing == nil, !outbox.isEmpty || !deeds.isEmpty else { return }
    writing = Task {
      while !outbox.isEmpty || !deeds.isEmpty { await writeOnce() }
      writing = nil
    }
  }

  private func writeOnce() async {
    let (changes, deeds) = (outbox, deeds)
    (outbox, self.deeds) = ([], [])
    var failure: (any Error)?
    do { try await context.store.commit(changes) } catch { failure = error }
    for deed in deeds {
      switch deed {
      case .start(let number):
        // Nothing is started that a later engine would not look for.
        if let failure { refuse(number, failure) } else { launch(number) }
      case .stop(let number): Task { await stopReplica(number) }
      case .end(let outcome, let waiters): for waiter in waiters { waiter.resume(returning: outcome) }
      }
    }
  }

  private func refuse(_ number: ReplicaNumber, _ failure: any Error) {
    note(.warning, "Failed", "\(name(number)) is not started, since that could not be written down: \(failure)", name(number))
    gone(number)
    settleEstate(of: number, nil)
    feed(.ended(number, .failed))
  }

  /// Nothing is left of a replica.
  func gone(_ number: ReplicaNumber) {
    guard let process = processes.removeValue(forKey: number) else { return }
    records.removeValue(forKey: number)
    if let port = process.port { ports.giveBack(port) }
    outbox.append(.replicaGone(process.name))
  }

  func doubt(_ name: String) { inDoubt.append(name) }

  func name(_ number: ReplicaNumber) -> String { "\(app.name)-\(number.value)" }
>>>>>>> ff480d115fc13640eec5dcbc1d1eb2c30d07adfb

  static func counted(_ count: Int) -> String { count == 1 ? "1 replica" : "\(count) replicas" }
}
