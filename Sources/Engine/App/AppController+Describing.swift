import AppSpec
import Foundation
import Rollout
import StopPlan

/// What is known of an app.
extension AppController {
  func history() -> AppHistory {
    var previous: App?
    let entries = ledger.revisions.values.sorted { $0.number < $1.number }.map { entry in
      let changes = previous.map { entry.spec.differences(from: $0).map(\.line) } ?? []
      previous = entry.spec
      return AppHistory.Entry(
        number: entry.number, at: entry.at, cause: entry.cause, outcome: entry.outcome, changes: changes,
        isCurrent: entry.number == revision)
    }
    return AppHistory(app: name, revisions: entries)
  }

  func description() async -> AppDescription {
    let state = self.state
    let stops = (try? context.store.stops(of: name)) ?? []
    let events = (try? context.store.events(limit: 20, of: name).map(\.event)) ?? []
    let rows = await rows(of: nil)
    return AppDescription(
      app: name, state: state.name, reason: state.reason, message: state.message, isSettled: isSettled, revision: revision,
      replicas: wantedReplicas, declared: declaredLines,
      ready: rows.count { $0.state == "Ready" && $0.sidecar == nil }, rows: rows,
      stops: AppDescription.Stops(stops, grace: app.stop.grace, killTime: killTime), hooks: ReplicaLogs.hooks(of: name, context),
      events: events)
  }

  /// When KILL comes: where the plan says, or when the grace is over.
  private var killTime: TimeSpan {
    let plan = app.stop.plan(for: ReplicaValues(port: nil))
    guard case .send(.kill, _)? = plan.steps.last else { return plan.grace }
    return min(plan.grace, plan.writtenLength)
  }

  /// What is declared, in the file's words, and what that comes to.
  private var declaredLines: [String] {
    let summed = ["listen", "stop", "update", "restart"]
    let fields = app.declared.filter { field in
      field.path.hasPrefix("stop.preStop") || !summed.contains { field.path.hasPrefix($0 + ".") }
    }
    var lines = fields.map { "\($0.path): \($0.text)" }
    if let listen = app.listen { lines.append("listen: \(listen.host):\(listen.port) via \(listen.via.rawValue)") }
    let like = app.stop.like.map { ", like \($0.rawValue)" } ?? ""
    lines.append("stop: \(app.redacted("\(app.stop.plan(for: ReplicaValues(port: nil)))")), grace \(app.stop.grace)\(like)")
    if app.kind == .service {
      let budget = app.update.budget(replicas: app.replicas)
      lines.append(
        "update: surge \(budget.surge), unavailable \(budget.unavailable), settle \(app.update.settle), deadline \(app.update.deadline)")
    }
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
