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
  private let context: EngineContext
  private let listener: Descriptor?
  private let values: ReplicaValues
  /// Whose events it reports.
  private let owner: String
  private let skipsPreStop: Bool
  nonisolated let directory: ReplicaDirectory
  private(set) var keeper: Int32 = 0
  private(set) var main: Int32 = 0
  private var mainStart: UInt64?
  private(set) var statusText = ""
  var link: KeeperLink?
  /// Which process the keeper is; nil until it has answered.
  private var identity: ProcessIdentity?
  private var lastSequence: Int64 = 0
  /// A stop that was asked for, also when that was before the keeper could be told.
  private(set) var request: ReplicaRecord.Stop?
  private var hasStarted = false
  private var saidReady = false
  private var saidStopping = false
  private var missedWatchdog = false
  private var leavingWaiters: [CheckedContinuation<Void, Never>] = []
  private var readyWaiters: [CheckedContinuation<Void, Never>] = []
  private var isEnded = false
  /// How the program ended; nil while it runs, or when its keeper died before it could tell.
  private(set) var exitStatus: ExitStatus?
  /// Whether something of it may still run, though its keeper is gone.
  private(set) var isInDoubt = false
  /// Whether its stop has begun, before its keeper is asked.
  private(set) var isLeaving = false
  private(set) var lastProbe = ""
  /// Whether something of it had to be killed.
  private(set) var wasKilled = false

  init(_ record: ReplicaRecord, app: App, listener: Descriptor?, context: EngineContext) {
    name = record.name
    owner = record.app
    skipsPreStop = record.role == .sidecar
    port = record.port
    self.app = app
    self.listener = listener
    self.context = context
    values = ReplicaValues(port: record.port)
    directory = ReplicaDirectory(context.paths.replica(record.name))
  }

  nonisolated var plan: StopPlan { app.stop.plan(for: values) }

  var command: KeeperCommand {
    KeeperCommand(
      app: app, values: values, port: port, directory: directory.path, keeperBinary: context.keeperBinary,
      initBinary: context.initBinary, inheritedNames: listener == nil ? [] : [app.name], inherited: context.environment,
      skipsPreStop: skipsPreStop)
  }

  // MARK: - Start

  /// Starts the keeper, which starts the program, and follows what it says.
  /// - Parameter record: what is kept of it in the run directory too, for an engine that has lost the newest of its database.
  func launch(_ record: ReplicaRecord) async throws {
    // Who is not wanted any more is not started.
    if request != nil { return over() }
    let lock: Descriptor
    do { lock = try directory.take(for: record) } catch {
      // Whatever is there is not ours to sweep.
      over()
      throw error
    }
    do {
      try await startKeeper(lock)
      lock.close()
    } catch {
      // What still holds it then is of the replica, and not we.
      lock.close()
      await keeperEnded()
      throw error
    }
  }

  private func startKeeper(_ lock: Descriptor) async throws {
    if app.user != nil, app.container == nil { try context.paths.letThrough(to: name) }
    var image: ImageConfiguration?
    if let container = app.container {
      image = try await beside.podman.configuration(of: container.image)
      // The stop may have come meanwhile.
      if request != nil { return over() }
      try directory.noteContainer()
    }
    let output = try Path(string: directory.keeperLog).open(O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW)
    defer { output.close() }
    let null = try Path("/dev/null").open(O_RDWR)
    defer { null.close() }
    var program = Program(
      executable: Path(string: context.keeperBinary), arguments: try command.arguments(image).map { Array($0.utf8) },
      environment: try command.environment())
    (program.input, program.output, program.error) = (null, output, output)
    program.directory = Path(string: app.directory)
    program.group = .session
    // The lock goes on to the program: while something of the replica lives, it is held.
    program.placed = [listener, lock].compactMap { $0 }
    program.writesListenPid = listener != nil
    keeper = try await context.children.start(program)
    try await connectAtStart()
  }

  /// The socket is there a moment after the keeper has started; how long that takes is bounded.
  private func connectAtStart() async throws {
    let limit = Clock.now + .seconds(20)
    var pause: UInt64 = 1_000_000
    while true {
      if let link = try? await KeeperLink.connect(directory.socket, after: 0) {
        Task { [children = context.children, keeper] in _ = await children.wait(for: keeper) }
        return keep(link)
      }
      if ProcessRecord(pid: keeper)?.isZombie ?? true {
        let status = await context.children.wait(for: keeper)
        throw EngineError("\(name) did not start: \(directory.lastWords() ?? "its keeper ended with \(status.shellCode)")")
      }
      if Clock.now > limit { throw EngineError("the keeper of \(name) does not answer; see \(directory.keeperLog)") }
      try await Task.sleep(nanoseconds: pause)
      pause = min(pause * 2, 50_000_000)
    }
  }

  /// Whether it was tried to start it.
  var isLaunched: Bool { isEnded || keeper > 0 }

  /// It is not started after all; who waits for its end goes on.
  func abandon() { if !isEnded { over() } }

  // MARK: - After an engine's death

  /// Takes over what an earlier engine has started. Returns when it is followed again, or has ended.
  func adopt() async {
    var pause: UInt64 = 1_000_000
    let limit = Clock.now + Self.answerBound
    if let processes = directory.processes() { (main, mainStart) = (processes.main, processes.mainStart) }
    while directory.isHeld {
      if let link = try? await KeeperLink.connect(directory.socket, after: 0) { return keep(link) }
      let processes = directory.processes()
      (main, mainStart) = (processes?.main ?? 0, processes?.mainStart)
      // A keeper that was forked just before its engine died needs a moment; one that is gone never answers.
      if processes != nil, processes?.livingKeeper == nil { break }
      if Clock.now > limit { break }
      try? await Task.sleep(nanoseconds: pause)
      pause = min(pause * 2, 50_000_000)
    }
    await keeperEnded()
  }

  /// How long a keeper may take to answer an engine that has come back.
  private static let answerBound = TimeSpan.seconds(5)

  // MARK: - What the keeper says

  private func keep(_ link: KeeperLink) {
    self.link = link
    if let request { link.stop(request) }
    Task { await follow(link) }
  }

  /// Follows the keeper to its end, also over its upgrade, which ends the connection but not the process.
  private func follow(_ first: KeeperLink) async {
    var link = first
    while true {
      for await message in link.messages { await take(message) }
      link.close()
      guard let next = await reconnect() else { break }
      link = next
      self.link = next
      if let request { next.stop(request) }
    }
    await keeperEnded()
  }

  /// - Returns: nil when the keeper is gone.
  private func reconnect() async -> KeeperLink? {
    var pause: UInt64 = 500_000
    while let identity, let record = ProcessRecord(pid: identity.pid), record.identity == identity, !record.isZombie {
      if let link = try? await KeeperLink.connect(directory.socket, after: lastSequence) { return link }
      try? await Task.sleep(nanoseconds: pause)
      pause = min(pause * 2, 50_000_000)
    }
    return nil
  }

  /// The same whichever engine tells of it: the keeper, and which of its events.
  private func key(_ what: String) -> String? {
    identity.map { "\(ReplicaRecord.currentBoot)/\($0.pid)/\($0.startTime)/\(what)" }
  }

  private func take(_ message: KeeperMessage) async {
    if message.reply == "keeper" { greeted(message) }
    if let sequence = message.seq, message.event != nil {
      guard sequence > lastSequence else { return }
      lastSequence = sequence
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
      saidStopping = true
      wakeLeavingWaiters()
    case "notifyStatus": statusText = message.status ?? ""
    case "killing": wasKilled = true
    case "watchdog":
      missedWatchdog = true
      wakeLeavingWaiters()
    case "exited": exitStatus = message.exitStatus
    default: break
    }
    if let news = message.news(of: name) { await report(news.kind, news.reason, news.text, message) }
  }

  private func greeted(_ message: KeeperMessage) {
    keeper = message.keeper ?? keeper
    main = message.main ?? main
    mainStart = message.mainStart ?? mainStart
    if identity == nil { identity = ProcessRecord(pid: keeper)?.identity }
    if message.ready == true {
      saidReady = true
      wakeReadyWaiters()
    }
    statusText = message.status ?? statusText
  }

  private func report(_ kind: EngineEvent.Kind, _ reason: String, _ text: String, _ message: KeeperMessage? = nil, key: String? = nil) async
  {
    let key = key ?? message?.seq.flatMap { self.key("\($0)") }
    await context.reporter.report(EngineEvent(app: owner, replica: name, kind: kind, reason: reason, message: text, key: key))
  }

  /// Reports what went wrong.
  func warn(_ reason: String, _ text: String) async { await report(.warning, reason, text) }

  private var endWaiters: [CheckedContinuation<Void, Never>] = []

  private func keeperEnded() async {
    link?.close()
    if let record = directory.exit() {
      exitStatus = record.exitStatus ?? exitStatus
    } else {
      await sweep()
    }
    await clearContainer()
    over()
  }

  private func over() {
    isEnded = true
    wakeReadyWaiters()
    wakeLeavingWaiters()
    for waiter in endWaiters { waiter.resume() }
    endWaiters = []
  }

  /// The key of the event that says how it ended.
  var endKey: String? { key("end") }

  /// The keeper was killed: what it kept is stopped by us. Doubt whether that was all blocks the replacement, loudly.
  private func sweep() async {
    let survivors = Survivors(main: main, mainStart: mainStart, lock: directory.lock)
    let count = survivors.find().count
    if main > 0 || count > 0 {
      let left = count == 0 ? "it left nothing" : "what it left is stopped: \(count) \(count == 1 ? "process" : "processes")"
      await report(.warning, "KeeperLost", "the keeper of \(name) was killed; \(left)", key: key("lost"))
    }
    let deadline = min(Clock.now + plan.grace, request.map { Instant(nanoseconds: $0.deadline) } ?? .never)
    await stopContainer(by: deadline)
    await survivors.stop(by: plan.firstSignal, deadline: deadline)
    guard directory.isHeld else { return }
    isInDoubt = true
    await report(
      .warning, "Doubt",
      "something of \(name) still runs and cannot be seen; no other replica takes its place. fuser \(directory.lock) names it")
    while directory.isHeld, request.map({ Clock.now < Instant(nanoseconds: $0.deadline) }) ?? true {
      try? await Task.sleep(nanoseconds: 1_000_000_000)
    }
    isInDoubt = directory.isHeld
  }

  /// Waits until nothing of the replica is left.
  func untilEnded() async {
    if isEnded { return }
    await withCheckedContinuation { endWaiters.append($0) }
  }

  private func wakeLeavingWaiters() {
    for waiter in leavingWaiters { waiter.resume() }
    leavingWaiters = []
  }

  private func wakeReadyWaiters() {
    for waiter in readyWaiters { waiter.resume() }
    readyWaiters = []
  }

  // MARK: - Readiness

  /// Waits until the replica is ready.
  /// - Returns: false when it ended before.
  func untilReady() async -> Bool {
    guard let readiness = app.ready else {
      while !isRunning, !isEnded { await withCheckedContinuation { readyWaiters.append($0) } }
      return !isEnded
    }
    if case .notify = readiness.check {
      while !saidReady, !isEnded { await withCheckedContinuation { readyWaiters.append($0) } }
      return !isEnded
    }
    while !isEnded {
      guard let problem = await look(readiness.check, readiness.timeout) else { return !isEnded }
      lastProbe = problem
      try? await Task.sleep(nanoseconds: UInt64(readiness.every.nanoseconds))
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

  /// Notes that it is on its way out: it is not to be added to the proxy any more.
  func leave() { isLeaving = true }

  /// Whether a stop was asked for.
  var wasAskedToStop: Bool { request != nil }

  /// Waits until the program says that it stops by itself (STOPPING=1).
  /// - Returns: false when it was asked to, or has ended without a word.
  func untilLeaving() async -> Bool {
    while !saidStopping, !isEnded { await withCheckedContinuation { leavingWaiters.append($0) } }
    return saidStopping && !isEnded && !wasAskedToStop
  }

  /// Waits until it has not given the sign of life that its watchdog wants.
  /// - Returns: false when it ended, or was asked to stop, before.
  func untilWatchdog() async -> Bool {
    while !missedWatchdog, !isEnded { await withCheckedContinuation { leavingWaiters.append($0) } }
    return missedWatchdog && !isEnded && !wasAskedToStop
  }

  /// Asks the keeper to stop the replica by its plan, to be over by the deadline. A second request can only come earlier.
  func stop(_ request: ReplicaRecord.Stop) {
    self.request = request
    link?.stop(request)
  }

  /// Moves the end of its stop forward, if that has begun with its keeper.
  func shorten(_ request: ReplicaRecord.Stop) { if self.request != nil { stop(request) } }

  /// Skips to the plan's next signal.
  func escalate() { link?.escalate(id: RequestIDs.next()) }

  /// Why it is not ready, as far as is known.
  var notReadyReason: String {
    if case .notify = app.ready?.check { return statusText.isEmpty ? "it has not said READY=1" : "it says: \(statusText)" }
    return lastProbe.isEmpty ? "no probe has ended yet" : lastProbe
  }
}
