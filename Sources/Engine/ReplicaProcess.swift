import AppSpec
import CLinux
import Foundation
import Linux
import Rollout
import StopPlan

/// One replica: its keeper, what the keeper says of it, and whether it is ready.
actor ReplicaProcess {
  let name: String
  let port: Int?
  private let app: App
  private let context: EngineContext
  private let listener: Descriptor?
  private let values: ReplicaValues
  private(set) var keeper: Int32 = 0
  private(set) var main: Int32 = 0
  private(set) var statusText = ""
  private var link: KeeperLink?
  /// A stop that was asked for, also when that was before the keeper could be told.
  private var stopDeadline: Instant?
  private var saidReady = false
  private var saidStopping = false
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

  init(name: String, app: App, port: Int?, listener: Descriptor?, context: EngineContext) {
    self.name = name
    self.app = app
    self.port = port
    self.listener = listener
    self.context = context
    values = ReplicaValues(port: port)
  }

  nonisolated var plan: StopPlan { app.stop.plan(for: values) }

  private var directory: String { context.paths.replica(name) }

  // MARK: - Start

  /// Starts the keeper, which starts the program, and follows what it says.
  func launch() async throws {
    do { try await startKeeper() } catch {
      await keeperEnded()
      throw error
    }
  }

  private func startKeeper() async throws {
    try EnginePaths.createPrivate(directory)
    let lock = try Path(string: directory + "/lock").open(O_RDWR | O_CREAT | O_NOFOLLOW)
    defer { lock.close() }
    guard try lock.lock() else { throw EngineError("\(name) still runs from before; lastcall cannot start it twice") }
    let output = try Path(string: directory + "/keeper.log").open(O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW)
    defer { output.close() }
    let null = try Path("/dev/null").open(O_RDWR)
    defer { null.close() }
    var program = Program(
      executable: Path(string: context.keeperBinary), arguments: keeperArguments.map { Array($0.utf8) }, environment: environment)
    (program.input, program.output, program.error) = (null, output, output)
    program.directory = Path(string: app.directory)
    program.group = .session
    // The lock goes on to the program: while something of the replica lives, it is held.
    program.placed = [listener, lock].compactMap { $0 }
    program.writesListenPid = listener != nil
    keeper = try await context.children.start(program)
    let link = try await connect()
    self.link = link
    if let stopDeadline { link.stop(id: RequestIDs.next(), deadline: stopDeadline) }
    Task { await follow(link) }
  }

  private var keeperArguments: [String] {
    let plan = self.plan
    return [
      "lastcall-keeper", directory, "--stop", plan.description, "--grace", Self.text(plan.grace), "--floor", Self.text(plan.floor),
      "--reserve", Self.text(plan.reserve), "--until", plan.until == .main ? "main" : "tree", "--",
    ] + app.command.argv(for: values)
  }

  private static func text(_ span: TimeSpan) -> String {
    var text: [UInt8] = []
    span.append(to: &text)
    return String(decoding: text, as: UTF8.self)
  }

  private var environment: [[UInt8]] {
    var variables = context.environment
    for (name, value) in app.environment(for: values) { variables[name] = value }
    if let port { variables["PORT"] = String(port) }
    if listener != nil {
      variables["LISTEN_FDS"] = "1"
      variables["LISTEN_FDNAMES"] = app.name
    }
    return variables.map { Array("\($0.key)=\($0.value)".utf8) }
  }

  /// The socket is there a moment after the keeper has started; how long that takes is bounded.
  private func connect() async throws -> KeeperLink {
    let ended = Task { [children = context.children, keeper] in await children.wait(for: keeper) }
    var pause: UInt64 = 1_000_000
    let limit = Clock.now + .seconds(20)
    while true {
      if let link = try? await KeeperLink.connect(directory + "/control.sock") {
        Task {
          _ = await ended.value
          await keeperEnded()
        }
        return link
      }
      if ProcessRecord(pid: keeper)?.isZombie ?? true {
        let status = await ended.value
        throw EngineError(
          "\(name) did not start: \(Self.lastLine(of: directory + "/keeper.log") ?? "its keeper ended with \(status.shellCode)")")
      }
      if Clock.now > limit { throw EngineError("the keeper of \(name) does not answer; see \(directory)/keeper.log") }
      try await Task.sleep(nanoseconds: pause)
      pause = min(pause * 2, 50_000_000)
    }
  }

  static func lastLine(of path: String) -> String? {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return nil }
    return text.split(separator: "\n").last.map(String.init)
  }

  // MARK: - What the keeper says

  private func follow(_ link: KeeperLink) async {
    for await message in link.messages { await take(message) }
  }

  private func take(_ message: KeeperMessage) async {
    if message.reply == "keeper" { main = message.main ?? main }
    switch message.event {
    case "started": main = message.pid ?? main
    case "notifyReady":
      saidReady = true
      wakeReadyWaiters()
    case "notifyStopping":
      saidStopping = true
      wakeLeavingWaiters()
    case "notifyStatus": statusText = message.status ?? ""
    case "killing":
      await report(.warning, "Killing", "KILL for what is left")
    case "hookFailed":
      await report(.warning, "FailedPreStopHook", "the hook \(message.command ?? "") could not be run: \(message.reason ?? "")")
    case "hookOverran":
      await report(.warning, "FailedPreStopHook", "the hook had not ended when its time was up; it is ended with the rest")
    case "hookEnded":
      if let status = message.exitStatus, !status.isSuccess {
        await report(.warning, "FailedPreStopHook", "the hook ended with \(status.shellCode); see \(directory)/hooks.log")
      }
    case "exited": exitStatus = message.exitStatus
    case "failed": await report(.warning, "Failed", "\(message.command ?? "the command"): \(message.reason ?? "cannot be executed")")
    case "unkillable": await report(.warning, "Unkillable", "something of it does not end even by KILL; it is not waited for")
    case "notSignalled":
      await report(.warning, "NotSignalled", "process \(message.pid ?? 0) could not be sent \(message.sent ?? ""): \(message.reason ?? "")")
    default: break
    }
  }

  private func report(_ kind: EngineEvent.Kind, _ reason: String, _ message: String) async {
    await context.reporter.report(EngineEvent(app: app.name, replica: name, kind: kind, reason: reason, message: message))
  }

  private var endWaiters: [CheckedContinuation<Void, Never>] = []

  private func keeperEnded() async {
    link?.close()
    if !readExitRecord() { await sweep() }
    isEnded = true
    wakeReadyWaiters()
    wakeLeavingWaiters()
    for waiter in endWaiters { waiter.resume() }
    endWaiters = []
  }

  /// - Returns: false when there is none: the keeper was killed.
  private func readExitRecord() -> Bool {
    guard let data = FileManager.default.contents(atPath: directory + "/exit.json"),
      let record = try? JSONDecoder().decode(KeeperMessage.self, from: data)
    else { return false }
    exitStatus = record.exitStatus ?? exitStatus
    return true
  }

  /// The keeper was killed: what it kept is stopped by us. Doubt whether that was all blocks the replacement, loudly.
  private func sweep() async {
    let survivors = Survivors(main: main, lock: directory + "/lock")
    let count = survivors.find().count
    if main > 0 || count > 0 {
      let left = count == 0 ? "it left nothing" : "what it left is stopped: \(count) \(count == 1 ? "process" : "processes")"
      await report(.warning, "KeeperLost", "the keeper of \(name) was killed; \(left)")
    }
    let deadline = min(Clock.now + plan.grace, stopDeadline ?? .never)
    await survivors.stop(by: plan.firstSignal, deadline: deadline)
    guard survivors.lockIsHeld else { return }
    isInDoubt = true
    await report(
      .warning, "Doubt",
      "something of \(name) still runs and cannot be seen; no other replica takes its place. fuser \(directory)/lock names it")
    while survivors.lockIsHeld, stopDeadline.map({ Clock.now < $0 }) ?? true { try? await Task.sleep(nanoseconds: 1_000_000_000) }
    isInDoubt = survivors.lockIsHeld
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
    guard let readiness = app.ready else { return !isEnded }
    if case .notify = readiness.check {
      while !saidReady, !isEnded { await withCheckedContinuation { readyWaiters.append($0) } }
      return !isEnded
    }
    let probe = ReadinessProbe(app: app, values: values, port: port, children: context.children, environment: environment)
    while !isEnded {
      guard let problem = await probe.look(readiness, keeper: keeper) else { return !isEnded }
      lastProbe = problem
      try? await Task.sleep(nanoseconds: UInt64(readiness.every.nanoseconds))
    }
    return false
  }

  // MARK: - Stop

  /// Notes that it is on its way out: it is not to be added to the proxy any more.
  func leave() { isLeaving = true }

  /// Whether a stop was asked for.
  var wasAskedToStop: Bool { stopDeadline != nil }

  /// Waits until the program says that it stops by itself (STOPPING=1).
  /// - Returns: false when it was asked to, or has ended without a word.
  func untilLeaving() async -> Bool {
    while !saidStopping, !isEnded { await withCheckedContinuation { leavingWaiters.append($0) } }
    return saidStopping && !isEnded && !wasAskedToStop
  }

  /// Asks the keeper to stop the replica by its plan, to be over by the deadline.
  func stop(deadline: Instant) {
    stopDeadline = deadline
    link?.stop(id: RequestIDs.next(), deadline: deadline)
  }

  /// Skips to the plan's next signal.
  func escalate() { link?.escalate(id: RequestIDs.next()) }

  /// Why it is not ready, as far as is known.
  var notReadyReason: String {
    if case .notify = app.ready?.check { return statusText.isEmpty ? "it has not said READY=1" : "it says: \(statusText)" }
    return lastProbe.isEmpty ? "no probe has ended yet" : lastProbe
  }
}
