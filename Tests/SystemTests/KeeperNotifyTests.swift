import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// What a program says by sd_notify(3), and what it stores.
@Suite struct KeeperNotifyTests {
  /// A program that says what stands in SAID, `---` between the messages, a descriptor of a pipe with each that stores or is a barrier.
  static let speaker = """
    import os, socket, signal, sys, time
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.connect(os.environ["NOTIFY_SOCKET"])
    held = []
    def say(text, *fds):
      socket.send_fds(s, [text.encode()], fds) if fds else s.send(text.encode())
    def barrier():
      r, w = os.pipe()
      say("BARRIER=1", w)
      os.close(w)
      os.read(r, 1)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    exec(os.environ["SAID"])
    print("said", flush=True)
    while True: signal.pause()
    """

  static func replica(_ binary: InitBinary, _ options: [String] = [], says: String, environment: [String] = []) throws -> InitReplica {
    try InitReplica(
      binary, options, "exec python3 -c \"$SPEAKER\"", environment: ["SPEAKER=\(speaker)", "SAID=\(says)"] + environment)
  }

  static func end(_ replica: InitReplica) async throws {
    try replica.run.send(.term)
    #expect(try await replica.run.code() == 0)
  }

  @Test(arguments: InitBinary.all)
  func everyWordHasItsEvent(binary: InitBinary) async throws {
    let says = """
      say("READY=1\\nSTATUS=up")
      say("RELOADING=1\\nMONOTONIC_USEC=123456")
      say("READY=1\\nSTATUS=reloaded")
      say("READY=1")
      say("ERRNO=28\\nBUSERROR=x\\nUNKNOWN=1\\n\\n=\\nnothing")
      say("MAINPID=1")
      say("MAINPID=" + str(os.getpid()))
      say("WATCHDOG=trigger")
      say("STOPPING=1")
      barrier()
      """
    let replica = try Self.replica(binary, says: says)
    try await replica.line("said")
    let client = try await replica.client()
    try await client.send("follow 0\n")
    var seen: [[String: any Sendable]] = []
    while seen.last?["event"] as? String != "notifyStopping" { seen.append(try await client.next()) }
    let names = [
      "started", "notifyStatus", "notifyReady", "notifyReloading", "notifyStatus", "notifyReloaded", "notifyErrno", "notifyMainPid",
      "notifyWatchdog", "notifyStopping",
    ]
    #expect(seen.compactMap { $0["event"] as? String } == names)
    #expect(seen[3]["monotonic"] as? Int == 123_456)
    #expect(seen[6]["errno"] as? Int == 28)
    #expect(seen[7]["pid"] as? Int == 1)
    #expect(try await client.answer("status")["status"] as? String == "reloaded")
    try await Self.end(replica)
  }

  /// systemd-notify(1) waits for a barrier of its own.
  @Test(.enabled(if: access("/usr/bin/systemd-notify", X_OK) == 0, "systemd-notify is not installed"), arguments: InitBinary.all)
  func systemdsOwnToolIsUnderstood(binary: InitBinary) async throws {
    let replica = try InitReplica(
      binary, "systemd-notify --ready --status='by the tool' && echo told; exec sleep 1000")
    try await replica.line("told")
    let status = try await (try await replica.client()).answer("status")
    #expect(status["ready"] as? Bool == true)
    #expect(status["status"] as? String == "by the tool")
    try replica.run.send(.term)
    #expect(try await replica.run.code() == 143)
  }

  @Test(.enabled(if: getuid() == 0, "only root can become another user"), arguments: InitBinary.all)
  func strangersAreNotHeard(binary: InitBinary) async throws {
    // They have the socket open from before; by its file they cannot get at it.
    let says = """
      if os.fork() == 0:
        os.setuid(65534)
        r, w = os.pipe()
        say("READY=1\\nSTATUS=a stranger", w)
        os.close(w)
        os.read(r, 1)
        print("heard out", flush=True)
        os._exit(0)
      os.wait()
      barrier()
      """
    let replica = try Self.replica(binary, says: says)
    try await replica.line("said")
    let client = try await replica.client()
    #expect(client.greeting["ready"] as? Bool == false && client.greeting["status"] == nil)
    #expect(replica.logged().contains("heard out"))
    try await Self.end(replica)
    let trusting = try Self.replica(binary, ["--notify-user", "65534"], says: says)
    try await trusting.line("said")
    #expect((try await trusting.client()).greeting["status"] as? String == "a stranger")
    try await Self.end(trusting)
  }

  @Test(arguments: InitBinary.all)
  func theWatchdogTellsOfSilence(binary: InitBinary) async throws {
    let says = """
      assert os.environ["WATCHDOG_USEC"] == "300000" and os.environ["WATCHDOG_PID"] == str(os.getpid()), os.environ
      say("READY=1")
      for _ in range(10):
        time.sleep(0.02)
        say("WATCHDOG=1")
      barrier()
      print("silent", flush=True)
      """
    let replica = try Self.replica(
      binary, ["--watchdog", "300000"], says: says, environment: ["WATCHDOG_USEC=1", "WATCHDOG_PID=1"])
    try await replica.line("said")
    let client = try await replica.client()
    try await client.send("follow 0\n")
    #expect(try await client.event("watchdog")["microseconds"] as? Int == 300_000)
    // Told once, and the program runs on: what is done about it is the engine's matter.
    #expect(try await client.answer("status")["state"] as? String == "running")
    try await Self.end(replica)
  }

