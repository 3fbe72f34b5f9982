import AppSpec
import Linux
import StopPlan

/// What is done beside the program: probes, also on its way out, signals, reloads.
extension ReplicaProcess {
  /// Looks once whether a check holds.
  /// - Returns: nil when it does, else why not.
  func look(_ check: Readiness.Check, _ timeout: TimeSpan) async -> String? {
    await ReadinessProbe(command: beside, port: port).look(check, timeout, keeper: keeper)
  }

  /// Whether it still works, asked until that is not so any more, or it has ended.
  /// - Parameter tell: is told why it does not, and nil when it does again.
  func watchLiveness(_ live: Liveness, _ tell: @Sendable (String?) async -> Void) async {
    try? await TaskThreads.sleep(live.after)
    var failures = 0
    while !isOver {
      if let problem = await look(live.check, live.timeout) {
        failures += 1
        if failures == live.failures, !isOver { await tell(problem) }
      } else {
        if failures >= live.failures { await tell(nil) }
        failures = 0
      }
      try? await TaskThreads.sleep(live.every)
    }
  }

  /// Sends a signal to the main process.
  /// - Returns: why it could not be asked for.
  @discardableResult
  func signal(_ signal: Signal) async -> String? {
    guard await isTellable() else { return "its keeper, \(keeper), speaks a newer protocol than this lastcall and was told nothing" }
    // podman's client can pass on only what it can catch.
    if let container = command.container, signal == .kill || signal == .stop {
      do { try await beside.podman.kill(signal, container.name) } catch { return "\(error)" }
    } else {
      guard let link, main > 0, !isEnded else { return "no program of it runs that could be told" }
      link.send(signal)
    }
    return nil
  }

  /// Has the program read its configuration again.
  /// - Returns: why it did not.
  func reload() async -> String? {
    switch app.reload {
    case .exec(let command)?: await beside.run(command, within: Self.reloadBound, shows: true)
    case .signal(let signal)?: await self.signal(signal)
    case nil: nil
    }
  }

  /// How long a reload's command may take.
  private static let reloadBound = TimeSpan.seconds(60)

  // MARK: - On its way out

  /// Notes that it is on its way out: it is not to be added to the proxy any more. Whether it passes its readiness check is still looked at, to
  /// its end, as kubelet does.
  func leave() {
    if isLeaving { return }
    isLeaving = true
    guard let ready = app.ready, ready.check != .notify else { return }
    Task {
      while !isEnded {
        passes = await look(ready.check, ready.timeout) == nil
        try? await TaskThreads.sleep(ready.every)
      }
    }
  }

  /// Whether it passes its readiness check on its way out; nil when it has none, or that is not known yet.
  var isServing: Bool? {
    if case .notify? = app.ready?.check { return saidReady && !saidStopping }
    return passes
  }
}
