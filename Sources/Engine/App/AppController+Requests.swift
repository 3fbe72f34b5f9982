import AppSpec
import Foundation
import Linux
import Rollout
import StopPlan

/// What users ask of an app, whatever its kind.
extension AppController {
  // MARK: - The file

  /// Carries out what an engine that starts makes of the file.
  func carryOutAtStart() {
    let step = declaration(of: app).atStart
    let file = app
    // What is stopped learns of the file when it is started.
    if step != .stayStopped { ledger.declared = file }
    if let current = ledger.revisions[revision] { ledger.app = current.spec }
    carryOut(step, file, because: "up")
  }

  /// Carries out what the file says now, and waits for the outcome.
  /// - Parameter isNamed: whether a user has named the app; what was stopped is started then.
  func deploy(_ file: App, isNamed: Bool, because cause: String) async -> AppOutcome {
    guard !ledger.isStopping else { return .superseded }
    let step = declaration(of: file).atDeploy(isNamed: isNamed)
    if step == .stayStopped {
      carryOut(step, file, because: cause)
      return .complete
    }
    ledger.declared = file
    if step == .goOn {
      carryOut(step, file, because: cause)
      return await untilSettled()
    }
    return await untilOutcome { carryOut(step, file, because: cause) }
  }

  private func declaration(of file: App) -> Declaration {
    let last = ledger.revisions[revision] == nil ? nil : ledger.declared
    var declaration = Declaration(
      lastReplicas: last?.replicas, isChanged: last.map { $0 != file } ?? true,
      needsNewReplicas: ledger.revisions[revision].map { file.differences(from: $0.spec).contains(where: \.needsNewReplicas) } ?? true,
      fileReplicas: file.replicas, desiredReplicas: wantedReplicas, isStopped: ledger.isStopped, stoppedReplicas: ledger.stoppedReplicas)
    let newest = ledger.revisions.values.max { $0.number < $1.number }
    declaration.wasUndone = newest.map { $0.number > revision && $0.outcome.hasPrefix("undone") } ?? false
    return declaration
  }

  private func carryOut(_ step: Declaration.Step, _ file: App, because cause: String) {
    ledger.hasBegun = true
    switch step {
    case .begin(let replicas): begin(file, because: cause, replicas: replicas)
    case .amend(let replicas): amend(file, replicas: replicas)
    case .goOn: write()
    case .stayStopped:
      note(.normal, "Stopped", "\(name) was stopped and stays so; start it with: lastcall start \(name)")
      write()
    }
  }

  /// A user wants it, who had stopped it before it was begun.
  func isWantedAgain() {
    ledger.isStopped = false
    write()
  }

  /// How many replicas there are to be when it is started again.
  var countWhenUp: Int { declaration(of: app).replicasWhenUp }

  /// Goes for a new revision.
  func begin(_ app: App, because cause: String, replicas: Int) {
    ledger.app = app
    ledger.isStopped = false
    let number = max(revision, ledger.revisions.keys.max() ?? 0) + 1
    let revision = RevisionRecord(app: name, number: number, at: Date().timeIntervalSince1970, cause: cause, spec: app)
    ledger.revisions[number] = revision
    ledger.outbox.append(.revision(revision))
    want(revision: number, replicas: replicas)
  }

  /// Takes what is declared into the revision that is wanted: what needs no new replicas.
  private func amend(_ app: App, replicas: Int) {
    ledger.app = app
    ledger.isStopped = false
    if var record = ledger.revisions[revision] {
      record.spec = app
      ledger.revisions[revision] = record
      ledger.outbox.append(.revision(record))
    }
    want(revision: revision, replicas: replicas)
  }

  /// - Returns: what a deploy would change, in the file's words.
  func changes(to app: App) -> [Difference] {
    // What was undone is not what runs: the next deploy goes from there.
    let base = declaration(of: app).wasUndone ? ledger.revisions[revision]?.spec : ledger.declared
    return app.differences(from: base ?? self.app)
  }

  /// Goes back to an earlier revision, under a new number, and waits for the outcome.
  /// - Parameter number: which; nil is the one before that was complete.
  func undo(to number: Int?) async -> AppOutcome {
    guard !ledger.isStopping else { return .superseded }
    let earlier = ledger.revisions.values.filter { $0.number < revision && $0.spec != app }.sorted { $0.number < $1.number }
    let chosen = number.map { wanted in ledger.revisions[wanted] } ?? (earlier.last { $0.outcome == "complete" } ?? earlier.last)
    guard let chosen else {
      let known = ledger.revisions.keys.sorted().map(String.init).joined(separator: ", ")
      let text = number.map { "there is no revision \($0) of \(name)" } ?? "there is no earlier revision of \(name) that differs"
      return .undone("\(text); kept are: \(known)")
    }
    return await untilOutcome {
      begin(chosen.spec, because: "undo to revision \(chosen.number)", replicas: wantedReplicas > 0 ? wantedReplicas : countWhenUp)
    }
  }

  // MARK: - Signals

  /// Sends a signal to the main process of a replica, or of all.
  /// - Returns: why it was not sent, where it was not.
  func kill(_ signal: Signal, _ target: String?) async -> [String] {
    let meant = chosen(target)
    if meant.isEmpty { return ["nothing of \(name) runs"] }
    var failures: [String] = []
    for process in meant {
      if let problem = await process.signal(signal) {
        failures.append("\(process.name): \(problem)")
        await report(.warning, "NotSignalled", "\(process.name): \(problem)", process.name)
      } else {
        await report(.normal, "Signalled", "\(signal) was sent to \(process.name), as a user wanted", process.name)
      }
    }
    return failures
  }

  /// Has the programs read their configuration again: by the app's signal, or by its command.
  /// - Returns: what failed.
  func reload(_ target: String?) async -> [String] {
    guard app.reload != nil else {
      return ["the file does not say how \(name) reads its configuration again: reload: { signal: HUP }, or { exec: [...] }"]
    }
    let meant = chosen(target)
    if meant.isEmpty { return ["nothing of \(name) runs"] }
    var failures: [String] = []
    for process in meant {
      if let problem = await process.reload() { failures.append("\(process.name): \(problem)") }
    }
    if failures.isEmpty {
      note(.normal, "Reloaded", "told to reload")
    } else {
      note(.warning, "ReloadFailed", failures.joined(separator: "; "))
    }
    write()
    return failures
  }

  /// Has all keepers become the lastcall-keeper that is installed now, and waits until that is known to be so, or not.
  func bringKeepersUpToDate() async {
    for beside in ledger.sidecars.values { await beside.bringKeepersUpToDate() }
    await proxy?.bringKeeperUpToDate()
    for process in ledger.processes.values { await process.bringKeeperUpToDate() }
    for process in ledger.processes.values { await process.untilUpgraded() }
  }

  private func chosen(_ target: String?) -> [ReplicaProcess] {
    ledger.processes.sorted { $0.key < $1.key }.map(\.value).filter { target == nil || target == name || target == $0.name }
  }
}
