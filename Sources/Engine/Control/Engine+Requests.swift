import AppSpec
import Foundation
import StopPlan

/// What the command line asks.
extension Engine {
  /// Sends a line of an answer.
  typealias Send = @Sendable (EngineAnswer) async -> Void

  /// - Parameter isTaken: whether what is sent is still taken.
  func answer(_ request: EngineRequest, isTaken: @escaping @Sendable () -> Bool, _ send: @escaping Send) async {
    guard (1...2).contains(request.v) else {
      return await send(EngineAnswer(end: 1, error: "this engine speaks versions 1 and 2 of the protocol"))
    }
    let targets: [Target]
    do { targets = try await self.targets(of: request) } catch { return await send(EngineAnswer(end: 2, error: "\(error)")) }
    switch request.op {
    case .ps, .describe, .history: await show(request, targets, send)
    case .deploy: await deploy(request, send)
    case .diff: await diff(request, send)
    case .kill, .reload: await tell(request, targets, send)
    case .rm:
      let inOrder = order.order.reversed().compactMap { name in targets.first { $0.controller.name == name }?.controller }
      await forget(request, inOrder, send)
    case .watch: await watch(after: request.after ?? .max, isTaken, send)
    case .down:
      await relaying(nil, send) {
        stop(because: "lastcall down")
        await untilStopped()
      }
      let problem = left.isEmpty ? nil : "something of \(left.joined(separator: ", ")) still runs"
      await send(EngineAnswer(end: problem == nil ? 0 : 1, error: problem))
    case .restart, .undo, .pause, .resume, .scale, .stop, .start, .status:
      await untilStarted()
      // In the order of their starts: what waits for one that has failed waits for ever.
      let inOrder = order.order.compactMap { name in targets.first { $0.controller.name == name }?.controller }
      // Who is stopped is stopped before what it came after, as by `down`.
      let ordered = request.op == .stop ? inOrder.reversed() : inOrder
      let file = self.file
      await relay(ordered.map { controller in { await self.change(controller, request, file) } }, of: ordered.map(\.name), send)
    }
  }

  /// An app that is meant, and the name it was meant by: its own, a replica's, or none.
  private struct Target {
    let controller: any AppController
    let name: String?
  }

  /// - Throws: what is wrong with the names; nothing is done then.
  private func targets(of request: EngineRequest) async throws(EngineError) -> [Target] {
    if request.names.isEmpty { return controllers.map { Target(controller: $0, name: nil) } }
    var targets: [Target] = []
    for name in request.names {
      let owner = await owner(of: name)
      if let app = owner?.name, app != name, Self.isForApps(request.op) {
        throw EngineError("\(name) is a replica of \(app), and this is for apps only; to mean all of its replicas, name \(app)")
      }
      if let owner {
        if targets.contains(where: { $0.name == name }) { continue }
        targets.append(Target(controller: owner, name: name))
      } else if request.op != .deploy, request.op != .diff {
        // Those are about what the file names.
        let known = controllers.map(\.name).joined(separator: ", ")
        throw EngineError("no app or replica is named \(name); there are: \(known)")
      }
    }
    return targets
  }

  /// What would otherwise be done to all replicas although one was named.
  private static func isForApps(_ op: EngineRequest.Operation) -> Bool {
    switch op {
    case .restart, .undo, .pause, .resume, .scale, .stop, .start, .status, .rm, .deploy, .history: true
    default: false
    }
  }

  /// The app of that name, or whose replica has it.
  private func owner(of name: String) async -> (any AppController)? {
    if let controller = controllers.first(where: { $0.name == name }) { return controller }
    for controller in controllers where await controller.has(name) { return controller }
    return nil
  }

  /// Has an app that was never begun begin in its turn.
  /// - Parameter isNamed: whether a user has named it; what was stopped is started then.
  private func beginInTurn(_ controller: any AppController, isNamed: Bool) async -> AppOutcome {
    if await controller.ledger.isStopped {
      guard isNamed else { return .complete }
      await controller.isWantedAgain()
    }
    do { try await begin([controller.name]) } catch { return .undone("\(error)") }
    return await controller.untilSettled()
  }

