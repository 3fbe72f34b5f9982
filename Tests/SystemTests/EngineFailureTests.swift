import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// What is lost when something of the engine's surroundings fails: nothing.
@Suite(.serialized) struct EngineFailureTests {
  @Test func connectionsQueuedAtTheListenerAreAnsweredBeforeItCloses() async throws {
    let workspace = try Product.workspace()
    let port = try freePort()
    try workspace.write(
      "slow.py",
      """
      import os, signal, socket, time
      over = []
      signal.signal(signal.SIGTERM, lambda *_: over.append(1))
      listener = socket.socket(fileno=3)
      listener.settimeout(0.01)
      notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
      notify.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
      while not over:
        try: connection, _ = listener.accept()
        except TimeoutError: continue
        time.sleep(0.05)
        connection.settimeout(10)
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 200 OK\\r\\nconnection: close\\r\\ncontent-length: 2\\r\\n\\r\\nok")
        connection.close()
      """)
    try workspace.write(
      "lastcall.yaml",
      """
      apps:
        web:
          command: [/usr/bin/python3, slow.py]
          listen: { port: \(port), via: socket }
          ready: notify
      """)
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    // More than are accepted before the stop begins.
    try workspace.write(
      "clients.py",
      """
      import socket
      clients = [socket.create_connection(("127.0.0.1", \(port))) for _ in range(10)]
      for client in clients: client.sendall(b"GET / HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n")
      print("queued", flush=True)
      answers = 0
      for client in clients:
        try: answers += client.recv(1000).startswith(b"HTTP/1.1 200")
        except OSError as error: print(error)
      print("answered", answers)
      """)
    let clients = try workspace.start("/usr/bin/python3", ["clients.py"])
    try await clients.says("queued")
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    _ = await clients.ended()
    #expect(clients.output.contains("answered 10"), "\(clients.output)")
    await workspace.remove()
  }

  @Test func aSecondCtrlCEscalates() async throws {
    let workspace = try Product.workspace()
    let plan = "    stop: { plan: TERM/100/KILL, grace: 100s }\n"
    try workspace.write("lastcall.yaml", Workspace.sleeper(plan, script: "trap : TERM; while :; do sleep 1; done"))
    let began = Clock.now
    let up = try workspace.typing([("RolloutComplete", "\\x03"), ("s of grace left", "\\x03")], lastcall: "up")
    try await up.says("STATUS 0")
    #expect(up.output.contains("Stopping replica web-1"))
    #expect(up.output.contains("waiting for web-1"))
    #expect(up.output.contains("Escalating"))
    #expect(Clock.now - began < .seconds(60))
    await workspace.remove()
  }

  @Test func anIntOfAProcessDoesNotEscalate() async throws {
    let workspace = try Product.workspace()
    let plan = "    stop: { plan: TERM/3/KILL, grace: 10s }\n"
    try workspace.write(
      "lastcall.yaml", Workspace.sleeper(plan, script: "trap \"sleep 0.5; echo finished; exit\" TERM; while :; do sleep 0.1; done"))
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    up.send(.int)
    try await up.says("Stopping replica web-1")
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    #expect(!up.output.contains("Escalating"), "\(up.output)")
    let logs = try workspace.lastcall("logs")
    _ = await logs.ended()
    #expect(logs.output.contains("finished"), "\(logs.output)")
    await workspace.remove()
  }

  @Test func aTerminalThatIsClosedStopsEverythingByPlan() async throws {
    let workspace = try Product.workspace()
    try workspace.write("lastcall.yaml", Workspace.sleeper())
    let up = try workspace.typing([("RolloutComplete", "")], lastcall: "up")
    try await up.says("STATUS 0")
    let events = try workspace.lastcall("events")
    _ = await events.ended()
    #expect(events.output.contains("stopping everything (HUP)"), "\(events.output)")
    #expect(events.output.contains("everything has stopped"))
    await workspace.remove()
  }

