import AppSpec
import Linux
import StopPlan

/// What is done beside the program: probes, hooks of its stop that its keeper does not run, signals, reloads.
extension ReplicaProcess {
  /// Looks once whether a check holds.
  /// - Returns: nil when it does, else why not.
  func look(_ check: Readiness.Check, _ timeout: TimeSpan) async -> String? {
    await ReadinessProbe(command: beside, port: port).look(check, timeout, keeper: keeper)
  }

  /// Whether it still works, asked until that is not so any more, or it has ended.
  /// - Parameter tell: is told why it does not, and nil when it does again.
  func watchLiveness(_ live: Liveness, _ tell: @Sendable (String?) async -> Void) async {
    try? await Task.sleep(nanoseconds: UInt64(live.after.nanoseconds))
    var failures = 0
    while !isOver {
      if let problem = await look(live.check, live.timeout) {
        failures += 1
        if failures == live.failures, !isOver { await tell(problem) }
      } else {
        if failures >= live.failures { await tell(nil) }
        failures = 0
      }
      try? await Task.sleep(nanoseconds: UInt64(live.every.nanoseconds))
    }
  }

  /// Does what a preStop hook says, beside the program.
  /// - Returns: what failed.
  func runHook(_ hook: AppSpec.Stop.PreStop?, by limit: Instant) async -> String? {
    let left = max(.milliseconds(10), limit - Clock.now)
    switch hook {
    case nil: return nil
    case .exec(let words): return await beside.run(words, within: left)
    case .sleep(let span):
      try? await Task.sleep(nanoseconds: UInt64(max(0, min(span, left).nanoseconds)))
      return nil
    case .http(let target):
      guard let port = target.port ?? port else { return "it has no port" }
      do {
        let status = try await HTTPProbe.status(port: port, target: target, timeout: left)
        // Kubernetes looks at no status (pkg/kubelet/lifecycle/handlers.go).
        return status < 400 || app.stop.like == .kubernetes ? nil : "\(target.path) answered \(status)"
      } catch {
        return "\(target.path): \(error)"
      }
    }
  }

  /// Sends a signal to the main process.
  func signal(_ signal: Signal) async {
    // podman's client can pass on only what it can catch.
    if let container = command.container, signal == .kill || signal == .stop {
      do { try await beside.podman.kill(signal, container.name) } catch { await warn("NotSignalled", "\(error)") }
    } else {
      link?.send(signal)
    }
  }

  /// Has the program read its configuration again.
  /// - Returns: why it did not.
  func reload() async -> String? {
    guard case .exec(let command)? = app.reload else {
      if case .signal(let signal)? = app.reload { await self.signal(signal) } else { await self.signal(.hup) }
      return nil
    }
    return await beside.run(command, within: .seconds(60))
  }
}
