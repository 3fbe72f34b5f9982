import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// Kubernetes' cases of sidecars (KEP-753, KEP-4438): test/e2e_node/container_lifecycle_test.go and
/// pkg/kubelet/kuberuntime/kuberuntime_termination_order_test.go, whose numbers `StopOrderTests` has.
@Suite(.serialized) struct EngineKubernetesSidecarTests {
  static let orders = EngineKubernetesTests.orders

  private func three(_ options: String = "", preStop: (String) -> String = { _ in "" }) -> [String] {
    ["sidecars:"] + ["one", "two", "three"].map { LifecycleCase.sidecar($0, options, preStop: preStop($0)) }
  }

  @Test("should terminate sidecars in reverse order after all main containers have exited", arguments: orders)
  func reverseOrder(like: String) async throws {
    let test = try LifecycleCase(stop: like + "grace: 400s", main: "life=0.3", more: three("life=0.3"))
    let up = try await test.up()
    test.order("start one", "start two", "start three", "start main")
    try await test.lastcall("stop", "web")
    test.order("TERM main", "end main", "TERM three", "end three", "TERM two", "end two", "TERM one", "end one")
    await test.down(up)
  }

  /// SidecarsInReverseOrder: with lives of one unit they wait 0, 1, 2 and 3. Only the lower bounds hold on any machine.
  @Test("SidecarsInReverseOrder waits 0, 1, 2, 3", arguments: orders)
  func waits(like: String) async throws {
    let test = try LifecycleCase(stop: like + "grace: 400s", main: "life=0.4", more: three("life=0.4"))
    let up = try await test.up()
    try await test.lastcall("stop", "web")
    let main = try test.time("TERM main")
    for (turn, name) in ["three", "two", "one"].enumerated() {
      #expect(try test.time("TERM \(name)") - main >= 0.4 * Double(turn + 1), "\(name)")
    }
    await test.down(up)
  }

  /// ObeysGrace: when the grace is over nobody waits for his turn any more, 0, 1, 2 and 2. Nothing ends by itself here, so that everybody but
  /// the program is told at the grace's end, before any of them has ended.
  @Test("SidecarsObeyGrace", arguments: orders)
  func obeyGrace(like: String) async throws {
    let test = try LifecycleCase(stop: like + "plan: TERM/400, grace: 400s", main: "deaf", more: three("deaf"))
    let up = try await test.up()
    let asked = LifecycleCase.now
    try await test.lastcall("stop", "-t", "2", "web")
    let ends = try await test.events().filter { $0.reason == "Exited" }
    #expect(ends.count == 4)
    let firstOfSidecars = try #require(ends.filter { $0.replica != "web-1" }.map(\.at).min())
    for name in ["one", "two", "three"] {
      let told = try test.time("TERM \(name)")
      #expect(told - asked >= 2, "\(name)")
      #expect(told < firstOfSidecars, "\(name)")
    }
    #expect(ends.allSatisfy { $0.message.contains("was ended by KILL") })
    await test.down(up)
  }

  /// Kubernetes tells all of them when the hook has used up the grace, the program included.
  @Test("should terminate sidecars simultaneously if prestop doesn't exit")
  func preStopHangs() async throws {
    let test = try LifecycleCase(
      stop: "like: kubernetes, grace: 2s, preStop: { \(LifecycleCase.hook(then: "sleep 300")) }", main: "deaf", more: three("deaf"))
    let up = try await test.up()
    let asked = LifecycleCase.now
    try await test.lastcall("stop", "web")
    let firstEnd = try #require(try await test.events().filter { $0.reason == "Exited" }.map(\.at).min())
    for name in ["main", "one", "two", "three"] {
      let told = try test.time("TERM \(name)")
      #expect(told - asked >= 2, "\(name)")
      #expect(told < firstEnd, "\(name)")
    }
    await test.down(up)
  }

