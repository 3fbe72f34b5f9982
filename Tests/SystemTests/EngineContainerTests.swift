import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// An engine in a container, where lastcall-init is PID 1 and starts it again as docs/engine.md advises. Only root can make the namespace.
@Suite(.serialized, .enabled(if: getuid() == 0, "unshare --pid needs root"))
struct EngineContainerTests {
  /// Two replicas that write down their start, once TERM is theirs to take, and TERM; their hooks too.
  private func prepared() throws -> Workspace {
    let workspace = try Product.workspace()
    let script = "trap \"echo told >>trace; exit 0\" TERM; echo start >>trace; while :; do sleep 0.05; done"
    let hook = "    stop: { preStop: { exec: [sh, -c, 'echo hook >>trace'] } }\n"
    let more = "    replicas: 2\n    restart: { backoff: 10ms..1s }\n    update: { settle: 0s }\n" + hook
    try workspace.write("lastcall.yaml", Workspace.sleeper(more, script: script))
    return workspace
  }

  /// Starts an engine below a PID 1, and returns when its replicas run.
  private func start(_ workspace: Workspace, _ binary: InitBinary, _ options: [String]) async throws -> Running {
    let unshare = ["--fork", "--pid", "--mount-proc", "--kill-child=KILL", binary.path]
    let engine = [Product.path("lastcall"), "up", "-f", workspace.directory + "/lastcall.yaml"]
    let run = try workspace.start("/usr/bin/unshare", unshare + options + ["--main-policy", "restart", "--"] + engine)
    try await run.says("RolloutComplete")
    #expect(try await eventually { trace(workspace) == ["start", "start"] }, "\(trace(workspace))")
    return run
  }

  /// PID 1 of the namespace, as it is called outside: unshare's child.
  private func initPid(_ run: Running) throws -> Int32 {
    try #require(ProcessTree.descendants(of: run.pid).first { $0.parent == run.pid }?.identity.pid)
  }

  /// The engine below PID 1, which has what a dead one has left beside it.
  private func enginePid(_ run: Running) throws -> Int32 {
    let pid = try initPid(run)
    let children = ProcessTree.descendants(of: pid).filter { $0.parent == pid && !$0.isZombie }.map(\.identity.pid)
    return try #require(
      children.first { (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\($0)/exe")) == Product.path("lastcall") })
  }

  private func trace(_ workspace: Workspace) -> [String] {
    let text = (try? String(contentsOfFile: workspace.directory + "/trace", encoding: .utf8)) ?? ""
    return text.split(separator: "\n").map(String.init)
  }

  /// Stops the container and checks that its engine went by plan.
  private func stop(_ run: Running, _ workspace: Workspace) async throws {
    let before = trace(workspace).count
    kill(try initPid(run), SIGTERM)
    // The engine's own code, which is that of everything stopped (lastcall up --help).
    #expect(await run.ended() == .code(0), "\(run.output)")
    let last = trace(workspace).dropFirst(before)
    #expect(last.first == "hook" && last.sorted() == ["hook", "hook", "told", "told"], "\(trace(workspace))")
    #expect(run.output.contains("stopping everything (TERM)"), "\(run.output)")
    #expect(run.output.contains("everything has stopped"), "\(run.output)")
    // Nobody outlives the namespace; the engine has said so to whoever asks.
    let ps = try workspace.lastcall("ps")
    #expect(await ps.ended() == .code(3), "\(ps.output)")
    #expect(!ps.output.contains("taken over"), "\(ps.output)")
    await workspace.remove()
  }

  @Test(arguments: InitBinary.all)
  func anEngineThatIsKilledIsStartedAgainByPID1AndTakesItsReplicasOver(binary: InitBinary) async throws {
    let workspace = try prepared()
    let run = try await start(workspace, binary, ["--until", "main"])
    let before = try await workspace.rows()
    #expect(before.map(\.state) == ["Ready", "Ready"])
    let first = try enginePid(run)
    // The second time too: it is the init that counts, not the engine.
    for round in 1...2 {
      let engine = try enginePid(run)
      kill(engine, SIGKILL)
      try await run.says("an engine that was killed has left 2 replicas, which go on", times: round)
      #expect(try enginePid(run) != engine)
    }
    #expect(try enginePid(run) != first)
    // It says so before its socket is there.
    #expect(try await eventually { (try? await workspace.rows().map(\.state)) == ["Ready", "Ready"] }, "\(run.output)")
    let after = try await workspace.rows()
    #expect(after.map(\.name) == before.map(\.name) && after.map(\.pid) == before.map(\.pid), "\(run.output)")
    #expect(trace(workspace) == ["start", "start"])
    try await stop(run, workspace)
  }

  /// What the engine has left is stopped first, since nobody is to find two of anything.
  @Test(arguments: InitBinary.all)
  func withoutUntilMainWhatTheEngineHasLeftIsStoppedBeforeTheNextOne(binary: InitBinary) async throws {
    let workspace = try prepared()
    let run = try await start(workspace, binary, [])
    kill(try enginePid(run), SIGKILL)
    try await run.says("no replica has outlived the engine that was killed; 2 replicas ended meanwhile")
    // Their keepers run the hooks, and PID 1 tells the programs.
    #expect(try await eventually { trace(workspace).count { $0 == "start" } == 4 }, "\(trace(workspace))\n\(run.output)")
    #expect(trace(workspace).filter { $0 != "hook" } == ["start", "start", "told", "told", "start", "start"], "\(run.output)")
    #expect(try await eventually { (try? await workspace.rows().map(\.state)) == ["Ready", "Ready"] }, "\(run.output)")
    try await stop(run, workspace)
  }

  /// As docs/engine.md warns: stop the container instead.
  @Test func downStopsEverythingAndPID1StartsItAgain() async throws {
    let workspace = try prepared()
    let run = try await start(workspace, try #require(InitBinary.all.first), ["--until", "main"])
    let down = try workspace.lastcall("down")
    #expect(await down.ended() == .code(0), "\(down.output)")
    try await run.says("everything has stopped")
    try await run.says("RolloutComplete", times: 2)
    #expect(try await eventually { trace(workspace).count { $0 == "start" } == 4 }, "\(trace(workspace))\n\(run.output)")
    #expect(trace(workspace).filter { $0 != "hook" } == ["start", "start", "told", "told", "start", "start"], "\(run.output)")
    try await stop(run, workspace)
  }
}