  @Test func anOutputThatNobodyReadsEndsNothing() async throws {
    let workspace = try Product.workspace()
    try workspace.write("lastcall.yaml", Workspace.sleeper())
    let pipe = "\(Product.path("lastcall")) up 2>&1 | head -1; echo reader is gone"
    let up = try workspace.start("/bin/bash", ["-c", pipe])
    #expect(try await eventually { (try? await workspace.rows())?.first?.state == "Ready" })
    for command in ["ps", "restart"] {
      let run = try workspace.start("/bin/bash", ["-c", "set -o pipefail; \(Product.path("lastcall")) \(command) | true"])
      #expect(await run.ended() == .code(0), "\(command)")
      let closed = try workspace.start("/bin/bash", ["-c", "\(Product.path("lastcall")) \(command) >&- 2>&- <&-"])
      #expect(await closed.ended() == .code(0), "\(command)")
    }
    let down = try workspace.lastcall("down")
    #expect(await down.ended() == .code(0), "\(down.output)")
    _ = await up.ended()
    await workspace.remove()
  }

  @Test func aStopAtAnyMomentOfTheStartLeavesNothing() async throws {
    let workspace = try Product.workspace()
    var file = "apps:\n"
    for index in 0..<4 {
      file += "  p\(index):\n    command: [/usr/bin/python3, -m, http.server, --bind, 127.0.0.1, $PORT]\n"
      file += "    listen: { port: \(try freePort()), via: proxy }\n    ready: { http: / }\n"
      file += "  s\(index):\n    command: [sleep, '1000']\n    replicas: 3\n"
    }
    try workspace.write("lastcall.yaml", file)
    for round in 0..<6 {
      let up = try workspace.lastcall("up")
      try await up.says("Ctrl-C stops")
      try await Task.sleep(for: .milliseconds(15 * round))
      up.send(.term)
      #expect(await up.ended() == .code(0), "round \(round): \(up.output)")
      let left = try workspace.start("/usr/bin/pgrep", ["-f", "\(workspace.directory)/"])
      _ = await left.ended()
      #expect(left.output.split(separator: "\n").filter { $0 != "\(left.pid)" }.isEmpty, "round \(round): \(left.output)\n\(up.output)")
    }
    await workspace.remove()
  }

  @Test func whatNeverGetsReadyIsSaidAndHangsNobody() async throws {
    let workspace = try Product.workspace()
    let port = try freePort()
    let more = "    listen: { port: \(port), via: proxy }\n    ready: { http: / }\n    update: { deadline: 1s, settle: 0s }\n"
    try workspace.write("lastcall.yaml", Workspace.sleeper(more))
    let up = try workspace.lastcall("up")
    try await up.says("ProgressDeadlineExceeded")
    #expect(up.output.contains("web-1: nothing of it listens on port"), "\(up.output)")
    let restart = try workspace.lastcall("restart")
    #expect(await restart.ended() == .code(1), "\(restart.output)")
    #expect(restart.output.contains("is not up after"), "\(restart.output)")
    up.send(.int)
    #expect(await up.ended() == .code(0))
    await workspace.remove()
  }

  @Test func whatAKilledKeeperLeavesIsStoppedBeforeTheReplacementStarts() async throws {
    let workspace = try Product.workspace()
    let work = "trap \"sleep 0.3; echo told >>told; exit\" TERM; while :; do sleep 0.05; done"
    try workspace.write("work.sh", work)
    let more = "    restart: { backoff: 10ms..1s }\n    update: { settle: 0s }\n    stop: { grace: 20s }\n"
    try workspace.write("lastcall.yaml", Workspace.sleeper(more, script: "setsid sh work.sh & sh work.sh & exec sh work.sh"))
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    let main = try #require(try await workspace.rows().first?.pid)
    #expect(try await eventually { ProcessTree.descendants(of: main).filter { $0.state == UInt8(ascii: "S") }.count >= 2 })
    let keeper = try #require(ProcessRecord(pid: main)).parent
    kill(keeper, SIGKILL)
    try await up.says("KeeperLost")
    try await up.says("web-2 is ready")
    let told = try String(contentsOfFile: workspace.directory + "/told", encoding: .utf8)
    #expect(told == "told\ntold\ntold\n")
    let started = try #require(up.output.range(of: "web-2 started"))
    #expect(up.output.range(of: "KeeperLost").map { $0.lowerBound < started.lowerBound } ?? false)
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }
}
