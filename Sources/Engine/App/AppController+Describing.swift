import AppSpec
import Foundation
import Rollout
import StopPlan

/// What is known of an app.
extension AppController {
  /// Whether that is a replica of it.
  func has(_ replica: String) -> Bool { processes.values.contains { $0.name == replica } }

  /// Whether nothing of it runs, nor is to.
  var runsNothing: Bool { rollout.replicas.isEmpty && rollout.desired.replicas == 0 }

  /// Whether it was never started.
  var isNew: Bool { declared == nil && revisions.isEmpty }

  func history() -> AppHistory {
    var previous: App?
    let entries = revisions.values.sorted { $0.number < $1.number }.map { revision in
      let changes = previous.map { revision.spec.differences(from: $0).map(\.line) } ?? []
      previous = revision.spec
      return AppHistory.Entry(
        number: revision.number, at: revision.at, cause: revision.cause, outcome: revision.outcome, changes: changes,
        isCurrent: revision.number == rollout.desired.revision)
    }
    return AppHistory(app: name, revisions: entries)
  }

  func description() async -> AppDescription {
    let (state, message) = self.state
    let stops = (try? context.store.stops(of: name)) ?? []
    let events = (try? context.store.events(limit: 20, of: nil).map(\.event).filter { $0.app == name }) ?? []
    let rows = await rows()
    return AppDescription(
      app: name, state: state, message: message, revision: rollout.desired.revision, replicas: rollout.desired.replicas,
      declared: declaredLines, ready: rows.count { $0.state == "Ready" && $0.sidecar == nil },
      rows: rows, stops: AppDescription.Stops(stops, grace: app.stop.grace), hooks: ReplicaLogs.hooks(of: name, context.paths),
      events: events)
  }

  /// What is declared, in the file's words.
  private var declaredLines: [String] {
    var lines = [
      "command: \(app.redacted(app.command(port: nil).joined(separator: " ")))", "directory: \(app.directory)", "replicas: \(app.replicas)",
    ]
    if let listen = app.listen { lines.append("listen: \(listen.host):\(listen.port) via \(listen.via.rawValue)") }
    lines.append("stop: \(app.stop.plan(for: ReplicaValues(port: nil))), grace \(app.stop.grace)")
    let budget = app.update.budget(replicas: app.replicas)
    lines.append(
      "update: surge \(budget.surge), unavailable \(budget.unavailable), settle \(app.update.settle), deadline \(app.update.deadline)")
    lines.append("restart: \(app.restart.policy.rawValue), back-off \(app.restart.backoff.lowerBound)..\(app.restart.backoff.upperBound)")
    return lines
  }
}

extension Difference {
  /// For people: `stop.grace: 30s, was 10s`.
  var line: String {
    guard let new else { return "\(path): taken out, was \(old ?? "")" }
    return "\(path): \(new)" + (old.map { ", was \($0)" } ?? "")
  }
}