  private func change(_ controller: any AppController, _ request: EngineRequest, _ file: AppFile) async -> AppOutcome {
    let isStopped = await controller.ledger.isStopped
    if await controller.isNew, request.op == .start || request.op == .restart {
      // Its turn comes without being asked for.
      if request.names.isEmpty, request.op == .restart || !isStopped { return .complete }
      return await beginInTurn(controller, isNamed: true)
    }
    switch request.op {
    case .restart:
      // What a user has stopped is started by its name alone.
      if request.names.isEmpty, isStopped { return .complete }
      if isStopped, let app = await changed(controller, file) { return await controller.deploy(app, isNamed: true, because: "restart") }
      return await controller.restart()
    case .undo: return await controller.undo(to: request.revision)
    case .pause: return await controller.pause(true)
    case .resume: return await controller.pause(false)
    case .scale: return await controller.scale(to: max(0, request.replicas ?? 1))
    case .start:
      if isStopped, let app = await changed(controller, file) { return await controller.deploy(app, isNamed: true, because: "start") }
      return await controller.startAgain()
    case .status: return await controller.untilSettled()
    default:
      let grace = request.grace.map { TimeSpan(nanoseconds: Int64(min(max(0, $0), 86_400) * 1e9)) }
      await controller.stop(grace: grace, isHurried: request.now ?? false)
      return await controller.ledger.isStopped ? .complete : .superseded
    }
  }

  /// What the file says of an app, when it has changed while that was stopped. What it says as before is not tried again if that was undone.
  private func changed(_ controller: any AppController, _ file: AppFile) async -> App? {
    guard let app = file.apps.first(where: { $0.name == controller.name }) else { return nil }
    return await controller.ledger.declared == app ? nil : app
  }

  // MARK: - Showing

  private func show(_ request: EngineRequest, _ targets: [Target], _ send: Send) async {
    var rows: [ReplicaRow] = []
    for target in targets {
      let controller = target.controller
      switch request.op {
      case .describe:
        var answer = EngineAnswer()
        answer.description = await controller.description()
        await send(answer)
      case .history:
        var answer = EngineAnswer()
        answer.history = await controller.history()
        await send(answer)
      default: rows += await controller.rows(of: target.name)
      }
    }
    await send(EngineAnswer(rows: rows, end: 0))
  }

  // MARK: - The file

  private func deploy(_ request: EngineRequest, _ send: @escaping Send) async {
    do {
      let (file, names) = (try reread(), request.names)
      if let unknown = names.first(where: { name in !file.apps.contains { $0.name == name } }) {
        throw EngineError("the file names no app \(unknown)")
      }
      let meant = try await adopt(file).filter { names.isEmpty || names.contains($0.0.name) }
      await relay(
        meant.map { controller, app in
          {
            await controller.bringKeepersUpToDate()
            guard await controller.isNew else {
              return await controller.deploy(app, isNamed: !names.isEmpty, because: "deploy")
            }
            return await self.beginInTurn(controller, isNamed: !names.isEmpty)
          }
        }, of: meant.map(\.0.name), send)
      // What a failure has kept from its turn waits for what it comes after.
      for (controller, _) in meant where await controller.isNew && order.state(of: controller.name) == .idle {
        try await begin([controller.name])
      }
    } catch {
      await send(EngineAnswer(end: 2, error: "nothing is changed: \(error)"))
    }
  }

  /// Reads the file again because of SIGHUP; a file with a mistake changes nothing and says where.
  func reload() async {
    await listenAgain()
    await deploy(EngineRequest(op: .deploy)) { [path = file.path] answer in
      let reporter = self.context.reporter
      if let error = answer.error {
        await reporter.report(EngineEvent(app: "", kind: .warning, reason: "ReloadFailed", message: error))
      } else if answer.end == 0 {
        await reporter.report(EngineEvent(app: "", reason: "Reloaded", message: "\(path) was read again and is carried out"))
      }
    }
  }

