import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// SIGKILL of a keeper beside the plain case, which is in EngineFailureTests: of a sidecar's, of the proxy's, and of one that is just
/// carrying out a stop.
@Suite(.serialized) struct EngineKeeperDeathTests {
  private func isGone(_ pid: Int32) -> Bool { ProcessRecord(pid: pid)?.isZombie ?? true }

  private func text(_ workspace: Workspace, _ name: String) -> String {
    (try? String(contentsOfFile: workspace.directory + "/" + name, encoding: .utf8)) ?? ""
  }

  /// The seconds between two events of web-1.
  private func seconds(_ workspace: Workspace, from first: String, to second: String) async throws -> Double {
    let run = try workspace.lastcall("events", "-n", "1000", "-o", "json")
    _ = await run.ended()
    let events = try run.output.split(separator: "\n").map { try JSONDecoder().decode(LifecycleCase.Event.self, from: Data($0.utf8)) }
    func at(_ reason: String) throws -> Double {
      try #require(events.first { $0.reason == reason && $0.replica == "web-1" }?.at, "\(reason) is not in \(events)")
    }
    return try at(second) - at(first)
  }

  /// Ends the engine and checks that nothing is left that was called with a path in the workspace, as keepers and proxies are.
  private func end(_ up: Running, _ workspace: Workspace) async throws {
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    let left = try workspace.start("/usr/bin/pgrep", ["-f", "\(workspace.directory)/"])
    _ = await left.ended()
    #expect(left.output.split(separator: "\n").filter { $0 != "\(left.pid)" }.isEmpty, "\(left.output)\n\(up.output)")
    await workspace.remove()
  }

