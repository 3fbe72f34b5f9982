import Foundation
import Testing

/// Hooks of sidecars that ask by HTTP. Those that are commands, and all of the main program's, are in `EngineKubernetesTests` and
/// `EngineKubernetesSidecarTests`.
@Suite(.serialized) struct EngineHookTests {
  static let orders = EngineKubernetesTests.orders

  /// test/e2e/common/node/lifecycle_hook.go: the hook of a restartable init container. It is asked while the program's own hook still runs,
  /// which is the beginning of its stop, and not again when the sidecar's turn comes.
  @Test("Restartable Init Container Lifecycle Hook: should execute prestop http hook properly", arguments: orders)
  func preStopHTTP(like: String) async throws {
    let port = try freePort()
    let test = try LifecycleCase(
      stop: like + "grace: 400s, preStop: { \(LifecycleCase.hook(then: "until [ -e go ]; do sleep 0.02; done")) }",
      more: ["sidecars:", LifecycleCase.sidecar("mesh", "port=\(port)", preStop: "http: { path: /leave, port: \(port) }")])
    let up = try await test.up()
    let stop = try test.workspace.lastcall("stop", "web")
    try await test.until("GET/leave mesh")
    #expect(!test.trace().contains("TERM main"))
    try test.touch("go")
    #expect(await stop.ended() == .code(0), "\(stop.output)")
    test.order("start main", "GET/leave mesh", "TERM main", "end main", "TERM mesh", "end mesh")
    #expect(test.trace().count { $0.hasPrefix("GET") } == 1)
    #expect(try await !test.has("FailedPreStopHook"))
    await test.down(up)
  }

  /// The program has none, and nothing waits for the sidecar's but the sidecar.
  @Test("a sidecar's http hook's status of 500 is a failure, but not for Kubernetes", arguments: orders)
  func preStopHTTPStatus(like: String) async throws {
    let port = try freePort()
    let test = try LifecycleCase(
      stop: like + "grace: 400s",
      more: ["sidecars:", LifecycleCase.sidecar("mesh", "port=\(port)", preStop: "http: { path: /500, port: \(port) }")])
    let up = try await test.up()
    try await test.lastcall("stop", "web")
    test.order("start mesh", "GET/500 mesh", "TERM mesh", "end mesh")
    test.order("start main", "TERM main", "end main", "TERM mesh")
    #expect(test.trace().count { $0.hasPrefix("GET") } == 1)
    #expect(try await test.has("FailedPreStopHook", "/500 answered 500") == like.isEmpty)
    if like.isEmpty { #expect(try await test.event("FailedPreStopHook").replica == "web-1-mesh") }
    await test.down(up)
  }
}