  private func diff(_ request: EngineRequest, _ send: Send) async {
    do {
      let file = try reread()
      let names = request.names
      if let unknown = names.first(where: { name in !(file.apps.map(\.name) + controllers.map(\.name)).contains(name) }) {
        throw EngineError("the file names no app \(unknown), and none of that name runs")
      }
      for app in file.apps where names.isEmpty || names.contains(app.name) {
        guard let controller = controllers.first(where: { $0.name == app.name }) else {
          await send(EngineAnswer(line: "+ \(app.name): a new app"))
          continue
        }
        for difference in await controller.changes(to: app) { await send(EngineAnswer(line: "~ \(app.name): \(difference.line)")) }
      }
      // Whatever is named: a deploy takes them out.
      for controller in controllers where !file.apps.contains(where: { $0.name == controller.name }) {
        await send(EngineAnswer(line: "- \(controller.name): it would be stopped and removed"))
      }
      await send(EngineAnswer(end: 0))
    } catch {
      await send(EngineAnswer(end: 2, error: "\(error)"))
    }
  }

  // MARK: - Telling and forgetting

  private func tell(_ request: EngineRequest, _ targets: [Target], _ send: Send) async {
    var failures: [String] = []
    for target in targets {
      let controller = target.controller
      if request.op == .reload {
        // Without a name it is for those that say how.
        if target.name == nil, await controller.ledger.app.reload == nil { continue }
        failures += await controller.reload(target.name)
      } else {
        guard let signal = Signal(request.signal ?? "KILL") else {
          return await send(EngineAnswer(end: 2, error: "\(request.signal ?? "") is no signal; lastcall signals lists them"))
        }
        failures += await controller.kill(signal, target.name)
      }
    }
    await send(EngineAnswer(end: failures.isEmpty ? 0 : 1, error: failures.isEmpty ? nil : failures.joined(separator: "\n")))
  }

  private func forget(_ request: EngineRequest, _ chosen: [any AppController], _ send: @escaping Send) async {
    for controller in chosen where request.force != true {
      guard await controller.runsNothing else {
        return await send(EngineAnswer(end: 1, error: "\(controller.name) runs; stop it first, or say: lastcall rm -f \(controller.name)"))
      }
    }
    await relay(
      chosen.map { controller in
        {
          await self.remove(controller)
          return .complete
        }
      }, of: chosen.map(\.name), send)
  }

  // MARK: - Relaying

  /// Passes on events until the client goes or the engine ends.
  private func watch(after id: Int64, _ isTaken: () -> Bool, _ send: Send) async {
    let (watcher, reports) = await context.reporter.watch()
    var last = id
    for (id, event) in (try? context.store.events(after: id, limit: 10_000, of: nil)) ?? [] {
      last = id
      await send(EngineAnswer(event: event))
    }
    for await case .event(let event) in reports {
      if last != .max, let id = event.id, id <= last { continue }
      await send(EngineAnswer(event: event))
      if !isTaken() { break }
    }
    await context.reporter.unwatch(watcher)
  }

  /// Does things to apps, one after another, and passes on what happens to them meanwhile.
  private func relay(
    _ works: [@Sendable () async -> AppOutcome], of names: [String],
    _ send: @escaping Send
  ) async {
    var failure: String?
    await relaying(Set(names), send) {
      for work in works {
        switch await work() {
        case .complete: break
        case .undone(let why): failure = why
        case .superseded: failure = "another request took over"
        }
        if failure != nil { break }
      }
    }
    await send(EngineAnswer(end: failure == nil ? 0 : 1, error: failure))
  }

  /// Passes on what happens while something is done.
  /// - Parameter names: the apps of which; nil means all, and the engine itself.
  private func relaying(_ names: Set<String>?, _ send: @escaping Send, _ work: () async -> Void) async {
    let (id, reports) = await context.reporter.watch()
    let relaying = Task {
      for await report in reports {
        switch report {
        case .event(let event): if names?.contains(event.app) ?? true { await send(EngineAnswer(event: event)) }
        case .progress(let app, let line): if names?.contains(app) ?? true { await send(EngineAnswer(progress: line)) }
        }
      }
    }
    await work()
    await context.reporter.unwatch(id)
    await relaying.value
  }
}
