import AppSpec
import Foundation
import Rollout

/// Apps that come after others: started once these are complete, stopped before them.
extension Engine {
  /// Starts apps, each once what it comes after is complete; returns when those are begun that wait for nothing.
  func begin(_ names: [String]) async throws {
    for action in order.handle(.wanted(names)) { try await carryOut(action) }
  }

  private func carryOut(_ action: StartOrder.Action) async throws {
    switch action {
    case .begin(let name):
      guard stopping == nil, let controller = controllers.first(where: { $0.name == name }) else { return }
      try await controller.start()
      Task { await follow(controller) }
    case .held(let name, let because):
      let text = "\(name) waits for \(because), which is not up"
      await context.reporter.report(EngineEvent(app: name, kind: .warning, reason: "Waiting", message: text))
    }
  }

  /// Lets go who waits for an app once it has done its part, also when that takes more than one try, or somebody's help.
  private func follow(_ controller: any AppController) async {
    while stopping == nil, controllers.contains(where: { $0.name == controller.name }) {
      _ = await controller.untilSettled()
      let isDone = await controller.hasDoneItsPart
      guard stopping == nil else { return }
      for action in order.handle(isDone ? .complete(controller.name) : .failed(controller.name)) {
        do { try await carryOut(action) } catch {
          await context.reporter.report(EngineEvent(app: controller.name, kind: .warning, reason: "Failed", message: "\(error)"))
        }
      }
      if isDone { return }
      await controller.untilChanged()
    }
  }

  /// Stops all apps, those first that others do not come before.
  func stopInOrder() async {
    await withTaskGroup(of: String.self) { group in
      var running = Set(controllers.map(\.name))
      var told: Set<String> = []
      repeat {
        for name in order.mayStop(stillRunning: running) where told.insert(name).inserted {
          guard let controller = controllers.first(where: { $0.name == name }) else { continue }
          group.addTask {
            await controller.stopAll()
            return name
          }
        }
        guard let name = await group.next() else { break }
        running.remove(name)
      } while !running.isEmpty
    }
  }
}

extension StartOrder {
  /// The order of a file's apps, each where it was before; the file was checked, so that there is one.
  init(_ apps: [App], before: StartOrder? = nil) {
    let nodes = apps.map { (name: $0.name, after: $0.after) }
    let states = Dictionary(uniqueKeysWithValues: nodes.map { ($0.name, before?.state(of: $0.name) ?? .idle) })
    self = (try? StartOrder(nodes, states: states)) ?? StartOrder(unordered: nodes.map(\.name))
  }
}
