import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// What is remembered of a stop whose engine dies: nothing of it is done, told or counted twice.
@Suite(.serialized) struct EngineStopMemoryTests {
  static let orders = EngineKubernetesTests.orders

  private func kill(_ up: Running, _ stop: Running) async {
    up.send(.kill)
    _ = await up.ended()
    _ = await stop.ended()
  }

  /// Its keeper knows nothing of hooks of kind HTTP, and its listener may be closed by then.
  @Test(arguments: orders) func anHTTPHookThatHasAnsweredIsNotAskedAgain(like: String) async throws {
    let (port, mesh) = (try freePort(), try freePort())
    let test = try LifecycleCase(
      stop: like + "grace: 400s, plan: TERM/400, preStop: { http: { path: /leave, port: \(port) } }", main: "port=\(port) life=1",
      more: ["sidecars:", LifecycleCase.sidecar("mesh", "port=\(mesh)", preStop: "http: { path: /go, port: \(mesh) }")])
    let up = try await test.up()
    let stop = try test.workspace.lastcall("stop", "web")
    try await test.until("TERM main")
    try await test.until("GET/go mesh")
    await kill(up, stop)
    let again = try test.workspace.lastcall("up")
    try await again.says("nothing of web runs any more")
    for what in ["GET/leave main", "GET/go mesh"] { #expect(test.trace().count { $0 == what } == 1, "\(test.trace())") }
    test.order("GET/leave main", "TERM main", "end main", "TERM mesh", "end mesh")
    #expect(try await !test.has("FailedPreStopHook"))
    await test.down(again)
  }

  /// A stop that was made shorter is the same stop.
  @Test func aStopThatWasMadeShorterIsToldOnce() async throws {
    let test = try LifecycleCase(stop: "grace: 400s, plan: TERM/400", main: "deaf")
    let up = try await test.up()
    let stop = try test.workspace.lastcall("stop", "web")
    try await test.until("TERM main")
    let shorter = try test.workspace.lastcall("stop", "-t", "300", "web")
    #expect(try await eventually { try await test.lastcall("ps", "-o", "json").contains(/\b2\d\d\.\d s of grace left/) })
    await kill(up, stop)
    _ = await shorter.ended()
    let again = try test.workspace.lastcall("up")
    try await again.says("Recovered")
    try await test.lastcall("stop", "-t", "0", "web")
    #expect(try await test.events().count { $0.message == "Stopping replica web-1" } == 1)
    await test.down(again)
  }

  /// Nobody knows how long it took.
  @Test func aStopThatNobodySawEndIsNotMeasured() async throws {
    let test = try LifecycleCase(stop: "grace: 400s, plan: TERM/400", main: "life=1")
    let up = try await test.up()
    let stop = try test.workspace.lastcall("stop", "web")
    try await test.until("TERM main")
    let main = try test.pid("main")
    await kill(up, stop)
    #expect(try await eventually { ProcessRecord(pid: main)?.isZombie ?? true })
    let again = try test.workspace.lastcall("up")
    try await again.says("nothing of web runs any more")
    let description = try await test.lastcall("describe", "web")
    #expect(!description.contains("p50"), "\(description)")
    try await test.lastcall("start", "web")
    try await test.lastcall("stop", "web")
    #expect(try await test.lastcall("describe", "web").contains("stops      1, p50"))
    await test.down(again)
  }
}
