import AppSpec
import CLinux
import Foundation
import Linux
import Rollout
import StopPlan

/// One replica: its keeper, what the keeper says of it, and whether it is ready.
///
/// It is launched, or taken over from an engine that was killed; from then on there is no difference.
actor ReplicaProcess {
  let name: String
  let port: Int?
  /// What it was started from.
  let app: App
  let context: EngineContext
  let listener: Descriptor?
  private let values: ReplicaValues
  /// Whose events it reports.
  let owner: String
  /// Whether it was ready when it was last recorded.
  let wasReady: Bool
  nonisolated let directory: ReplicaDirectory
  var keeper: Int32 = 0
  var main: Int32 = 0
  var mainStart: UInt64?
  private(set) var statusText = ""
  var link: KeeperLink?
  /// Which process the keeper is, once that is known.
  var identity: ProcessIdentity?
  /// Whether it has said who it is.
  private(set) var hasGreeted = false
  /// Its keeper, when that cannot be reached any more.
  var lost: ProcessIdentity?
  /// Whether its keeper has said that it could not be executed.
  private var hasToldFailure = false
  /// Whether its keeper has said that nothing of it is left.
  private var saidEnd = false
  private var lastSequence: Int64 = 0
  /// There from when the program has stored something, for what is stored when it ends.
  var custody: Custody?
  /// Whether it has ever stored something.
  private var hasStored = false
  /// Whether its keeper may have become another one; it has when it greets us.
  var isReconnected = false
  /// What it was given at its start, until its keeper is seen to have it.
  var given: Estate?
  /// What it had stored when it ended.
  var estate: Estate?
  /// What is known of the keeper's version, and whether it is to become another one.
  var upgrade = KeeperUpgrade()
  /// Those who wait until it has.
  var upgradeWaiters: [CheckedContinuation<Void, Never>] = []
  /// A stop that was asked for, also when that was before the keeper could be told.
  private(set) var request: ReplicaRecord.Stop?
  /// Set when its keeper waits for its turn before the first signal.
  private(set) var turn: Turn?
  private var turnWaiters: [CheckedContinuation<Void, Never>] = []
  /// Whether its stop waits for nothing before the first signal.
  var isHurried = false
  /// Ends an HTTP hook when its time is up.
  var hookClock = Alarm()
  var hook: Task<String?, Never>?
  var hasStarted = false
  var saidReady = false
  /// Until when it has asked to be awaited, as far as its keeper lets it.
  var extendedUntil: Instant?
  /// What its keeper says.
  nonisolated let inbox = Inbox<KeeperLink.Event>()
  /// Nothing of it is left.
  private var end = Occasion()
  /// The program says that it stops by itself (STOPPING=1).
  private var leaving = Occasion()
  /// The program has not given the sign of life that its watchdog wants.
  private var watchdog = Occasion()
  /// Is called whenever it asks to be awaited longer.
  private var onExtension: @Sendable () -> Void = {}
  private var readyWaiters: [CheckedContinuation<Void, Never>] = []
  /// How the program ended; nil while it runs, or when its keeper died before it could tell.
  private(set) var exitStatus: ExitStatus?
  /// Whether something of it may still run, though its keeper is gone.
  var isInDoubt = false
  /// Whether what a killed keeper has left is given no more time.
  var isSweepHurried = false
  /// Whether its stop has begun, before its keeper is asked.
  var isLeaving = false
  private(set) var lastProbe = ""
  private(set) var isReady = false
  /// Whether it passed its readiness check when that was looked at last, on its way out.
  var passes: Bool?
  nonisolated let startedAt: Instant
  /// Whether something of it had to be killed.
  private(set) var wasKilled = false
  /// Whether the program ended before it was sent a signal of its stop.
  private(set) var endedByItself = false

  init(_ record: ReplicaRecord, app: App, listener: Descriptor?, context: EngineContext) {
    name = record.name
    owner = record.app
    wasReady = record.readySince != nil
    port = record.port
    startedAt = Instant(nanoseconds: record.startedAt)
    self.app = app
    self.listener = listener
    self.context = context
    values = ReplicaValues(port: record.port)
    directory = ReplicaDirectory(context.paths.replica(record.name))
    let waits = record.role == .sidecar || record.role == .replica && app.stopOrder.holdsMain
    turn = waits ? Turn(step: app.stopOrder.holding(app.stop.plan(for: values)).turn) : nil
  }

  /// The cgroup that its program is to have for itself; podman makes one for a container.
  var cgroup: String? { app.container == nil ? context.cgroups.replica(name) : nil }

  nonisolated var plan: StopPlan { app.stop.plan(for: values) }

  var command: KeeperCommand { command([]) }

  func command(_ stored: [Estate.Entry]) -> KeeperCommand {
    let names = (listener == nil ? [] : [app.name]) + stored.map(\.name)
    var values = values
    (values[.listenFDs], values[.listenFDNames]) = ("\(names.count)", names.joined(separator: ":"))
    return KeeperCommand(
      app: app, values: values, port: port, directory: directory.path, keeperBinary: context.keeperBinary, initBinary: context.initBinary,
      inheritedNames: names, stored: stored, inherited: context.environment, waits: turn != nil, cgroup: cgroup)
  }

  // MARK: - What the keeper says

  func keep(_ link: KeeperLink) {
    self.link = link
    if let request { tell(request, link) }
    inbox.open { [weak self] event in await self?.take(event) }
  }

  private func take(_ event: KeeperLink.Event) async {
    switch event {
    case .said(let message): await take(message)
    case .closed: await disconnected()
    }
  }

  /// The keeper has ended, or become another one, which ends the connection but not the process.
  private func disconnected() async {
    guard let next = await reconnect() else { return await keeperEnded() }
    link = next
    isReconnected = true
    if let request { tell(request, next) }
  }

  /// - Returns: nil when the keeper is gone.
  private func reconnect() async -> KeeperLink? {
    var pause = TimeSpan.milliseconds(1)
    while let identity, let record = ProcessRecord(pid: identity.pid), record.identity == identity, !record.isZombie {
      if let link = try? await KeeperLink.connect(directory.socket, after: lastSequence, inbox.put) { return link }
      try? await TaskThreads.sleep(pause)
      pause = min(pause + pause, .milliseconds(50))
    }
    return nil
  }

  private func take(_ message: KeeperMessage) async {
    if message.reply == "keeper" { await greeted(message) }
    if message.ok == false { await refused(message.error) }
    if let sequence = message.seq, message.event != nil {
      guard sequence > lastSequence else { return }
      lastSequence = sequence
    }
    // Told before anything that follows from it.
    if let news = message.news(of: name), message.event != "started" || !hasStarted {
      await report(news.kind, news.reason, news.text, message)
    }
    switch message.event {
    case "started":
      main = message.pid ?? main
      mainStart = ProcessRecord(pid: main)?.identity.startTime ?? mainStart
      hasStarted = true
      wakeReadyWaiters()
    case "notifyReady":
      saidReady = true
      wakeReadyWaiters()
    case "notifyStopping":
      leaving.come()
    case "notifyExtend":
      extendedUntil = message.until.map { Instant(nanoseconds: $0) } ?? extendedUntil
      onExtension()
    case "notifyStatus": statusText = message.status ?? ""
    case "step":
      turn?.began(message.step ?? 0)
      wakeTurnWaiters()
    case "killing":
      wasKilled = true
      turn?.began(.max)
      wakeTurnWaiters()
    case "watchdog", "notifyWatchdog":
      watchdog.come()
    case "exited":
      exitStatus = message.exitStatus
      endedByItself = turn?.hasCome != true
      wakeTurnWaiters()
    case "failed": hasToldFailure = true
    case "ended": saidEnd = true
    case "fdStored":
      hasStored = true
      takeCustody()
    default: break
    }
  }

  private func greeted(_ message: KeeperMessage) async {
    hasGreeted = true
    keeper = message.keeper ?? keeper
    main = message.main ?? main
    mainStart = message.mainStart ?? mainStart
    if identity == nil { identity = ProcessRecord(pid: keeper)?.identity }
    // Its start may be too long ago for its keeper to tell of it again; who was ready has been told of.
    if main > 0, !hasStarted { if wasReady { hasStarted = true } else { await reportStart() } }
    if message.ready == true { saidReady = true }
    wakeReadyWaiters()
    statusText = message.status ?? statusText
    if isReconnected { await dropCustody() }
    if message.stored ?? 0 > 0 {
      hasStored = true
      takeCustody()
    }
    await know(message)
  }

  func report(_ kind: EngineEvent.Kind, _ reason: String, _ text: String, _ message: KeeperMessage? = nil, key: String? = nil) async {
    let key = key ?? (message?.event == "started" ? self.key("started") : message?.seq.flatMap { self.key("\($0)") })
    await context.reporter.report(EngineEvent(app: owner, replica: name, kind: kind, reason: reason, message: text, key: key))
  }

  /// Reports what went wrong.
  func warn(_ reason: String, _ text: String) async { await report(.warning, reason, text) }

  func keeperEnded() async {
    link?.close()
    link = nil
    await endCustody()
    if let record = directory.exit() {
      await tellLate(record)
      exitStatus = record.exitStatus ?? exitStatus
    } else if !saidEnd {
      endedByItself = turn?.hasCome != true
      await sweep()
    }
    await clearContainer()
    over()
  }

  /// Tells what its keeper may have had no time to tell.
  private func tellLate(_ record: KeeperMessage) async {
    if record.pid == 0 {
      guard !hasToldFailure, identity != nil, let words = directory.lastWords() else { return }
      await report(.warning, "Failed", "\(name) did not start: \(words)", key: key("failed"))
    } else if !hasStarted, !wasReady, identity != nil {
      await reportStart()
    }
  }

  /// Takes in who keeps it and who its program is, when nobody can be asked.
  func know(_ keeper: Int32, main: ProcessIdentity?) {
    self.keeper = keeper
    if let main { (self.main, mainStart) = (main.pid, main.startTime) }
    statusText = "it cannot be asked: its run directory was deleted"
  }

  func over() {
    // Its last words are nobody's concern any more.
    (leaving, watchdog) = (Occasion(), Occasion())
    onExtension = {}
    upgradeEnded()
    end.come()
    wakeReadyWaiters()
    wakeTurnWaiters()
  }

  /// Says what its keeper had no time to say.
  func reportStart() async {
    await report(.normal, "Started", "\(name) started", key: key("started"))
    hasStarted = true
  }

  /// Waits until nothing of the replica is left.
  func untilEnded() async { await withCheckedContinuation { waiter in end.then { waiter.resume() } } }

  var isEnded: Bool { end.hasCome }

  /// Calls once nothing of the replica is left.
  func onEnd(_ call: @escaping @Sendable () -> Void) { end.then(call) }

  /// Calls once the program says that it stops by itself (STOPPING=1).
  func onLeaving(_ call: @escaping @Sendable () -> Void) { if !isEnded { leaving.then(call) } }

  /// Calls once it has not given the sign of life that its watchdog wants.
  func onWatchdog(_ call: @escaping @Sendable () -> Void) { if !isEnded { watchdog.then(call) } }

  /// Calls whenever it asks to be awaited longer, and now when it has.
  func onExtension(_ call: @escaping @Sendable () -> Void) {
    if isEnded { return }
    onExtension = call
    if extendedUntil != nil { call() }
  }

  var saidStopping: Bool { leaving.hasCome }

  private func wakeTurnWaiters() {
    for waiter in turnWaiters { waiter.resume() }
    turnWaiters = []
  }

  private func wakeReadyWaiters() {
    for waiter in readyWaiters { waiter.resume() }
    readyWaiters = []
  }

  // MARK: - Readiness

  /// Waits until the replica is ready.
  /// - Returns: false when it ended before.
  func untilReady() async -> Bool {
    isReady = await becomesReady()
    return isReady
  }

  private func becomesReady() async -> Bool {
    // What a probe finds before is of somebody else, or was not told of yet.
    while !isRunning, !isEnded { await withCheckedContinuation { readyWaiters.append($0) } }
    guard let readiness = app.ready else { return !isEnded }
    if case .notify = readiness.check {
      while !saidReady, !isEnded { await withCheckedContinuation { readyWaiters.append($0) } }
      return !isEnded
    }
    while !isEnded {
      guard let problem = await look(readiness.check, readiness.timeout) else { return !isEnded }
      lastProbe = problem
      try? await TaskThreads.sleep(readiness.every)
    }
    return false
  }

  /// Whether the program has been started; podman says READY=1 once a container has.
  private var isRunning: Bool { app.container == nil ? hasStarted : saidReady }

  /// Whether nobody cares any more whether it works.
  var isOver: Bool { isEnded || isLeaving }

  /// How commands beside the program are run.
  var beside: HookCommand { HookCommand(command: command, children: context.children) }

  // MARK: - Stop

  /// Whether a stop was asked for.
  var wasAskedToStop: Bool { request != nil }

  /// Asks the keeper to stop the replica by its plan, to be over by the deadline. A second request can only come earlier.
  func stop(_ request: ReplicaRecord.Stop) {
    let isFirst = self.request == nil
    self.request = request
    // It may not have been possible before.
    if hasStored { takeCustody() }
    if let link { tell(request, link) }
    if isFirst { tellLost() }
  }

  private func tell(_ request: ReplicaRecord.Stop, _ link: KeeperLink) {
    var request = request
    if let turn, !turn.hasCome, !request.isAtOnce { request.deadline += app.stopOrder.allowance.nanoseconds }
    link.stop(request)
    if isHurried { link.skipToFirstSignal(id: RequestIDs.next()) }
  }

  /// Moves the end of its stop forward, as far as that has begun.
  func shorten(_ request: ReplicaRecord.Stop) {
    setHookLimit(request)
    if self.request != nil { stop(request) }
  }

  /// Waits until only its turn is missing, or has come, or it has ended.
  func untilTurn() async {
    while let turn, turn.reachedAt == nil, !turn.hasCome, exitStatus == nil, !isEnded {
      await withCheckedContinuation { turnWaiters.append($0) }
    }
  }

  /// Skips to the plan's next signal.
  func escalate() async {
    guard await isTellable() else { return }
    // What a killed keeper has left was sent its signal; the next one is KILL.
    if let link { link.escalate(id: RequestIDs.next()) } else { isSweepHurried = true }
  }
}
