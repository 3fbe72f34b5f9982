import AppSpec
import Linux
import Rollout
import StopPlan

/// Where a process stands whose keeper, once its hooks are over, waits to be told that its turn has come (`StopOrder.holding`).
struct Turn {
  /// Which step of its plan is that wait.
  let step: Int
  /// When its keeper came to it.
  private(set) var reachedAt: Instant?
  /// Whether its signals are sent, be it that it was told to, be it that the grace was over.
  private(set) var hasCome = false

  init(step: Int) { self.step = step }

  /// Its keeper has begun that step.
  mutating func began(_ step: Int) {
    if step == self.step { reachedAt = Clock.now }
    if step > self.step { hasCome = true }
  }

  /// Whether nothing but its turn is missing.
  var isWaiting: Bool { reachedAt != nil && !hasCome }
}

extension App {
  /// Whose order its stop keeps to.
  var stopOrder: StopOrder { stop.like == .kubernetes ? .kubernetes : .lastcall }
}

/// The stop of a process whose keeper waits for its turn.
extension ReplicaProcess {
  /// Has its preStop hook do what it does: its keeper that of kind exec or sleep, we that of kind HTTP. Returns when only its turn is missing,
  /// or it has ended.
  /// - Returns: why the hook that we asked failed.
  func prepare(_ request: ReplicaRecord.Stop) async -> String? {
    stop(request)
    let problem = await askHook(request)
    await untilTurn()
    return problem
  }

  /// Its turn has come: its signals are sent.
  func takeTurn() {
    guard let turn, turn.isWaiting, let reached = turn.reachedAt, var request, !request.isAtOnce else { return }
    let (now, start) = (Clock.now, Instant(nanoseconds: request.since ?? 0))
    let limit = app.stopOrder.killTime(
      deadline: Instant(nanoseconds: request.deadline), from: start, spent: [reached - start, now - reached], at: now)
    request.id = RequestIDs.next()
    request.deadline = limit.nanoseconds
    link?.stop(request)
    link?.escalate(id: RequestIDs.next())
  }

  /// Asks a preStop hook of kind HTTP; nothing else does one.
  /// - Returns: what failed. Unlike for Kubernetes a status of 400 or more does.
  func askHook(_ request: ReplicaRecord.Stop) async -> String? {
    guard case .http(let target)? = app.stop.preStop, request.isHookOver != true else { return nil }
    guard let port = target.port ?? port else { return "\(target.path): it has no port" }
    return await beforeHookLimit(of: request) { [app] left in
      do {
        let status = try await HTTPProbe.status(port: port, target: target, timeout: left)
        // Kubernetes looks at no status (pkg/kubelet/lifecycle/handlers.go).
        return status < 400 || app.stop.like == .kubernetes ? nil : "\(target.path) answered \(status)"
      } catch {
        return "\(target.path): \(Task.isCancelled ? "no answer when its time was up" : "\(error)")"
      }
    }
  }

  /// Does a hook's work while there is time for it, which a shorter stop can cut.
  func beforeHookLimit(of request: ReplicaRecord.Stop, _ work: @escaping @Sendable (TimeSpan) async -> String?) async -> String? {
    let left = hookLimit(request) - Clock.now
    guard left > .zero, !isHurried else { return nil }
    let hook = Task { await work(left) }
    self.hook = hook
    setHookLimit(request)
    defer { self.hook = nil }
    return await hook.value
  }

  /// Waits for nothing any more before its first signal, now or when its stop begins; where that was asked for already goes to the next one.
  func hurry() async {
    if request == nil { return waitForNothing() }
    hook?.cancel()
    await escalate()
  }

  /// Waits for no hook any more before its first signal.
  func waitForNothing() {
    isHurried = true
    hook?.cancel()
    if request != nil { link?.skipToFirstSignal(id: RequestIDs.next()) }
  }

  private func hookLimit(_ request: ReplicaRecord.Stop) -> Instant {
    app.stopOrder.hookLimit(plan, deadline: Instant(nanoseconds: request.deadline))
  }

  func setHookLimit(_ request: ReplicaRecord.Stop) {
    guard let hook else { return }
    hookClock.set(hookLimit(request)) { hook.cancel() }
  }
}
