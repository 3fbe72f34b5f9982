import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// A keeper that becomes another one while its program runs.
@Suite struct KeeperUpgradeTests {
  /// Has the keeper become the one of a file; the connection's end says that it has.
  static func upgrade(_ replica: InitReplica, to path: String) async throws {
    let client = try await replica.client()
    try await client.send("upgrade \(path)\n")
    try await eventually("the connection's end") {
      client.receive()
      return client.isOver
    }
  }

  /// The keeper of the same kind at another place, as after an installation.
  static func other(_ binary: InitBinary, in replica: InitReplica) throws -> String {
    let path = replica.run.scratch.path + "/other-keeper"
    try FileManager.default.copyItem(atPath: binary.keeper.path, toPath: path)
    return path
  }

  @Test(arguments: InitBinary.all)
  func nothingIsLostOverTenUpgrades(binary: InitBinary) async throws {
    let script = """
      trap 'echo told; exit 9' TERM; trap 'echo usr' USR1
      i=0; while :; do
        i=$((i+1)); echo line $i
        [ $((i % 7)) -ne 0 ] || printf 'one without an end '
        [ $((i % 500)) -ne 0 ] || sleep 0.01
      done
      """
    let options = ["--log-size", "50000", "--log-keep", "1000", "--log-full", "block"]
    let replica = try InitReplica(binary, options, script)
    try await eventually("a rotated log") { FileManager.default.fileExists(atPath: replica.directory + "/log.1") }
    let main = try #require((try await replica.client()).greeting["main"] as? Int)
    let start = ProcessRecord(pid: Int32(main))?.identity
    let others = InitBinary.all.map(\.keeper.path) + [try Self.other(binary, in: replica)]
    for round in 0..<10 {
      let path = others[round % others.count]
      try await Self.upgrade(replica, to: path)
      let client = try await replica.client()
      #expect(client.greeting["main"] as? Int == main && client.greeting["keeper"] as? Int == Int(replica.run.pid))
      let executable = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(replica.run.pid)/exe")
      #expect((executable as NSString).resolvingSymlinksInPath == (path as NSString).resolvingSymlinksInPath)
    }
    #expect(ProcessRecord(pid: Int32(main))?.identity == start)
    let client = try await replica.client()
    // Every event once, from the first to the last.
    try await client.send("follow 0\n")
    var upgrades = 0
    for sequence in 1...11 {
      let event = try await client.next()
      #expect(event["seq"] as? Int == sequence)
      if event["event"] as? String == "upgraded" { upgrades += 1 }
    }
    #expect(upgrades == 10)
    try await client.send("stop 1 - TERM/50/KILL\n")
    #expect(try await client.event("exited")["code"] as? Int == 9)
    #expect(try await replica.run.code() == 9)
    let files = try KeeperLogTests.files(replica)
    for file in files { KeeperLogTests.check(replica.text(file)) }
    var next = 1
    for line in files.flatMap({ replica.logged($0) }) {
      guard let range = line.range(of: "line ") else { continue }
      #expect(Int(line[range.upperBound...]) == next)
      next += 1
    }
    #expect(next > 1_000)
  }

  @Test(arguments: InitBinary.all)
  func whatWasSaidAndStoredGoesOn(binary: InitBinary) async throws {
    let says = """
      fd = os.memfd_create("state"); os.write(fd, b"kept")
      a, b = socket.socketpair()
      say("READY=1\\nSTATUS=all is well\\nWATCHDOG=1")
      say("FDSTORE=1\\nFDNAME=state\\nFDPOLL=0", fd)
      say("FDSTORE=1\\nFDNAME=pair", a.fileno())
      barrier()
      signal.signal(signal.SIGUSR1, lambda *_: (a.close(), b.close()))
      signal.signal(signal.SIGUSR2, lambda *_: (say("STATUS=told the other"), barrier(), print("again", flush=True)))
      """
    // One that another replica had stored comes behind the listener and is stored from the start.
    let options = ["--store", "3", "--stored", "0", "--watchdog", "2000000"]
    let listener = try Path("/dev/null").open(O_RDONLY)
    defer { listener.close() }
    let old = try Path("/dev/zero").open(O_RDONLY)
    defer { old.close() }
    var environment = ["SPEAKER=\(KeeperNotifyTests.speaker)", "SAID=\(says)"]
    environment += ["LISTEN_FDS=2", "LISTEN_FDNAMES=web:old"]
    let replica = try InitReplica(binary, options, "exec python3 -c \"$SPEAKER\"", environment: environment) { program in
      program.placed = [listener, old]
      program.writesListenPid = true
    }
    try await replica.line("said")
    try await Self.upgrade(replica, to: binary.keeper.path)
    let client = try await replica.client()
    let status = try await client.answer("status")
    #expect(status["ready"] as? Bool == true && status["status"] as? String == "all is well" && status["stored"] as? Int == 3)
    let handed = try await client.listeners()
    #expect(handed.listeners == 1 && handed.named.map(\.name) == ["web", "old", "state", "pair"])
    for (_, descriptor) in handed.named { descriptor.close() }
    try await client.send("follow 0\n")
    _ = try await client.event("watchdog")
    try replica.run.send(.usr2)
    try await replica.line("again")
    #expect(try await client.event("notifyStatus")["status"] as? String == "told the other")
    try replica.run.send(.usr1)
    #expect(try await client.event("fdRemoved")["name"] as? String == "pair")
    try await KeeperNotifyTests.end(replica)
  }

