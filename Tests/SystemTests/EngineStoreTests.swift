import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// What programs store with their keepers (FDSTORE=1) is given to those that take their places.
@Suite(.serialized) struct EngineStoreTests {
  /// Counts its starts in a memory file and listens on a socket of its own: both are stored once, and found again by their names. Writes a
  /// line at each start: the count, the port, the names of what it inherited.
  private static let program = """
    import os, signal, socket, sys
    if os.path.exists("broken"): sys.exit(1)
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.connect(os.environ["NOTIFY_SOCKET"])
    def say(text, *descriptors):
      if descriptors: socket.send_fds(notify, [text.encode()], descriptors)
      else: notify.send(text.encode())
    names = os.environ.get("LISTEN_FDNAMES", "") if os.environ.get("LISTEN_PID") == str(os.getpid()) else ""
    held = {name: 3 + index for index, name in enumerate(names.split(":")) if name}
    assert len(held) == int(os.environ.get("LISTEN_FDS", "0")), os.environ
    if "counter" not in held:
      held["counter"] = os.memfd_create("counter")
      say("FDSTORE=1\\nFDNAME=counter\\nFDPOLL=0", held["counter"])
    if "own" not in held:
      listener = socket.socket()
      listener.bind(("127.0.0.1", 0))
      listener.listen()
      held["own"] = listener.detach()
      say("FDSTORE=1\\nFDNAME=own", held["own"])
    port = socket.socket(fileno=held["own"]).getsockname()[1]
    count = int(os.pread(held["counter"], 20, 0) or 0) + 1
    os.pwrite(held["counter"], str(count).encode(), 0)
    def last(*_):
      if os.path.exists("keeps"):
        descriptor = os.memfd_create("last")
        say("FDSTORE=1\\nFDNAME=last\\nFDPOLL=0", descriptor)
      sys.exit(0)
    signal.signal(signal.SIGTERM, last)
    signal.signal(signal.SIGUSR1, lambda *_: say("FDSTOREREMOVE=1\\nFDNAME=own\\nSTATUS=removed"))
    with open("starts", "a") as starts: starts.write(f"{count} {port} {names}\\n")
    say("READY=1")
    while True: signal.pause()
    """

  private func up(_ workspace: Workspace, _ more: String = "") async throws -> Running {
    try workspace.write("store.py", Self.program)
    try workspace.write(
      "lastcall.yaml",
      """
      apps:
        web:
          command: [/usr/bin/python3, store.py]
          ready: notify
          restart: { backoff: 10ms..1s }
      \(more)
      """)
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    return up
  }

  private struct Start: Equatable {
    var count: Int?
    var port: Int?
    var names: String
  }

  private func starts(_ workspace: Workspace) -> [Start] {
    let text = (try? String(contentsOfFile: workspace.directory + "/starts", encoding: .utf8)) ?? ""
    return text.split(separator: "\n").map { line in
      let words = line.split(separator: " ", omittingEmptySubsequences: false)
      return Start(count: Int(words[0]), port: Int(words[1]), names: String(words[2]))
    }
  }

  private func restart(_ workspace: Workspace) async throws {
    let restart = try workspace.lastcall("restart")
    #expect(await restart.ended() == .code(0), "\(restart.output)")
  }

  private func crash(_ workspace: Workspace, _ up: Running) async throws {
    let row = try #require(try await workspace.rows().first)
    kill(try #require(row.pid), SIGKILL)
    #expect(
      try await eventually {
        let rows = try await workspace.rows()
        return rows.first?.name != row.name && rows.first?.state == "Ready"
      }, "\(up.output)")
  }

