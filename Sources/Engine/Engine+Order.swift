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

  /// Lets go who waits for an app once it is complete, also when that takes more than one try.
  private func follow(_ controller: any AppController) async {
    while stopping == nil {
      let outcome = await controller.untilSettled()
      let isComplete = if case .complete = outcome { true } else { false }
      for action in order.handle(isComplete ? .complete(controller.name) : .failed(controller.name)) {
        do { try await carryOut(action) } catch {
          await context.reporter.report(EngineEvent(app: controller.name, kind: .warning, reason: "Failed", message: "\(error)"))
        }
      }
      if isComplete { return }
      if case .undone = outcome, await controller.isSettled { return }
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
  /// The order of a file's apps; the file was checked, so that there is one.
  init(_ apps: [App]) {
    let nodes = apps.map { (name: $0.name, after: $0.after) }
    self = (try? StartOrder(nodes)) ?? StartOrder(unordered: nodes.map(\.name))
  }
}
