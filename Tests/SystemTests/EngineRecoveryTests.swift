import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// An engine that is killed at any moment loses nothing, and starts nothing twice.
@Suite(.serialized) struct EngineRecoveryTests {
  private static func pids(_ workspace: Workspace) async throws -> [String: Int32] {
    Dictionary(uniqueKeysWithValues: try await workspace.rows().map { ($0.name, $0.pid ?? 0) })
  }

  /// The main processes of a workspace: what runs there with that mark.
  static func living(_ mark: String) -> [Int32] {
    ((try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []).compactMap { Int32($0) }.filter { pid in
      guard let line = try? String(contentsOfFile: "/proc/\(pid)/cmdline", encoding: .utf8) else { return false }
      return line.contains(mark) && !line.contains("lastcall-keeper") && !(ProcessRecord(pid: pid)?.isZombie ?? true)
    }
  }

  @Test func reAdoptsAfterSIGKILL() async throws {
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
          replicas: 2
          update: { settle: 0s }
        work:
          command: [sh, -c, 'sleep 1000']
          replicas: 3
      """)
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete", times: 2)
    let before = try await Self.pids(workspace)
    up.send(.kill)
    _ = await up.ended()
    // Traffic does not notice.
    let request = try workspace.start("/usr/bin/curl", ["-sf", "-o", "/dev/null", "http://127.0.0.1:\(port)/"])
    #expect(await request.ended() == .code(0))
    let again = try workspace.lastcall("up")
    try await again.says("Recovered", times: 2)
    #expect(try await eventually { try await Self.pids(workspace) == before })
    let restart = try workspace.lastcall("restart")
    #expect(await restart.ended() == .code(0), "\(restart.output)")
    #expect(try await Self.pids(workspace).values.allSatisfy { !before.values.contains($0) })
    again.send(.int)
    #expect(await again.ended() == .code(0), "\(again.output)")
    #expect(before.values.allSatisfy { ProcessRecord(pid: $0)?.isZombie ?? true })
    await workspace.remove()
  }

  /// It was killed just as it had forked, and the child, which has the locks until it executes its program, is slow to.
  @Test func theLocksOfADeadEngineAreWaitedFor() async throws {
    let workspace = try Product.workspace()
    let (main, _) = try await killedEngine(workspace)
    let child = try workspace.start(
      "/usr/bin/python3",
      [
        "-c",
        """
        import fcntl, glob, time
        locks = [open(path) for path in glob.glob("run/*/engine.lock") + glob.glob("state/*/engine.lock")]
        assert len(locks) == 2
        for lock in locks: fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        print("held", flush=True)
        time.sleep(1)
        """,
      ])
    try await child.says("held")
    let up = try workspace.lastcall("up")
    try await up.says("Recovered")
    #expect(try await eventually { try await workspace.rows().first?.pid == main })
    _ = await child.ended()
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  /// An engine with one replica is killed.
  private func killedEngine(_ workspace: Workspace) async throws -> (main: Int32, keeper: Int32) {
    try workspace.write("lastcall.yaml", Workspace.sleeper("    restart: { backoff: 10ms..1s }\n    update: { settle: 0s }\n"))
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    let main = try #require(try await workspace.rows().first?.pid)
    let keeper = try #require(ProcessRecord(pid: main)).parent
    up.send(.kill)
    _ = await up.ended()
    return (main, keeper)
  }

  @Test func adoptedDeathIsDetected() async throws {
    let workspace = try Product.workspace()
    _ = try await killedEngine(workspace)
    let again = try workspace.lastcall("up")
    try await again.says("Recovered")
    let pid = try #require(try await workspace.rows().first?.pid)
    kill(pid, SIGKILL)
    try await again.says("web-1 was ended by KILL")
    try await again.says("web-2 is ready")
    again.send(.int)
    #expect(await again.ended() == .code(0))
    await workspace.remove()
  }

  @Test func whatDiedWhileNoEngineRanIsReplaced() async throws {
    let workspace = try Product.workspace()
    let (pid, keeper) = try await killedEngine(workspace)
    kill(pid, SIGKILL)
    #expect(try await eventually { ProcessRecord(pid: keeper)?.isZombie ?? true })
    let again = try workspace.lastcall("up")
    try await again.says("web-1 was ended by KILL")
    try await again.says("web-2 is ready")
    again.send(.int)
    #expect(await again.ended() == .code(0))
    await workspace.remove()
  }

  /// A service that is a job by the time of the next start.
  static let job = "apps:\n  web:\n    kind: job\n    command: [sh, -c, 'touch ran']\n"

  @Test func whatIsOfAnotherKindNowIsStoppedFirst() async throws {
    let workspace = try Product.workspace()
    let (main, _) = try await killedEngine(workspace)
    try workspace.write("lastcall.yaml", Self.job)
    let again = try workspace.lastcall("up")
    try await again.says("Completed")
    #expect(ProcessRecord(pid: main)?.isZombie ?? true)
    #expect(again.output.contains("web-1 of it is stopped"), "\(again.output)")
    again.send(.int)
    #expect(await again.ended() == .code(0), "\(again.output)")
    await workspace.remove()
  }

  @Test func whatIsOfAnotherKindNowAndHasNoKeeperIsStoppedFirst() async throws {
    let workspace = try Product.workspace()
    let (main, keeper) = try await killedEngine(workspace)
    kill(keeper, SIGKILL)
    #expect(try await eventually { ProcessRecord(pid: keeper)?.isZombie ?? true })
    try workspace.write("lastcall.yaml", Self.job)
    let again = try workspace.lastcall("up")
    try await again.says("KeeperLost")
    try await again.says("Completed")
    #expect(ProcessRecord(pid: main)?.isZombie ?? true)
    again.send(.int)
    #expect(await again.ended() == .code(0), "\(again.output)")
    await workspace.remove()
  }

  @Test func aStopThatWasUnderWayGoesOnWithTheBudgetItHadLeft() async throws {
    let workspace = try Product.workspace()
    let plan = "    stop: { plan: TERM/6/KILL, grace: 6s }\n    update: { settle: 0s }\n"
    try workspace.write("lastcall.yaml", Workspace.sleeper(plan, script: "trap \"\" TERM; while :; do sleep 0.1; done"))
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    let pid = try #require(try await workspace.rows().first?.pid)
    let began = Clock.now
    let stop = try workspace.lastcall("stop")
    try await up.says("Stopping replica web-1")
    up.send(.kill)
    _ = await up.ended()
    _ = await stop.ended()
    let again = try workspace.lastcall("up")
    try await again.says("web-1 was ended by KILL")
    #expect(Clock.now - began >= .seconds(5))
    #expect(ProcessRecord(pid: pid)?.isZombie ?? true)
    let events = try workspace.lastcall("events")
    _ = await events.ended()
    #expect(events.output.components(separatedBy: "Stopping replica web-1").count == 2, "\(events.output)")
    // The user's wish is kept too.
    try await again.says("web was stopped and stays so")
    again.send(.int)
    #expect(await again.ended() == .code(0))
    await workspace.remove()
  }

  @Test func theNewestOfTheDatabaseIsLost() async throws {
    let workspace = try Product.workspace()
    try workspace.write("lastcall.yaml", Workspace.sleeper("    replicas: 2\n", script: "sleep 1000; echo \(workspace.directory)"))
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    let before = try await Self.pids(workspace)
    up.send(.kill)
    _ = await up.ended()
    let state = workspace.directory + "/state"
    for case let name as String in FileManager.default.enumerator(atPath: state) ?? .init() where name.contains("state.sqlite") {
      try FileManager.default.removeItem(atPath: state + "/" + name)
    }
    let again = try workspace.lastcall("up")
    try await again.says("StateLost")
    try await again.says("Recovered")
    try await again.says("RolloutComplete")
    #expect(Self.living(workspace.directory).count == 2)
    // They are taken over, not doubled; what was asked of them is not known any more, so that they are replaced, one after another.
    #expect(try await Self.pids(workspace).keys.allSatisfy { !before.keys.contains($0) })
    again.send(.int)
    #expect(await again.ended() == .code(0), "\(again.output)")
    #expect(Self.living(workspace.directory).isEmpty)
    await workspace.remove()
  }

  @Test func aKillAtAnyMomentOfAStartLeavesNoSecondCopy() async throws {
    let workspace = try Product.workspace()
    try workspace.write(
      "lastcall.yaml", Workspace.sleeper("    replicas: 6\n    update: { settle: 0s }\n", script: "sleep 1000; echo \(workspace.directory)")
    )
    for round in 0..<8 {
      let up = try workspace.lastcall("up")
      try await Task.sleep(for: .milliseconds(20 * round))
      up.send(.kill)
      _ = await up.ended()
    }
    let up = try workspace.lastcall("up")
    #expect(try await eventually { (try? await workspace.rows())?.filter { $0.state == "Ready" }.count == 6 }, "\(up.output)")
    #expect(Self.living(workspace.directory).count == 6)
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    #expect(Self.living(workspace.directory).isEmpty)
    await workspace.remove()
  }

  @Test func aRecycledPidIsNeverSignalled() async throws {
    let workspace = try Product.workspace()
    let (pid, keeper) = try await killedEngine(workspace)
    kill(keeper, SIGKILL)
    kill(pid, SIGKILL)
    #expect(try await eventually { ProcessRecord(pid: pid)?.isZombie ?? true })
    // Somebody else, the leader of a session, has the pid now, as far as the record says.
    let bystander = try workspace.start("/bin/sleep", ["1000"])
    let root = workspace.directory + "/run"
    let name = try #require(
      FileManager.default.enumerator(atPath: root)?.compactMap { $0 as? String }.first { $0.hasSuffix("process.json") })
    let record = try String(contentsOfFile: root + "/" + name, encoding: .utf8)
    try record.replacingOccurrences(of: "\"main\":\(pid)", with: "\"main\":\(bystander.pid)").write(
      toFile: root + "/" + name, atomically: true, encoding: .utf8)
    let again = try workspace.lastcall("up")
    try await again.says("web-2 is ready")
    #expect(ProcessRecord(pid: bystander.pid)?.isZombie == false)
    again.send(.int)
    #expect(await again.ended() == .code(0), "\(again.output)")
    #expect(ProcessRecord(pid: bystander.pid)?.isZombie == false)
    bystander.send(.kill)
    _ = await bystander.ended()
    await workspace.remove()
  }
}
