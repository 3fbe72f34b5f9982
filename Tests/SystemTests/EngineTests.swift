import Foundation
import Linux
import StopPlan
import Testing

/// The engine by its commands, as a user runs it.
@Suite(.serialized) struct EngineTests {
  private func sleeper(_ more: String = "", script: String = "sleep 1000") -> String {
    "apps:\n  web:\n    command: [sh, -c, '\(script)']\n\(more)"
  }

  @Test func aSecondEngineOnOneFileIsRefused() async throws {
    let workspace = try Product.workspace()
    try workspace.write("lastcall.yaml", sleeper())
    let first = try workspace.lastcall("up")
    try await first.says("RolloutComplete")
    let second = try workspace.lastcall("up")
    #expect(await second.ended() == .code(1))
    #expect(second.output.contains("runs already (process \(first.pid))"), "\(second.output)")
    first.send(.term)
    #expect(await first.ended() == .code(0))
    await workspace.remove()
  }

  @Test func socketsAndDirectoriesArePrivate() async throws {
    let workspace = try Product.workspace()
    try workspace.write("lastcall.yaml", sleeper())
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    let run = workspace.directory + "/run"
    var seen = 0
    for case let name as String in FileManager.default.enumerator(atPath: run) ?? .init() {
      var information = stat()
      guard lstat(run + "/" + name, &information) == 0 else { continue }
      if information.st_mode & S_IFMT == S_IFSOCK {
        seen += 1
        #expect(information.st_mode & 0o777 == 0o600, "\(name)")
      } else if information.st_mode & S_IFMT == S_IFDIR, name.contains("/") {
        #expect(information.st_mode & 0o777 == 0o700, "\(name)")
      }
    }
    #expect(seen == 3)
    up.send(.int)
    _ = await up.ended()
    await workspace.remove()
  }

  @Test func aReplicaThatEndsIsReplaced() async throws {
    let workspace = try Product.workspace()
    try workspace.write("lastcall.yaml", sleeper("    restart: { backoff: 10ms..1s }\n    update: { settle: 0s }\n"))
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    let pid = try await mainPid(workspace)
    kill(pid, SIGKILL)
    try await up.says("BackOff")
    try await up.says("RolloutComplete", times: 2)
    #expect(try await mainPid(workspace) != pid)
    up.send(.int)
    _ = await up.ended()
    await workspace.remove()
  }

  @Test func aRevisionThatFailsLeavesTheOldOneServing() async throws {
    let workspace = try Product.workspace()
    let update = "    update: { surge: 1, unavailable: 0, settle: 500ms, deadline: 60s }\n"
    try workspace.write("lastcall.yaml", sleeper(update, script: "mkdir once || exit 7; sleep 1000"))
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    let pid = try await mainPid(workspace)
    let restart = try workspace.lastcall("restart", "web")
    #expect(await restart.ended() == .code(1))
    #expect(restart.output.contains("the old replicas go on"), "\(restart.output)")
    #expect(try await mainPid(workspace) == pid)
    up.send(.int)
    _ = await up.ended()
    await workspace.remove()
  }

  @Test func aStopDuringTheStartStopsWhatHasJustStarted() async throws {
    let workspace = try Product.workspace()
    try workspace.write("lastcall.yaml", sleeper("    replicas: 8\n", script: "echo ran; sleep 1000"))
    let up = try workspace.lastcall("up")
    try await up.says("RolloutBegan")
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    let left = try workspace.start("/usr/bin/pgrep", ["-f", workspace.directory])
    _ = await left.ended()
    #expect(left.output.split(separator: "\n").filter { $0 != "\(left.pid)" }.isEmpty, "\(left.output)")
    await workspace.remove()
  }

  @Test func anHTTPHookIsAskedBeforeTheSignal() async throws {
    let workspace = try Product.workspace()
    let port = try freePort()
    try workspace.write(
      "lastcall.yaml",
      """
      apps:
        web:
          command: [/usr/bin/python3, -m, http.server, --bind, 127.0.0.1, $PORT]
          listen: { port: \(port), via: proxy }
          stop: { preStop: { http: /leave } }
      """)
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    #expect(up.output.contains("/leave answered 404"), "\(up.output)")
    await workspace.remove()
  }

  @Test func aSecondCtrlCEscalates() async throws {
    let workspace = try Product.workspace()
    try workspace.write(
      "lastcall.yaml", sleeper("    stop: { plan: TERM/100/KILL, grace: 100s }\n", script: "trap : TERM; while :; do sleep 1; done"))
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    let began = Clock.now
    up.send(.int)
    try await up.says("Stopping replica web-1")
    try await up.says("waiting for web-1")
    #expect(up.output.contains("s of grace left"))
    up.send(.int)
    #expect(await up.ended() == .code(0))
    #expect(Clock.now - began < .seconds(60))
    #expect(up.output.contains("Escalating"))
    await workspace.remove()
  }

  @Test func eventsAndLogsAreKept() async throws {
    let workspace = try Product.workspace()
    try workspace.write("lastcall.yaml", sleeper(script: "echo to stdout; echo to stderr >&2; sleep 1000"))
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    let found = try await eventually {
      let logs = try workspace.lastcall("logs", "web")
      _ = await logs.ended()
      return logs.output.contains("web-1          | to stdout") && logs.output.contains("web-1          | to stderr")
    }
    #expect(found)
    up.send(.int)
    _ = await up.ended()
    let events = try workspace.lastcall("events", "-o", "json")
    #expect(await events.ended() == .code(0))
    for reason in ["RolloutBegan", "Started", "Ready", "RolloutComplete", "Killing", "Exited", "Stopped"] {
      #expect(events.output.contains("\"reason\":\"\(reason)\""), "\(reason)")
    }
    await workspace.remove()
  }

  @Test func whatAKilledEngineLeavesIsNeitherLostNorDoubled() async throws {
    let workspace = try Product.workspace()
    try workspace.write("lastcall.yaml", sleeper())
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    let pid = try await mainPid(workspace)
    up.send(.kill)
    _ = await up.ended()
    #expect(kill(pid, 0) == 0)
    let again = try workspace.lastcall("up")
    #expect(await again.ended() == .code(1))
    #expect(again.output.contains("web-1 still run, left by an engine that was killed"), "\(again.output)")
    #expect(kill(pid, 0) == 0)
    let down = try workspace.lastcall("down")
    #expect(await down.ended() == .code(0))
    #expect(down.output.contains("web-1, left by an engine that was killed, has stopped"), "\(down.output)")
    #expect(try await eventually { kill(pid, 0) != 0 || ProcessRecord(pid: pid)?.isZombie ?? true })
    await workspace.remove()
  }

  @Test func aProgramInheritsNoDescriptorsOfTheEngine() async throws {
    let workspace = try Product.workspace()
    try workspace.write("lastcall.yaml", sleeper())
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    let descriptors = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(try await mainPid(workspace))/fd").compactMap { Int($0) }
    // Standard ones, the replica's lock, and the read ends of its own output.
    #expect(descriptors.count == 6, "\(descriptors)")
    up.send(.int)
    _ = await up.ended()
    await workspace.remove()
  }

  private func mainPid(_ workspace: Workspace) async throws -> Int32 {
    struct Row: Decodable { var pid: Int32 }
    let ps = try workspace.lastcall("ps", "-o", "json")
    _ = await ps.ended()
    return try #require(try JSONDecoder().decode([Row].self, from: Data(ps.output.utf8)).first).pid
  }
}