  private func end(_ up: Running, _ workspace: Workspace) async {
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  @Test(arguments: ["surge: 0, unavailable: 1", "surge: 1, unavailable: 0"])
  func whatIsStoredOutlivesCrashesRestartsAndTheEngine(update: String) async throws {
    let workspace = try Product.workspace()
    var up = try await up(workspace, "    update: { \(update), settle: 0s }\n")
    try await crash(workspace, up)
    try await up.says("web-2 is given what web-1 has stored: counter, own")
    try await restart(workspace)
    for _ in 0..<2 {
      up.send(.kill)
      _ = await up.ended()
      up = try workspace.lastcall("up")
      try await up.says("Recovered")
      try await crash(workspace, up)
      try await restart(workspace)
    }
    let port = try #require(starts(workspace).first?.port)
    #expect(starts(workspace) == (1...7).map { Start(count: $0, port: port, names: $0 == 1 ? "" : "counter:own") })
    // It is the socket, and it listens still.
    let client = try workspace.start("/usr/bin/python3", ["-c", "import socket; socket.create_connection(('127.0.0.1', \(port)))"])
    #expect(await client.ended() == .code(0), "\(client.output)")
    // Who is stopped, and not replaced, leaves nothing.
    for word in ["stop", "start"] { _ = await (try workspace.lastcall(word)).ended() }
    #expect(starts(workspace).last?.count == 1)
    await end(up, workspace)
  }

  @Test func whatWasGivenOutlivesThoseThatFailAtOnce() async throws {
    let workspace = try Product.workspace()
    let up = try await up(workspace, "    update: { settle: 0s }\n")
    try workspace.write("broken", "")
    kill(try #require(try await workspace.rows().first?.pid), SIGKILL)
    try await up.says("BackOff", times: 4)
    try FileManager.default.removeItem(atPath: workspace.directory + "/broken")
    #expect(try await eventually { try await workspace.rows().map(\.state) == ["Ready"] })
    #expect(starts(workspace).map(\.count) == [1, 2])
    await end(up, workspace)
  }

  /// It has stored nothing before, so that nobody is there for it.
  @Test func whatIsStoredWithTheLastBreathIsGivenOn() async throws {
    let workspace = try Product.workspace()
    try workspace.write(
      "store.py",
      """
      import os, signal, socket
      notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
      notify.connect(os.environ["NOTIFY_SOCKET"])
      def leave(*_):
        socket.send_fds(notify, [b"FDSTORE=1\\nFDNAME=late\\nFDPOLL=0"], [os.memfd_create("late")])
        os._exit(1)
      signal.signal(signal.SIGUSR1, leave)
      with open("starts", "a") as starts: starts.write("0 0 " + os.environ.get("LISTEN_FDNAMES", "") + "\\n")
      notify.send(b"READY=1")
      while True: signal.pause()
      """)
    try workspace.write(
      "lastcall.yaml", "apps:\n  web: { command: [/usr/bin/python3, store.py], ready: notify, restart: { backoff: 10ms..1s } }\n")
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    for count in 2...4 {
      kill(try #require(try await workspace.rows().first?.pid), SIGUSR1)
      try await up.says("web-\(count) is ready")
    }
    #expect(starts(workspace).map(\.names) == ["", "late", "late:late", "late:late:late"])
    await end(up, workspace)
  }

  @Test func whatIsRemovedIsNotGivenOn() async throws {
    let workspace = try Product.workspace()
    let up = try await up(workspace, "    update: { settle: 0s }\n")
    try await restart(workspace)
    kill(try #require(try await workspace.rows().first?.pid), SIGUSR1)
    // The keeper takes its words in their order.
    #expect(
      try await eventually {
        let ps = try workspace.lastcall("ps")
        _ = await ps.ended()
        return ps.output.contains("removed")
      })
    try await restart(workspace)
    #expect(starts(workspace).map(\.names) == ["", "counter:own", "counter"])
    #expect(starts(workspace).map(\.count) == [1, 2, 3])
    await end(up, workspace)
  }

  @Test func whatIsStoredAtTheVeryEndIsGivenOn() async throws {
    let workspace = try Product.workspace()
    try workspace.write("keeps", "")
    let up = try await up(workspace, "    update: { settle: 0s }\n")
    try await restart(workspace)
    #expect(starts(workspace).last?.names == "counter:own:last")
    await end(up, workspace)
  }

  @Test func noMoreIsKeptThanIsDeclared() async throws {
    let workspace = try Product.workspace()
    let up = try await up(workspace, "    notify: { store: 1 }\n    update: { settle: 0s }\n")
    try await up.says("StoreFull")
    try await restart(workspace)
    #expect(starts(workspace).map(\.names) == ["", "counter"])
    await end(up, workspace)
  }

  @Test func theListenerStaysApartAlsoOverTheEnginesDeath() async throws {
    let workspace = try Product.workspace()
    let port = try freePort()
    let more = "    listen: { port: \(port), via: socket }\n    update: { settle: 0s }\n"
    let up = try await up(workspace, more)
    try await restart(workspace)
    up.send(.kill)
    _ = await up.ended()
    let again = try workspace.lastcall("up")
    try await again.says("Recovered")
    try await restart(workspace)
    #expect(starts(workspace).map(\.names) == ["web", "web:counter:own", "web:counter:own"])
    #expect(starts(workspace).map(\.count) == [1, 2, 3])
    await end(again, workspace)
  }

  @Test func eachReplicaInheritsFromOne() async throws {
    let workspace = try Product.workspace()
    let up = try await up(workspace, "    replicas: 3\n    update: { surge: 2, unavailable: 0, settle: 0s }\n")
    let first = Set(starts(workspace).map(\.port))
    #expect(first.count == 3)
    try await restart(workspace)
    let second = starts(workspace).dropFirst(3)
    #expect(Set(second.map(\.port)) == first && second.allSatisfy { $0.count == 2 })
    await end(up, workspace)
  }
}