  /// The program ends while its keeper is becoming another: its status is delivered by that one.
  @Test(arguments: InitBinary.all)
  func anEndInBetweenIsReaped(binary: InitBinary) async throws {
    for round in 0..<10 {
      let replica = try InitReplica(binary, "trap 'exit 6' USR1; echo up; while :; do sleep 0.01; done")
      try await replica.line("up")
      let client = try await replica.client()
      let main = try #require(client.greeting["main"] as? Int)
      if round % 2 == 0 {
        try await client.send("upgrade \(binary.keeper.path)\n")
        _ = lc_kill(Int32(main), SIGUSR1)
      } else {
        // Both lines are taken in one turn: the end comes while the other one is asked.
        try await client.send("signal USR1 main\nupgrade \(binary.keeper.path)\n")
      }
      #expect(try await replica.run.code() == 6)
      #expect(try replica.record("exit.json")["code"] as? Int == 6)
    }
  }

  @Test(arguments: InitBinary.all)
  func orphansStayItsOwn(binary: InitBinary) async throws {
    let orphan = "(setsid sh -c 'trap \"echo swept; exit\" TERM; echo up; while :; do sleep 0.05; done' &)"
    let replica = try InitReplica(binary, orphan + "; trap 'exit 0' TERM; while :; do sleep 0.05; done")
    try await replica.line("up")
    try await Self.upgrade(replica, to: binary.keeper.path)
    try replica.run.send(.term)
    #expect(try await replica.run.code() == 0)
    #expect(replica.logged().contains("swept"))
    #expect(try replica.record("exit.json")["leftover"] as? Bool == false)
  }

  /// Hooks and signals are as before: what was blocked or ignored at the first start, not what the keeper blocks for itself.
  @Test(arguments: InitBinary.all)
  func hooksInheritWhatTheFirstKeeperDid(binary: InitBinary) async throws {
    let hook = "grep -E 'Sig(Blk|Ign)' /proc/self/status"
    let replica = try InitReplica(binary, ["--pre-stop", hook], "echo up; exec sleep 1000") { program in
      program.ignored = 1 << UInt64(SIGCHLD - 1) | 1 << UInt64(SIGUSR1 - 1)
      program.mask = [.usr2]
    }
    try await replica.line("up")
    for _ in 0..<2 { try await Self.upgrade(replica, to: binary.keeper.path) }
    try replica.run.send(.term)
    _ = try await replica.run.end()
    // USR2; USR1 and CHLD (proc(5): bit n-1 is signal n).
    #expect(replica.logged("hooks.log") == ["SigBlk:\t0000000000000800", "SigIgn:\t0000000000010200"])
  }

  @Test(arguments: InitBinary.all)
  func aBlockedLogGoesOnToo(binary: InitBinary) async throws {
    let script = "trap go=1 USR1; echo up; while [ -z \"$go\" ]; do sleep 0.05; done; \(KeeperLogTests.count(1, 20_000)); echo done"
    let replica = try InitReplica(binary, ["--log-full", "block"], script)
    try await replica.line("up")
    let client = try await replica.client()
    try await client.send("follow 0\n")
    try KeeperLogTests.limitFiles(of: replica.run.pid, to: 50_000)
    try await client.send("signal USR1 main\n")
    _ = try await client.event("logBlocked")
    // The state is a file too, in memory.
    try KeeperLogTests.limitFiles(of: replica.run.pid, to: 500_000)
    try await Self.upgrade(replica, to: binary.keeper.path)
    try KeeperLogTests.limitFiles(of: replica.run.pid, to: nil)
    #expect(try await replica.run.code() == 0)
    #expect(replica.logged() == ["up"] + (1...20_000).map { "line \($0)" } + ["done"])
    KeeperLogTests.check(replica.text("log"))
  }

  @Test(arguments: InitBinary.all)
  func whatIsNoKeeperIsRefused(binary: InitBinary) async throws {
    let replica = try InitReplica(binary, ["--stop", "TERM/20/KILL"], InitReplicaTests.worker)
    try await replica.line("ready")
    let scratch = replica.run.scratch
    let newer = try scratch.file("newer", "#!/bin/sh\necho 'lastcall-keeper state 2'\n")
    let silent = try scratch.file("silent", "#!/bin/sh\nexec sleep 1000\n")
    for path in [newer, silent] { try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path) }
    let client = try await replica.client()
    for path in ["/no/such/file", "/tmp", "/etc/passwd", "/bin/true", "/bin/cat", binary.path, newer, silent, "relative/path", ""] {
      let answer = try await client.answer("upgrade \(path)")
      #expect(answer["ok"] as? Bool == false && (answer["error"] as? String)?.isEmpty == false, "\(path)")
    }
    #expect(try await client.answer("status")["state"] as? String == "running")
    #expect(ProcessTree.descendants(of: replica.run.pid).allSatisfy { !$0.isZombie || $0.parent != replica.run.pid })
    try await client.send("stop 1 - -\n")
    try replica.run.send(.term)
    #expect(try await replica.run.code() == 5)
  }

  @Test(arguments: InitBinary.all)
  func notDuringAStop(binary: InitBinary) async throws {
    let replica = try InitReplica(binary, "trap 'echo told' TERM; echo ready; while :; do sleep 0.05; done")
    try await replica.line("ready")
    let client = try await replica.client()
    _ = try await client.answer("stop 1 - TERM/500/KILL")
    #expect((try await client.answer("upgrade \(binary.keeper.path)")["error"] as? String)?.hasPrefix("not while a stop") == true)
    _ = try await client.answer("kill 2")
    #expect(try await replica.run.code() == 137)
  }
}
