import AppSpec
import Foundation
import Linux
import Rollout
import StopPlan

/// What users ask of an app.
extension AppController {
  /// Starts the proxy, if the app has one, and what is declared; nothing once a full stop was asked for. What an earlier engine has left goes
  /// on as it was when the file says the same as then.
  func start() async throws {
    do { if !isStopping { try await proxy?.start() } } catch { if !isStopping { throw error } }
    guard !isStopping else { return }
    // The first clock ends the taking in of what was found.
    feed(.clock)
    let step = declaration(of: app).atStart
    let file = app
    declare(file)
    if let current = revisions[rollout.desired.revision] { serve(current.spec) }
    carryOut(step, file, because: "up")
  }

  /// Carries out what the file says now, and waits for the outcome.
  func deploy(_ file: App, because cause: String) async -> Outcome {
    guard !isStopping else { return .superseded }
    let step = declaration(of: file).atDeploy
    declare(file)
    return await untilOutcome { carryOut(step, file, because: cause) }
  }

  private func declaration(of file: App) -> Declaration {
    let last = revisions[rollout.desired.revision] == nil ? nil : declared
    return Declaration(
      lastReplicas: last?.replicas, isChanged: last.map { $0 != file } ?? true,
      needsNewReplicas: revisions[rollout.desired.revision].map { file.differences(from: $0.spec).contains(where: \.needsNewReplicas) }
        ?? true,
      fileReplicas: file.replicas, desiredReplicas: rollout.desired.replicas, isStopped: isStopped, stoppedReplicas: stoppedReplicas)
  }

  private func carryOut(_ step: Declaration.Step, _ file: App, because cause: String) {
    switch step {
    case .begin(let replicas): begin(file, because: cause, replicas: replicas)
    case .amend(let replicas):
      isStopped = false
      amend(file, replicas: replicas)
    case .goOn: write()
    case .stayStopped:
      note(.normal, "Stopped", "\(name) was stopped and stays so; start it with: lastcall start \(name)")
      write()
    }
  }

  /// - Returns: what a deploy would change, in the file's words.
  func changes(to app: App) -> [Difference] { app.differences(from: declared ?? self.app) }

  /// Replaces all replicas by new ones and waits for the outcome.
  func restart() async -> Outcome {
    guard !isStopping else { return .superseded }
    let replicas = rollout.desired.replicas
    return await untilOutcome { begin(app, because: "restart", replicas: replicas > 0 ? replicas : countWhenUp) }
  }

  /// Starts what was stopped, and waits for the outcome.
  func startAgain() async -> Outcome {
    guard !isStopping else { return .superseded }
    guard isStopped || rollout.desired.replicas == 0 else { return .complete }
    isStopped = false
    return await untilOutcome { feed(.desired(Desired(replicas: countWhenUp, revision: rollout.desired.revision))) }
  }

  /// How many replicas there are to be when it is started again.
  private var countWhenUp: Int { declaration(of: app).replicasWhenUp }

  /// Changes the number of replicas and waits for the outcome.
  func scale(to replicas: Int) async -> Outcome {
    guard !isStopping else { return .superseded }
    if replicas == rollout.desired.replicas, rollout.isComplete { return .complete }
    isStopped = false
    return await untilOutcome { feed(.desired(Desired(replicas: replicas, revision: rollout.desired.revision))) }
  }

  /// Goes back to an earlier revision, under a new number, and waits for the outcome.
  /// - Parameter number: which; nil is the one before that was complete.
  func undo(to number: Int?) async -> Outcome {
    guard !isStopping else { return .superseded }
    let current = rollout.desired.revision
    let earlier = revisions.values.filter { $0.number < current && $0.spec != app }.sorted { $0.number < $1.number }
    let chosen = number.map { wanted in revisions[wanted] } ?? (earlier.last { $0.outcome == "complete" } ?? earlier.last)
    guard let chosen else {
      let known = revisions.keys.sorted().map(String.init).joined(separator: ", ")
      let text = number.map { "there is no revision \($0) of \(name)" } ?? "there is no earlier revision of \(name) that differs"
      return .undone("\(text); kept are: \(known)")
    }
    return await untilOutcome {
      begin(
        chosen.spec, because: "undo to revision \(chosen.number)",
        replicas: rollout.desired.replicas > 0 ? rollout.desired.replicas : countWhenUp)
    }
  }

  /// Holds the replacement of old replicas by new ones, or goes on with it.
  func pause(_ holds: Bool) -> Outcome {
    if holds == rollout.isPaused { return .undone("the rollout of \(name) is \(holds ? "paused already" : "not paused")") }
    feed(holds ? .pause : .resume)
    return .complete
  }

  /// Waits until the rollout under way has ended.
  func untilSettled() async -> Outcome {
    if rollout.isComplete, declared != nil { return .complete }
    return await withCheckedContinuation { wait($0) }
  }

  /// Stops the replicas but keeps the proxy, which holds requests meanwhile. It stays stopped over an engine's death.
  ///
  /// - Parameter grace: by when they have to be gone, if that is sooner than what is declared; 0 kills at once.
  func stop(grace: TimeSpan?) async {
    if rollout.desired.replicas > 0 { stoppedReplicas = rollout.desired.replicas }
    isStopped = true
    if let grace { shorten(to: Clock.now + grace) }
    await stopReplicas()
    forgetShortening()
    write()
  }

  func stopReplicas() async {
    if rollout.replicas.isEmpty, rollout.desired.replicas == 0 { return }
    _ = await untilOutcome { feed(.desired(Desired(replicas: 0, revision: rollout.desired.revision))) }
  }

  // MARK: - Signals

  /// Sends a signal to the main process of a replica, or of all.
  func kill(_ signal: Signal, _ target: String?) async {
    for process in chosen(target) {
      if let problem = await process.signal(signal) { await report(.warning, "NotSignalled", "\(process.name): \(problem)", process.name) }
    }
  }

  /// Has the programs read their configuration again: by the app's signal, or by its command.
  /// - Returns: what failed.
  func reload(_ target: String?) async -> [String] {
    var failures: [String] = []
    for process in chosen(target) {
      if let problem = await process.reload() { failures.append("\(process.name): \(problem)") }
    }
    note(failures.isEmpty ? .normal : .warning, "Reloaded", failures.isEmpty ? "told to reload" : failures.joined(separator: "; "))
    write()
    return failures
  }

  /// Has all keepers become the lastcall-keeper that is installed now, and waits until that is known to be so, or not.
  func bringKeepersUpToDate() async {
    for beside in sidecars.values { await beside.bringKeepersUpToDate() }
    await proxy?.bringKeeperUpToDate()
    for process in processes.values { await process.bringKeeperUpToDate() }
    for process in processes.values { await process.untilUpgraded() }
  }

  private func chosen(_ target: String?) -> [ReplicaProcess] {
    processes.sorted { $0.key < $1.key }.map(\.value).filter { target == nil || target == name || target == $0.name }
  }
}