  @Test(arguments: InitBinary.all)
  func theProgramSetsItsOwnWatchdog(binary: InitBinary) async throws {
    let replica = try Self.replica(binary, says: "say('WATCHDOG_USEC=50000')\nsay('WATCHDOG=1')\nbarrier()")
    try await replica.line("said")
    let client = try await replica.client()
    try await client.send("follow 0\n")
    #expect(try await client.event("watchdog")["microseconds"] as? Int == 50_000)
    try await Self.end(replica)
  }

  @Test(arguments: InitBinary.all)
  func theStartIsExtendedWithinItsBound(binary: InitBinary) async throws {
    let says = "say('EXTEND_TIMEOUT_USEC=1000000')\nsay('EXTEND_TIMEOUT_USEC=900000000')\nbarrier()"
    let replica = try Self.replica(binary, ["--extend", "10"], says: says)
    let before = Clock.now
    try await replica.line("said")
    let client = try await replica.client()
    try await client.send("follow 0\n")
    let first = try #require(try await client.event("notifyExtend")["until"] as? Int)
    let second = try #require(try await client.event("notifyExtend")["until"] as? Int)
    // One asked for a second; the other for more than the ten that all have together from the first on.
    #expect(Int64(first) > before.nanoseconds + 1_000_000_000)
    #expect(second - first == 9_000_000_000)
    try await Self.end(replica)
    let strict = try Self.replica(binary, says: says + "\nsay('STATUS=last')\nbarrier()")
    try await strict.line("said")
    let other = try await strict.client()
    try await other.send("follow 0\n")
    _ = try await other.event("started")
    #expect(try await other.next()["event"] as? String == "notifyStatus")
    try await Self.end(strict)
  }

  @Test(arguments: InitBinary.all)
  func storedDescriptorsAreKeptAndHandedOver(binary: InitBinary) async throws {
    let says = """
      assert os.environ["FDSTORE"] == "3"
      a, b = socket.socketpair()
      held = [a, b]
      say("FDSTORE=1\\nFDNAME=peer", a.fileno())
      say("FDSTORE=1\\nFDNAME=peer", a.fileno())
      fd = os.memfd_create("state"); os.write(fd, b"kept")
      say("FDSTORE=1\\nFDPOLL=0", fd)
      r, w = os.pipe()
      say("FDSTORE=1\\nFDNAME=pipe", r)
      say("FDSTORE=1\\nFDNAME=more", r, w, fd)
      say("FDSTORE=1\\nFDNAME=a:b", w)
      say("FDSTOREREMOVE=1\\nFDNAME=pipe")
      say("FDSTOREREMOVE=1\\nFDNAME=nothing")
      barrier()
      signal.signal(signal.SIGUSR1, lambda *_: [x.close() for x in held])
      """
    let replica = try Self.replica(binary, ["--store", "3"], says: says)
    try await replica.line("said")
    let client = try await replica.client()
    try await client.send("follow 0\n")
    for (event, name) in [
      ("fdStored", "peer"), ("fdStored", "stored"), ("fdStored", "pipe"), ("fdRefused", "more"), ("fdRefused", "stored"),
      ("fdRemoved", "pipe"),
    ] {
      #expect(try await client.event(event)["name"] as? String == name)
    }
    let other = try await replica.client()
    #expect(try await other.answer("status")["stored"] as? Int == 2)
    let handed = try await other.listeners()
    #expect(handed.listeners == 0)
    #expect(handed.named.map(\.name) == ["peer", "stored"])
    for (name, descriptor) in handed.named {
      if name == "stored" {
        #expect(lc_rewind(descriptor.number) == 0)
        var content: [UInt8] = []
        try descriptor.read(into: &content, count: 16)
        #expect(content == Array("kept".utf8))
      }
      descriptor.close()
    }
    // Both ends are gone: what was polled is dropped.
    try replica.run.send(.usr1)
    #expect(try await client.event("fdRemoved")["name"] as? String == "peer")
    #expect(try await other.answer("status")["stored"] as? Int == 1)
    try await Self.end(replica)
  }

  /// A program stores what its successor is to have and exits: who follows gets it, although the keeper ends at once.
  @Test(arguments: InitBinary.all)
  func whatIsStoredAtTheEndReachesWhoFollows(binary: InitBinary) async throws {
    let says = """
      def go(*_):
        fd = os.memfd_create("state"); os.write(fd, b"last")
        say("FDSTORE=1\\nFDNAME=last", fd)
        os._exit(7)
      signal.signal(signal.SIGUSR1, go)
      """
    let replica = try Self.replica(binary, ["--store", "1"], says: says)
    try await replica.line("said")
    let client = try await replica.client()
    try await client.send("follow 1\n")
    try replica.run.send(.usr1)
    #expect(try await replica.run.code() == 7)
    let handed = try await client.handedOver()
    #expect(handed.named.map(\.name) == ["last"])
    for (_, descriptor) in handed.named {
      #expect(lc_size(descriptor.number) == 4)
      descriptor.close()
    }
  }

  @Test(arguments: InitBinary.all)
  func nothingIsStoredWhenNobodyAskedForIt(binary: InitBinary) async throws {
    let says = "r, w = os.pipe()\nsay('FDSTORE=1', w)\nos.close(w)\nos.read(r, 1)\nassert 'FDSTORE' not in os.environ"
    let replica = try Self.replica(binary, says: says)
    try await replica.line("said")
    let client = try await replica.client()
    try await client.send("follow 0\n")
    #expect(try await client.event("fdRefused")["name"] as? String == "stored")
    #expect(try await (try await replica.client()).listeners().named.isEmpty)
    try await Self.end(replica)
  }
}
