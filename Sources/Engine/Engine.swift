import AppSpec
import CLinux
import Foundation
import Linux
import Rollout
import StopPlan

/// Runs the apps of one file until it is told to stop.
public actor Engine {
  /// What is carried out now.
  private(set) var file: AppFile
  private let environment: [String: String]
  private var interrupts = Interrupts()
  private let hadTerminal: Bool
  let context: EngineContext
  private let lock: EngineLock
  private(set) var controllers: [any AppController] = []
  /// Apps that are being removed.
  private var leaving: [String: (controller: any AppController, removal: Task<Void, Never>)] = [:]
  private var server: EngineServer?
  private var endWaiters: [CheckedContinuation<Void, Never>] = []
  private var stopWaiters: [CheckedContinuation<Void, Never>] = []
  private(set) var stopping: Task<Void, Never>?
  var order: StartOrder
  private var hasStopped = false
  private var hasStarted = false
  private var startWaiters: [CheckedContinuation<Void, Never>] = []
  private var isOver = false
  private var connections = 0
  /// The replicas of which something still ran when everything else had stopped.
  public private(set) var left: [String] = []
  private static let farewell = TimeSpan.seconds(2)
  private var listeners: [String: ListeningSocket] = [:]

  /// What `up` prints from.
  public nonisolated var reporter: Reporter { context.reporter }

  /// Takes the engine's place for the file, and nothing else yet.
  ///
  /// - Parameters:
  ///   - file: the apps.
  ///   - environment: the environment for programs.
  ///   - keeperBinary: the path of lastcall-keeper.
  ///   - ownBinary: the path of lastcall.
  ///   - initBinary: the path of the static lastcall-init, which apps with images need.
  /// - Throws: `EngineError` when another engine runs, the directories cannot be used, or lastcall-init cannot run in containers.
  public init(file: AppFile, environment: [String: String], keeperBinary: String, ownBinary: String, initBinary: String) throws {
    try ContainerInit.check(initBinary, for: file)
    self.file = file
    order = StartOrder(file.apps)
    self.environment = environment
    let terminal = try? Path("/dev/tty").open(O_RDWR | O_NOCTTY)
    hadTerminal = terminal != nil
    terminal?.close()
    let paths = EnginePaths(file: file.path, environment: environment)
    try paths.create()
    lock = try EngineLock(paths, file: file.path)
    let secrets = Secrets(inherited: environment)
    for app in file.apps { secrets.learn(app) }
    let store = try StateStore(path: paths.database, secrets: secrets)
    context = EngineContext(
      paths: paths, children: Children(), store: store, reporter: Reporter(store: store, secrets: secrets), secrets: secrets,
      keeperBinary: keeperBinary, ownBinary: ownBinary, initBinary: initBinary, environment: environment, wallAlarms: try WallAlarms(),
      cgroups: try Cgroups(paths, environment: environment))
  }

  /// Takes over what an earlier engine has left, opens the listeners that nobody holds, and starts what is missing.
  public func start() async throws {
    await context.reporter.start()
    if let problem = context.cgroups.problem {
      await context.reporter.report(EngineEvent(app: "", kind: .warning, reason: "NoCgroups", message: problem))
    }
    var found = try Recovery(context, of: Set(file.apps.map(\.name)))
    await found.tellOfLost(Set(file.apps.map(\.name)))
    listeners = try Self.open(file.apps, found)
    // Before there are controllers: who cannot start has stopped and forgotten nothing else.
    try await found.stopStrangers(keeping: file.apps)
    controllers = file.apps.map { makeController($0, listener: listeners[$0.name], context: context) }
    for controller in controllers { await controller.recover(found.apps[controller.name] ?? RecoveredApp()) }
    server = try await EngineServer.start(self, at: context.paths.socket)
    for controller in controllers where await !controller.isNew { try await controller.resume() }
    try await begin(controllers.map(\.name))
    hasStarted = true
    for waiter in startWaiters { waiter.resume() }
    startWaiters = []
  }

  /// Waits until all apps were begun.
  func untilStarted() async {
    if hasStarted || stopping != nil { return }
    await withCheckedContinuation { startWaiters.append($0) }
  }

  /// The listeners of apps: those that what was left holds, and new ones; all of them or none.
  private static func open(_ apps: [App], _ found: Recovery?) throws -> [String: ListeningSocket] {
    var opened: [String: ListeningSocket] = [:]
    do {
      for app in apps {
        guard let listen = app.listen else { continue }
        if let listener = try found?.listener(of: app.name, listen) {
          opened[app.name] = listener
        } else {
          do { opened[app.name] = try ListeningSocket(host: listen.host, port: listen.port) } catch { throw found?.lost(app.name) ?? error }
        }
      }
      return opened
    } catch {
      for listener in opened.values { listener.descriptor.close() }
      throw error
    }
  }

  // MARK: - The file, again

  /// Reads the file again.
  /// - Throws: `EngineError` with all that is wrong with it.
  func reread() throws -> AppFile {
    do throws(AppFileError) {
      let file = try AppFile(contentsOf: file.path, environment: environment)
      try file.checkCommands()
      do {
        try ContainerInit.check(context.initBinary, for: file)
      } catch {
        throw AppFileError([Mistake(file: file.path, position: nil, path: "", message: error.description)])
      }
      for app in file.apps {
        guard let old = self.file.apps.first(where: { $0.name == app.name }), controllers.contains(where: { $0.name == app.name }) else {
          continue
        }
        guard let key = old.listen != app.listen ? "listen" : old.kind != app.kind ? "kind" : nil else { continue }
        let text = "\(key) of a running app cannot be changed; remove it first with: lastcall rm -f \(app.name)"
        let path = "apps.\(app.name).\(key)"
        let position = file.position(of: path) ?? file.position(of: "apps.\(app.name)")
        throw AppFileError([Mistake(file: file.path, position: position, path: path, message: text)])
      }
      return file
    } catch {
      throw EngineError(error.description)
    }
  }

  /// Carries out what a file says: new apps are started, those that it does not name any more are stopped.
  /// - Returns: the apps that are to be brought up to date, in the file's order.
  func adopt(_ file: AppFile) async throws -> [(any AppController, App)] {
    // What is being removed is gone before another of its name begins.
    for app in file.apps { await leaving[app.name]?.removal.value }
    let known = Set(controllers.map(\.name))
    let new = file.apps.filter { !known.contains($0.name) }
    let opened = try Self.open(new, nil)
    listeners.merge(opened) { $1 }
    let gone = controllers.filter { controller in !file.apps.contains { $0.name == controller.name } }
    let kept = Dictionary(uniqueKeysWithValues: controllers.map { ($0.name, $0) })
    self.file = file
    order = StartOrder(file.apps, before: order)
    controllers = file.apps.map { kept[$0.name] ?? makeController($0, listener: listeners[$0.name], context: context) }
    for controller in gone { await remove(controller) }
    return order.order.compactMap { name in
      guard let controller = controllers.first(where: { $0.name == name }), let app = file.apps.first(where: { $0.name == name }) else {
        return nil
      }
      return (controller, app)
    }
  }

  /// Stops an app and forgets it.
  func remove(_ controller: any AppController) async {
    controllers.removeAll { $0.name == controller.name }
    let removal = Task {
      await controller.stopAll()
      left += await controller.inDoubt
      listeners.removeValue(forKey: controller.name)?.descriptor.close()
      leaving.removeValue(forKey: controller.name)
    }
    leaving[controller.name] = (controller, removal)
    await removal.value
  }

  /// Makes the control socket anew when somebody has deleted it.
  func listenAgain() async {
    guard stopping == nil, server != nil, !FileManager.default.fileExists(atPath: context.paths.socket) else { return }
    do {
      try context.paths.create()
      server = try await EngineServer.start(self, at: context.paths.socket)
      let text = "\(context.paths.socket) was deleted and is made anew; output and records of replicas are lost with what was deleted"
      await context.reporter.report(EngineEvent(app: "", kind: .warning, reason: "RunDirectoryLost", message: text))
    } catch {
      await context.reporter.report(EngineEvent(app: "", kind: .warning, reason: "Failed", message: "the control socket: \(error)"))
    }
  }

  // MARK: - Signals

  /// Gives the engine one of its process's signals.
  public func signalled(_ arrival: Signals.Arrival) async {
    switch arrival.signal {
    case .chld: await context.children.reap()
    case .int where stopping != nil: if interrupts.came(fromTerminal: arrival.fromTerminal, at: Clock.now) { await escalate() }
    // What it carries out may take long, and needs the other signals meanwhile: the ends of children, and those that stop everything.
    case .hup where !hasLostTerminal: Task { await reload() }
    case .int:
      _ = interrupts.came(fromTerminal: arrival.fromTerminal, at: Clock.now)
      stop(because: "INT; Ctrl-C again to hurry")
    case .term, .hup: stop(because: "\(arrival.signal)")
    default: break
    }
  }

  /// Whether the terminal that we were started on is gone: opening it fails then (tty(4): ENXIO).
  private var hasLostTerminal: Bool {
    guard hadTerminal else { return false }
    guard let terminal = try? Path("/dev/tty").open(O_RDWR | O_NOCTTY) else { return true }
    terminal.close()
    return false
  }

  /// Stops everything by plan; the second call changes nothing.
  public func stop(because reason: String) {
    guard stopping == nil else { return }
    for waiter in startWaiters { waiter.resume() }
    startWaiters = []
    stopping = Task {
      if !controllers.isEmpty {
        await context.reporter.report(
          EngineEvent(app: "", reason: "Stopping", message: "stopping everything (\(reason))"))
      }
      await stopInOrder()
      for (_, removal) in leaving.values { await removal.value }
      for listener in listeners.values { listener.descriptor.close() }
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
      try? await TaskThreads.sleep(Self.farewell)
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
    context.cgroups.remove()
    for waiter in endWaiters { waiter.resume() }
    endWaiters = []
  }

  private func escalate() async {
    await context.reporter.report(EngineEvent(app: "", kind: .warning, reason: "Escalating", message: "skipping to the next signal"))
    for controller in controllers + leaving.values.map(\.controller) { await controller.escalate() }
  }

  /// Waits until everything has stopped and those who asked have their answers.
  public func untilOver() async {
    if isOver { return }
    await withCheckedContinuation { endWaiters.append($0) }
  }

  func untilStopped() async {
    if hasStopped { return }
    await withCheckedContinuation { stopWaiters.append($0) }
  }
}
