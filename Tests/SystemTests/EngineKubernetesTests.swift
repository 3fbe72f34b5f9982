import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// Kubernetes' lifecycle hook cases that mean something on one machine, under their own names: test/e2e/common/node/lifecycle_hook.go and
/// test/e2e_node/container_lifecycle_test.go. docs/kubernetes-cases.md says what the others are. Where `like` is an argument both orders have to
/// pass: lastcall's own, and Kubernetes'.
@Suite(.serialized) struct EngineKubernetesTests {
  static let orders = ["", "like: kubernetes, "]

  @Test("should execute prestop exec hook properly", arguments: orders)
  func preStopExec(like: String) async throws {
    let test = try LifecycleCase(stop: like + "preStop: { \(LifecycleCase.hook()) }")
    let up = try await test.up()
    try await test.lastcall("stop", "web")
    test.order("start main", "hook main", "TERM main", "end main")
    // (d) of the hook's order: the event comes before the hook.
    #expect(try await test.event("Killing", "Stopping replica web-1").at <= test.time("hook main"))
    await test.down(up)
  }

  @Test("should execute prestop http hook properly", arguments: orders)
  func preStopHTTP(like: String) async throws {
    let port = try freePort()
    let test = try LifecycleCase(stop: like + "preStop: { http: { path: /leave, port: \(port) } }", main: "port=\(port)")
    let up = try await test.up()
    try await test.lastcall("stop", "web")
    test.order("start main", "GET/leave main", "TERM main")
    #expect(try await !test.has("FailedPreStopHook"))
    await test.down(up)
  }

  /// Only Kubernetes takes any answer for a good one (pkg/kubelet/lifecycle/handlers.go).
  @Test("an http hook's status of 500 is a failure, but not for Kubernetes", arguments: orders)
  func preStopHTTPStatus(like: String) async throws {
    let port = try freePort()
    let test = try LifecycleCase(stop: like + "preStop: { http: { path: /500, port: \(port) } }", main: "port=\(port)")
    let up = try await test.up()
    try await test.lastcall("stop", "web")
    test.order("GET/500 main", "TERM main")
    #expect(try await test.has("FailedPreStopHook", "/500 answered 500") == like.isEmpty)
    await test.down(up)
  }

  @Test("valid prestop hook using sleep action", arguments: orders)
  func preStopSleep(like: String) async throws {
    let test = try LifecycleCase(stop: like + "grace: 60s, preStop: { sleep: 500ms }")
    let up = try await test.up()
    let asked = LifecycleCase.now
    try await test.lastcall("stop", "web")
    #expect(try test.time("TERM main") - asked >= 0.5)
    #expect(try await !test.has("Exited", "KILL"))
    await test.down(up)
  }

  @Test("reduce GracePeriodSeconds during runtime", arguments: orders)
  func reducedGrace(like: String) async throws {
    let test = try LifecycleCase(stop: like + "grace: 400s, preStop: { sleep: 300s }")
    let up = try await test.up()
    let stop = try test.workspace.lastcall("stop", "web")
    try await stop.says("Stopping replica web-1")
    try await test.lastcall("stop", "-t", "1", "web")
    #expect(await stop.ended() == .code(0))
    #expect(try await test.event("Exited", "web-1").at - test.event("Killing").at < 300)
    test.order("TERM main", "end main")
    await test.down(up)
  }

  @Test("a grace is never lengthened", arguments: orders)
  func lengthenedGrace(like: String) async throws {
    let test = try LifecycleCase(stop: like + "grace: 400s", main: "deaf")
    let up = try await test.up()
    let stop = try test.workspace.lastcall("stop", "-t", "3", "web")
    try await stop.says("Stopping replica web-1")
    try await test.until("TERM main")
    try await test.lastcall("stop", "-t", "400", "web")
    #expect(await stop.ended() == .code(0))
    let exited = try await test.event("Exited", "web-1 was ended by KILL")
    #expect(try await exited.at - test.event("Killing").at < 300)
    await test.down(up)
  }

  /// The container ends while its sleep hook runs.
  @Test("ignore terminated container", arguments: orders)
  func terminatedContainer(like: String) async throws {
    let test = try LifecycleCase(stop: like + "grace: 400s, preStop: { sleep: 300s }")
    let up = try await test.up()
    let stop = try test.workspace.lastcall("stop", "web")
    try await stop.says("Stopping replica web-1")
    kill(try test.pid("main"), SIGUSR1)
    #expect(await stop.ended() == .code(0))
    #expect(try await test.event("Exited", "web-1").at - test.event("Killing").at < 300)
    test.order("USR1 main", "end main")
    #expect(!test.trace().contains("TERM main"))
    await test.down(up)
  }

  @Test("allow sleep action with zero duration (KEP-4818)", arguments: orders)
  func zeroSleep(like: String) async throws {
    let test = try LifecycleCase(stop: like + "grace: 400s, preStop: { sleep: 0 }")
    let up = try await test.up()
    try await test.lastcall("stop", "web")
    #expect(try await test.event("Exited", "web-1").at - test.event("Killing").at < 300)
    test.order("TERM main", "end main")
    await test.down(up)
  }

