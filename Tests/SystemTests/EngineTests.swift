import Foundation
import Linux
import StopPlan
import Testing

/// The engine by its commands, as a user runs it.
@Suite(.serialized) struct EngineTests {

  @Test func aSecondEngineOnOneFileIsRefused() async throws {
    let workspace = try Product.workspace()
    try workspace.write("lastcall.yaml", Workspace.sleeper())
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
    try workspace.write("lastcall.yaml", Workspace.sleeper())
    let run = workspace.directory + "/run"
    let first = try workspace.lastcall("up")
    try await first.says("RolloutComplete")
    first.send(.int)
    _ = await first.ended()
    let key = run + "/" + (try #require(try FileManager.default.contentsOfDirectory(atPath: run).first))
    let state = workspace.directory + "/state"
    let ours = [key, key + "/r", state + "/" + (try #require(try FileManager.default.contentsOfDirectory(atPath: state).first))]
    let database = ours[2] + "/state.sqlite"
    for path in ours { chmod(path, 0o777) }
    chmod(database, 0o644)
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    // One that was there before is closed to others.
    for (path, mode) in ours.map({ ($0, 0o700) }) + ["", "-wal", "-shm"].map({ (database + $0, 0o600) }) {
      var closed = stat()
      #expect(lstat(path, &closed) == 0 && Int(closed.st_mode) & 0o777 == mode, "\(path)")
    }
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
    try workspace.write("lastcall.yaml", Workspace.sleeper("    restart: { backoff: 10ms..1s }\n    update: { settle: 0s }\n"))
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    let pid = try #require(try await workspace.rows().first?.pid)
    kill(pid, SIGKILL)
    try await up.says("BackOff")
    try await up.says("web-2 is ready")
    #expect(try await workspace.rows().first?.pid != pid)
    up.send(.int)
    _ = await up.ended()
    await workspace.remove()
  }

  @Test func aRevisionThatFailsLeavesTheOldOneServing() async throws {
    let workspace = try Product.workspace()
    let update = "    update: { surge: 1, unavailable: 0, settle: 500ms, deadline: 60s }\n"
    try workspace.write("lastcall.yaml", Workspace.sleeper(update, script: "mkdir once || exit 7; sleep 1000"))
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    let pid = try #require(try await workspace.rows().first?.pid)
    let restart = try workspace.lastcall("restart", "web")
    #expect(await restart.ended() == .code(1))
    #expect(restart.output.contains("the old replicas go on"), "\(restart.output)")
    #expect(try await workspace.rows().first?.pid == pid)
    up.send(.int)
    _ = await up.ended()
    await workspace.remove()
  }

  @Test func aStopDuringTheStartStopsWhatHasJustStarted() async throws {
    let workspace = try Product.workspace()
    try workspace.write("lastcall.yaml", Workspace.sleeper("    replicas: 8\n", script: "echo ran; sleep 1000"))
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

  @Test func eventsAndLogsAreKept() async throws {
    let workspace = try Product.workspace()
    try workspace.write("lastcall.yaml", Workspace.sleeper(script: "echo to stdout; echo to stderr >&2; sleep 1000"))
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

  /// How often the threads of processes were given a processor since they began.
  private func switches(_ pids: [Int32]) -> Int {
    var sum = 0
    for pid in pids {
      for thread in (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")) ?? [] {
        let status = (try? String(contentsOfFile: "/proc/\(pid)/task/\(thread)/status", encoding: .utf8)) ?? ""
        for line in status.split(separator: "\n") where line.contains("ctxt_switches") {
          sum += line.split(separator: "\t").last.flatMap { Int($0) } ?? 0
        }
      }
    }
    return sum
  }

  @Test func nothingThatIsIdleWakesUp() async throws {
    let workspace = try Product.workspace()
    try workspace.write(
      "store.py",
      """
      import os, signal, socket
      notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
      notify.connect(os.environ["NOTIFY_SOCKET"])
      socket.send_fds(notify, [b"READY=1\\nFDSTORE=1\\nFDPOLL=0"], [os.memfd_create("state")])
      signal.pause()
      """)
    try workspace.write(
      "lastcall.yaml",
      """
      apps:
        web:
          command: [/usr/bin/python3, -m, http.server, --bind, 127.0.0.1, $PORT]
          listen: { port: \(try freePort()), via: proxy }
          replicas: 2
          sidecars: [{ name: mesh, command: [sleep, '1000'] }]
        vault: { command: [/usr/bin/python3, store.py], ready: notify }
        tick: { kind: job, command: ['true'], schedule: '@yearly' }
      """)
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete", times: 2)
    let restart = try workspace.lastcall("restart")
    #expect(await restart.ended() == .code(0), "\(restart.output)")
    let keepers = try workspace.start(
      "/usr/bin/pgrep", ["-f", "lastcall-keeper \(workspace.directory)|lastcall ingress .*\(workspace.directory)"])
    _ = await keepers.ended()
    let ours = [up.pid] + keepers.output.split(separator: "\n").compactMap { Int32($0) }
    // The engine, the proxy and its keeper, three replicas' keepers and two sidecars'.
    #expect(ours.count == 8)
    // What the start has left to do ends some time; a pool that looks at its threads every second never does.
    #expect(
      try await eventually {
        let before = switches(ours)
        try await Task.sleep(for: .seconds(3))
        return switches(ours) == before
      })
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  /// nohup and a shell's background jobs ignore signals; what a program is told by its plan must not be lost by that.
  @Test func aProgramIgnoresNothingThatTheEngineWasStartedWith() async throws {
    let workspace = try Product.workspace()
    try workspace.write("lastcall.yaml", Workspace.sleeper("    update: { settle: 0s }\n"))
    let up = try workspace.start("/bin/sh", ["-c", "trap '' HUP INT QUIT USR1; exec \"$0\" up", Product.path("lastcall")])
    try await up.says("RolloutComplete")
    let pid = try #require(try await workspace.rows().first?.pid)
    let status = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
    #expect(status.contains("SigIgn:\t0000000000000000"), "\(status)")
    up.send(.term)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  /// Whoever sends it; copies of the first are told apart by `Interrupts`.
  @Test func aSecondInterruptHurries() async throws {
    let workspace = try Product.workspace()
    let more = "    stop: { plan: TERM/500/KILL, grace: 500s }\n    update: { settle: 0s }\n"
    try workspace.write("lastcall.yaml", Workspace.sleeper(more, script: "trap \"\" TERM; while :; do sleep 0.1; done"))
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    up.send(.int)
    // Said once a second.
    try await up.says("s of grace left")
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    #expect(up.output.contains("web-1 was ended by KILL"), "\(up.output)")
    await workspace.remove()
  }

  @Test func aProgramInheritsNoDescriptorsOfTheEngine() async throws {
    let workspace = try Product.workspace()
    try workspace.write("lastcall.yaml", Workspace.sleeper())
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    let descriptors = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(try #require(try await workspace.rows().first?.pid))/fd")
      .compactMap { Int($0) }
    // Standard ones, the replica's lock, and the read ends of its own output.
    #expect(descriptors.count == 6, "\(descriptors)")
    up.send(.int)
    _ = await up.ended()
    await workspace.remove()
  }
}