  /// Each hook waits for the others': none would end if they did not run at the same time.
  @Test("should call sidecar container PreStop hook simultaneously", arguments: orders)
  func hooksAtOnce(like: String) async throws {
    func meet(_ name: String) -> String {
      LifecycleCase.hook(
        name, then: "touch met-\(name); until [ -e met-main -a -e met-one -a -e met-two -a -e met-three ]; do sleep 0.02; done")
    }
    let test = try LifecycleCase(stop: like + "grace: 400s, preStop: { \(meet("main")) }", more: three(preStop: meet))
    let up = try await test.up()
    try await test.lastcall("stop", "web")
    for name in ["one", "two", "three"] { test.order("start main", "hook \(name)", "TERM main", "end main", "TERM \(name)") }
    #expect(try await !test.has("FailedPreStopHook"))
    await test.down(up)
  }

  /// KEP-4438: the program that drains needs its sidecars. The one that is started again is stopped in its turn.
  @Test("a sidecar that exits during termination is restarted", arguments: orders)
  func restarted(like: String) async throws {
    let test = try LifecycleCase(
      stop: like + "grace: 400s, preStop: { \(LifecycleCase.hook(then: "until [ -e go ]; do sleep 0.02; done")) }",
      more: ["restart: { backoff: 10ms..100ms }", "sidecars:", LifecycleCase.sidecar("mesh", preStop: LifecycleCase.hook("mesh"))])
    let up = try await test.up()
    let stop = try test.workspace.lastcall("stop", "web")
    try await test.until("hook main")
    try await test.until("hook mesh")
    kill(try test.pid("mesh"), SIGUSR1)
    try await up.says("web-1-mesh-2 started")
    let isReady = try await eventually {
      let rows = try JSONDecoder().decode([Row].self, from: Data(try await test.lastcall("ps", "-o", "json").utf8))
      return rows.contains { $0.name == "web-1-mesh-2" && $0.state == "Ready" && $0.restarts == 1 && $0.sidecar == "mesh" }
    }
    #expect(isReady)
    #expect(try await test.lastcall("ps").contains("  web-1-mesh-2"))
    try test.touch("go")
    #expect(await stop.ended() == .code(0))
    test.order("USR1 mesh", "start mesh", "TERM main", "end main", "TERM mesh", "end mesh")
    await test.down(up)
  }

  private struct Row: Decodable {
    var name: String
    var state: String
    var pid: Int?
    var sidecar: String?
    var restarts: Int?
  }

  /// A stop that an engine which was killed had begun goes on: the hooks that have run are not run again, and the turns are kept to.
  @Test("the order survives the engine", arguments: orders)
  func survivesTheEngine(like: String) async throws {
    let test = try LifecycleCase(
      stop: like + "grace: 400s, preStop: { \(LifecycleCase.hook(then: "until [ -e go ]; do sleep 0.02; done")) }",
      more: three(preStop: { LifecycleCase.hook($0) }))
    let up = try await test.up()
    let stop = try test.workspace.lastcall("stop", "web")
    for name in ["main", "one", "two", "three"] { try await test.until("hook \(name)") }
    up.send(.kill)
    _ = await up.ended()
    _ = await stop.ended()
    let again = try test.workspace.lastcall("up")
    try await again.says("Recovered")
    try test.touch("go")
    try await again.says("nothing of web runs any more")
    test.order("TERM main", "end main", "TERM three", "end three", "TERM two", "end two", "TERM one", "end one")
    #expect(test.trace().filter { $0.hasPrefix("hook") }.count == 4)
    await test.down(again)
  }

  /// Without an engine `down` stops what is left in the same order.
  @Test("the order holds without an engine", arguments: orders)
  func withoutTheEngine(like: String) async throws {
    let test = try LifecycleCase(
      stop: like + "grace: 400s, preStop: { \(LifecycleCase.hook()) }", main: "life=0.3",
      more: three("life=0.3", preStop: { LifecycleCase.hook($0) }))
    let up = try await test.up()
    up.send(.kill)
    _ = await up.ended()
    try await test.lastcall("down")
    test.order("hook main", "TERM main", "end main")
    for name in ["one", "two", "three"] { test.order("end main", "hook \(name)", "TERM \(name)", "end \(name)") }
    await test.workspace.remove()
  }
}