  @Test("should call the container's preStop hook and terminate it if its liveness probe fails", arguments: orders)
  func livenessFails(like: String) async throws {
    let test = try LifecycleCase(
      stop: like + "preStop: { \(LifecycleCase.hook()) }",
      more: ["live: { exec: [test, -e, well], every: 20ms, failures: 2 }", "restart: { backoff: 10ms..100ms }"])
    try test.touch("well")
    let up = try await test.up()
    try FileManager.default.removeItem(atPath: test.workspace.directory + "/well")
    try await up.says("Stopping replica web-1")
    try test.touch("well")
    try await up.says("web-2 is ready")
    try await up.says("web-1 ended")
    test.order("start main", "hook main", "TERM main")
    #expect(try await test.event("Unhealthy").at <= test.event("Killing").at)
    await test.down(up)
  }

  /// There is no startup probe: a new replica that is not ready by `update.deadline` is what comes nearest.
  @Test("should call the container's preStop hook and terminate it if its startup probe fails", arguments: orders)
  func startupFails(like: String) async throws {
    let test = try LifecycleCase(stop: like + "preStop: { \(LifecycleCase.hook("first")) }")
    let up = try await test.up()
    let never = ["ready: { exec: ['false'], every: 20ms }", "update: { surge: 1, unavailable: 0, settle: 0s, deadline: 1s }"]
    try test.declare(stop: like + "preStop: { \(LifecycleCase.hook("second")) }", more: never)
    let deploy = try await test.lastcall("deploy", code: 1)
    #expect(deploy.contains("web-2 was not ready within 1 s;"), "\(deploy)")
    try await test.until("end main")
    test.order("hook second", "TERM main")
    #expect(!test.trace().contains("hook first"))
    await test.down(up)
  }

  /// kubernetes/kubernetes#55807: whatever has ended has nothing left to prepare.
  @Test("preStop is not called when the container ends by itself", arguments: orders)
  func endsByItself(like: String) async throws {
    let test = try LifecycleCase(
      stop: like + "preStop: { \(LifecycleCase.hook()) }", more: ["restart: { policy: never }"])
    let up = try await test.up()
    kill(try test.pid("main"), SIGUSR1)
    try await up.says("NotReplaced")
    #expect(!test.trace().contains("hook main"))
    await test.down(up)
  }

  /// The event says no more than that: what the hook wrote may be anything, and is in `logs --hooks`.
  @Test("a hook that fails is FailedPreStopHook, and TERM follows", arguments: orders)
  func failingHook(like: String) async throws {
    let test = try LifecycleCase(stop: like + "preStop: { \(LifecycleCase.hook(then: "exit 3")) }")
    let up = try await test.up()
    try await test.lastcall("stop", "web")
    test.order("hook main", "TERM main", "end main")
    let event = try await test.event("FailedPreStopHook")
    #expect(event.kind == "Warning")
    #expect(event.message == "the hook ended with 3; see lastcall logs --hooks web-1")
    await test.down(up)
  }

  @Test("a hook that cannot be executed is FailedPreStopHook, and TERM follows", arguments: orders)
  func missingHook(like: String) async throws {
    let test = try LifecycleCase(stop: like + "preStop: { exec: [./leave] }")
    try test.workspace.write("leave", "#!/no/such/interpreter\n")
    chmod(test.workspace.directory + "/leave", 0o755)
    let up = try await test.up()
    try await test.lastcall("stop", "web")
    test.order("TERM main", "end main")
    #expect(try await test.event("FailedPreStopHook").message.contains("could not be run"))
    await test.down(up)
  }

  /// kubernetes/kubernetes#39170: nginx -s quit as a preStop hook, which waits for its effect; TERM finds nobody.
  @Test("a hook that itself sends another signal works", arguments: orders)
  func hookThatQuits(like: String) async throws {
    let quit = "kill -QUIT $(cat pid-main); while kill -0 $(cat pid-main) 2>&1; do sleep 0.02; done"
    let test = try LifecycleCase(
      stop: like + "preStop: { \(LifecycleCase.hook(then: quit)) }", main: "life=0.3")
    let up = try await test.up()
    try await test.lastcall("stop", "web")
    test.order("hook main", "QUIT main", "end main")
    #expect(!test.trace().contains("TERM main"))
    #expect(try await test.has("Exited", "web-1 ended"))
    await test.down(up)
  }

  /// (i): readiness goes on being looked at, as `serving` of an EndpointSlice tells (KEP-1672), and liveness is not.
  @Test("readiness continues during the drain, liveness does not", arguments: orders)
  func readinessContinues(like: String) async throws {
    let test = try LifecycleCase(
      stop: like + "grace: 400s, preStop: { sleep: 300s }", more: ["live: { exec: [test, -e, ready-main], every: 20ms, failures: 1 }"])
    let up = try await test.up()
    let stop = try test.workspace.lastcall("stop", "web")
    try await stop.says("Stopping replica web-1")
    #expect(try await eventually { try await test.lastcall("ps", "-o", "json").contains("\"serving\":true") })
    try FileManager.default.removeItem(atPath: test.workspace.directory + "/ready-main")
    #expect(try await eventually { try await test.lastcall("ps", "-o", "json").contains("\"serving\":false") })
    #expect(try await test.lastcall("ps").contains("does not pass its readiness check any more"))
    #expect(try await !test.has("Unhealthy"))
    try await test.lastcall("stop", "-t", "1", "web")
    _ = await stop.ended()
    await test.down(up)
  }
}