  @Test func aSidecarWhoseKeeperIsKilledIsEndedAndComesBackOnce() async throws {
    let workspace = try Product.workspace()
    try workspace.write(
      "lastcall.yaml",
      """
      apps:
        web:
          command: [sh, -c, 'echo main >>started; exec sleep 1000']
          restart: { backoff: 10ms..1s }
          update: { settle: 0s }
          sidecars:
            - name: mesh
              command: [sh, -c, 'trap "echo told >>told; exit" TERM; echo mesh >>started; while :; do sleep 0.05; done']
      """)
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    #expect(try await eventually { text(workspace, "started").split(separator: "\n").sorted() == ["main", "mesh"] })
    let before = try await workspace.rows()
    #expect(before.map(\.name) == ["web-1", "web-1-mesh"])
    let (main, mesh) = (try #require(before.first?.pid), try #require(before.last?.pid))
    kill(try #require(ProcessRecord(pid: mesh)).parent, SIGKILL)
    try await up.says("the keeper of web-1-mesh was killed; what it left is stopped")
    #expect(try await eventually { try await workspace.rows().map(\.state) == ["Ready", "Ready"] }, "\(up.output)")
    let after = try await workspace.rows()
    #expect(after.map(\.name) == ["web-1", "web-1-mesh-2"] && after.first?.pid == main, "\(up.output)")
    #expect(isGone(mesh))
    #expect(text(workspace, "told") == "told\n")
    #expect(try await eventually { text(workspace, "started").split(separator: "\n").count >= 3 })
    #expect(text(workspace, "started").split(separator: "\n").sorted() == ["main", "mesh", "mesh"])
    let ps = try workspace.lastcall("ps")
    _ = await ps.ended()
    #expect(ps.output.contains("started again once"), "\(ps.output)")
    // It was told before the next one was started.
    let lost = try #require(up.output.range(of: "KeeperLost"))
    let again = try #require(up.output.range(of: "web-1-mesh-2 started"))
    #expect(lost.lowerBound < again.lowerBound)
    try await end(up, workspace)
    #expect(isGone(main) && after.allSatisfy { isGone($0.pid ?? 0) })
  }

  /// Clients go on all the while: what the old proxy has is answered by it, and what comes meanwhile waits at the listener.
  @Test func aProxyWhoseKeeperIsKilledComesBackAndNoRequestIsLost() async throws {
    struct Kept: Decodable {
      var keeper: Int32
      var main: Int32
    }
    let workspace = try Product.workspace()
    let port = try freePort()
    try workspace.write(
      "lastcall.yaml",
      """
      apps:
        web:
          command: [/usr/bin/python3, -m, http.server, --bind, 127.0.0.1, $PORT]
          listen: { port: \(port), via: proxy }
          ready: { http: / }
          update: { settle: 0s }
      """)
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    let main = try #require(try await workspace.rows().first?.pid)
    let path = try #require(workspace.runFile("/web-proxy/process.json"))
    let proxy = try JSONDecoder().decode(Kept.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
    let request = "curl -s -m 100 -o /dev/null -w \"%{http_code} \" http://127.0.0.1:\(port)/"
    let clients = try workspace.start("/bin/sh", ["-c", "while [ ! -e enough ]; do \(request); done; \(request); echo done"])
    try await clients.says("200 ", times: 3)
    kill(proxy.keeper, SIGKILL)
    try await up.says("the keeper of web-proxy was killed; what it left is stopped")
    try await up.says("ProxyEnded")
    try await up.says("web-proxy-2 started")
    try workspace.write("enough", "")
    #expect(await clients.ended() == .code(0), "\(clients.output)")
    #expect(Set(clients.output.split(whereSeparator: \.isWhitespace)) == ["200", "done"], "\(clients.output)")
    #expect(isGone(proxy.main))
    #expect(try await workspace.rows().map(\.pid) == [main])
    #expect(!isGone(main))
    #expect(!up.output.contains("web-proxy-3"), "\(up.output)")
    try await end(up, workspace)
    #expect(isGone(main))
  }

  /// A replica that takes no TERM, and whose hook hangs. Returns when the keeper that runs the hook was killed, and the engine has seen it.
  private func killedInAStop(grace: String) async throws -> (workspace: Workspace, up: Running, stop: Running, main: Int32, hook: Int32) {
    let workspace = try Product.workspace()
    let hook = "preStop: { exec: [sh, -c, 'echo $$$$ >hook.new; mv hook.new hook; exec sleep 1000'] }"
    try workspace.write(
      "lastcall.yaml",
      """
      apps:
        web:
          command: [sh, -c, 'trap "echo told >>told" TERM; touch deaf; while :; do sleep 0.05; done']
          ready: { exec: [test, -e, deaf], every: 20ms }
          update: { settle: 0s }
          stop: { plan: TERM/1/KILL, grace: \(grace), \(hook) }
      """)
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    let main = try #require(try await workspace.rows().first?.pid)
    let stop = try workspace.lastcall("stop", "web")
    #expect(try await eventually { FileManager.default.fileExists(atPath: workspace.directory + "/hook") })
    let hooked = try #require(Int32(text(workspace, "hook").split(separator: "\n").first ?? ""))
    kill(try #require(ProcessRecord(pid: main)).parent, SIGKILL)
    try await up.says("the keeper of web-1 was killed; what it left is stopped")
    return (workspace, up, stop, main, hooked)
  }

  /// The engine has the deadline, and what was asked for is done.
  @Test func aKeeperThatIsKilledWhileItsHookRunsLeavesTheDeadlineToTheEngine() async throws {
    let (workspace, up, stop, main, hook) = try await killedInAStop(grace: "10s")
    #expect(await stop.ended() == .code(0), "\(stop.output)")
    #expect(isGone(main) && isGone(hook))
    #expect(text(workspace, "told") == "told\n")
    #expect(stop.output.contains("KeeperLost"), "\(stop.output)")
    let took = try await seconds(workspace, from: "Killing", to: "Exited")
    #expect(took > 9 && took < 60, "\(took)")
    // The user's wish holds: nothing takes its place.
    #expect(try await workspace.rows().map(\.state) == ["Stopped"])
    #expect(!up.output.contains("web-2"), "\(up.output)")
    try await end(up, workspace)
  }

  /// `stop -t` makes a stop shorter also while it runs, and `-t 0` kills at once, whoever carries it out.
  @Test func aStopWhoseKeeperWasKilledCanStillBeShortened() async throws {
    let (workspace, up, stop, main, hook) = try await killedInAStop(grace: "100s")
    #expect(!isGone(main))
    let shorter = try workspace.lastcall("stop", "-t", "0", "web")
    #expect(await shorter.ended() == .code(0), "\(shorter.output)")
    #expect(isGone(main) && isGone(hook))
    #expect(await stop.ended() == .code(0), "\(stop.output)")
    let took = try await seconds(workspace, from: "Killing", to: "Exited")
    #expect(took < 60, "\(took)")
    try await end(up, workspace)
  }
}
