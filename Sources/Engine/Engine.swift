import AppSpec
import CLinux
import Foundation
import Linux
import StopPlan

/// Runs the apps of one file until it is told to stop.
public actor Engine {
  private let file: AppFile
  private let context: EngineContext
  private let lock: Descriptor
  private var controllers: [AppController] = []
  private var server: EngineServer?
  private var endWaiters: [CheckedContinuation<Void, Never>] = []
  private var stopWaiters: [CheckedContinuation<Void, Never>] = []
  private var stopping: Task<Void, Never>?
  private var hasStopped = false
  private var isOver = false
  private var connections = 0
  /// The replicas of which something still ran when everything else had stopped.
  public private(set) var left: [String] = []
  private static let farewell = TimeSpan.seconds(2)
  private var listeners: [ListeningSocket] = []

  /// What `up` prints from.
  public nonisolated var reporter: Reporter { context.reporter }

  /// Takes the engine's place for the file, and nothing else yet.
  ///
  /// - Parameters:
  ///   - file: the apps.
  ///   - environment: the environment for programs.
  ///   - keeperBinary: the path of lastcall-keeper.
  ///   - ownBinary: the path of lastcall.
  /// - Throws: `EngineError` when another engine runs, or the directories cannot be used.
  public init(file: AppFile, environment: [String: String], keeperBinary: String, ownBinary: String) throws {
    self.file = file
    let paths = EnginePaths(file: file.path, environment: environment)
    try paths.create()
    lock = try Path(string: paths.lock).open(O_RDWR | O_CREAT | O_NOFOLLOW)
    guard try lock.lock() else {
      let pid = (try? String(contentsOfFile: paths.lock, encoding: .utf8)) ?? ""
      lock.close()
      throw EngineError(
        "an engine for \(file.path) runs already\(pid.isEmpty ? "" : " (process \(pid))"); see lastcall ps, or stop it with Ctrl-C there")
    }
    ftruncate(lock.number, 0)
    try lock.write(Array(String(getpid()).utf8))
    let log = try EventLog(path: paths.events)
    context = EngineContext(
      paths: paths, children: Children(), reporter: Reporter(log: log), keeperBinary: keeperBinary, ownBinary: ownBinary,
      environment: environment)
  }

  /// Opens the listeners and starts the apps.
  public func start() async throws {
    try clearLeftovers()
    var opened: [ListeningSocket] = []
    do {
      for app in file.apps {
        let listener = try app.listen.map { try ListeningSocket(host: $0.host, port: $0.port) }
        if let listener { opened.append(listener) }
        controllers.append(AppController(app: app, listener: listener, context: context))
      }
    } catch {
      for listener in opened { listener.descriptor.close() }
      controllers = []
      throw error
    }
    listeners = opened
    server = try await EngineServer.start(self, at: context.paths.socket)
    for controller in controllers where stopping == nil { try await controller.start() }
  }

  /// Removes what earlier replicas left in the run directory; refuses to start beside replicas that still live.
  private func clearLeftovers() throws {
    let living = Leftovers.living(context.paths)
    guard living.isEmpty else {
      throw EngineError(
        "\(living.joined(separator: ", ")) still run, left by an engine that was killed; nothing is started beside them. "
          + "Stop them with: lastcall down -f \(file.path)")
    }
    let root = context.paths.run + "/r"
    for name in try FileManager.default.contentsOfDirectory(atPath: root) {
      try FileManager.default.removeItem(atPath: root + "/" + name)
    }
  }

  // MARK: - Signals

  /// Gives the engine one of its process's signals.
  public func signalled(_ arrival: Signals.Arrival) async {
    switch arrival.signal {
    case .chld: await context.children.reap()
    // One that a process sent may be a wrapper's copy of the same Ctrl-C.
    case .int where stopping != nil && arrival.fromTerminal: await escalate()
    case .int, .term, .hup: stop(because: "\(arrival.signal)")
    default: break
    }
  }

  /// Stops everything by plan; the second call changes nothing.
  public func stop(because reason: String) {
    guard stopping == nil else { return }
    stopping = Task {
      if !controllers.isEmpty {
        await context.reporter.report(
          EngineEvent(app: "", reason: "Stopping", message: "stopping everything (\(reason)); Ctrl-C again to hurry"))
      }
      await withTaskGroup { group in
        for controller in controllers { group.addTask { await controller.stopAll() } }
      }
      for listener in listeners { listener.descriptor.close() }
      for controller in controllers { left += await controller.inDoubt }
      if !left.isEmpty {
        let text = "not everything has stopped: something of \(left.joined(separator: ", ")) still runs"
        await context.reporter.report(EngineEvent(app: "", kind: .warning, reason: "Stopped", message: text))
      } else if !controllers.isEmpty {
        await context.reporter.report(EngineEvent(app: "", reason: "Stopped", message: "everything has stopped"))
      }
      hasStopped = true
      for waiter in stopWaiters { waiter.resume() }
      stopWaiters = []
      if connections == 0 { return end() }
      // Who was told closes the connection; who does not is not waited for.
      try? await Task.sleep(nanoseconds: UInt64(Self.farewell.nanoseconds))
      end()
    }
  }

  func connected() { connections += 1 }

  func disconnected() {
    connections -= 1
    if hasStopped, connections == 0 { end() }
  }

  private func end() {
    isOver = true
    server?.close()
    for waiter in endWaiters { waiter.resume() }
    endWaiters = []
  }

  private func escalate() async {
    await context.reporter.report(EngineEvent(app: "", kind: .warning, reason: "Escalating", message: "skipping to the next signal"))
    for controller in controllers { await controller.escalate() }
  }

  /// Waits until everything has stopped and those who asked have their answers.
  public func untilOver() async {
    if isOver { return }
    await withCheckedContinuation { endWaiters.append($0) }
  }

  private func untilStopped() async {
    if hasStopped { return }
    await withCheckedContinuation { stopWaiters.append($0) }
  }

  // MARK: - Requests of the command line

  func answer(_ request: EngineRequest, _ send: @escaping @Sendable (EngineAnswer) async -> Void) async {
    guard request.v == 1 else { return await send(EngineAnswer(end: 1, error: "this engine speaks version 1 of the protocol")) }
    let chosen = controllers.filter { request.app == nil || $0.app.name == request.app }
    guard !chosen.isEmpty else {
      let known = controllers.map(\.app.name).joined(separator: ", ")
      return await send(EngineAnswer(end: 2, error: "no app is named \(request.app ?? ""); there are: \(known)"))
    }
    switch request.op {
    case "ps":
      var rows: [ReplicaRow] = []
      for controller in chosen { rows += await controller.rows() }
      await send(EngineAnswer(rows: rows, end: 0))
    case "restart": await relay(chosen, send) { await $0.restart() }
    case "stop":
      await relay(chosen, send) { controller in
        await controller.stopReplicas()
        return .complete
      }
    case "down":
      stop(because: "lastcall down")
      await untilStopped()
      await send(EngineAnswer(end: 0))
    default: await send(EngineAnswer(end: 2, error: "this engine does not know \(request.op)"))
    }
  }

  /// Does something to apps, one after another, and passes on what happens to them meanwhile.
  private func relay(
    _ chosen: [AppController], _ send: @escaping @Sendable (EngineAnswer) async -> Void,
    _ work: @Sendable (AppController) async -> AppController.Outcome
  ) async {
    let names = Set(chosen.map(\.app.name))
    let (id, reports) = await context.reporter.watch()
    let relaying = Task {
      for await report in reports {
        switch report {
        case .event(let event): if names.contains(event.app) { await send(EngineAnswer(event: event)) }
        case .progress(let app, let line): if names.contains(app) { await send(EngineAnswer(progress: line)) }
        }
      }
    }
    var failure: String?
    for controller in chosen {
      switch await work(controller) {
      case .complete: break
      case .undone(let why): failure = why
      case .superseded: failure = "another request took over"
      }
      if failure != nil { break }
    }
    await context.reporter.unwatch(id)
    await relaying.value
    await send(EngineAnswer(end: failure == nil ? 0 : 1, error: failure))
  }
}
