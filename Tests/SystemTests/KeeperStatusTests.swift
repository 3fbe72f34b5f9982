import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// What a keeper says of itself and its program, and what it holds for an engine that has lost its own.
@Suite struct KeeperStatusTests {
  @Test(arguments: InitBinary.all)
  func statusSaysWhoIsWho(binary: InitBinary) async throws {
    let replica = try InitReplica(binary, InitReplicaTests.worker)
    try await replica.line("ready")
    let client = try await replica.client()
    let status = try await client.answer("status")
    let main = try #require(status["main"] as? Int)
    #expect(status["protocol"] as? Int == 2)
    #expect(status["resume"] as? Int == 1)
    #expect((status["version"] as? String)?.contains(".") == true)
    #expect(status["mainStart"] as? Int == ProcessRecord(pid: Int32(main)).map { Int($0.identity.startTime) })
    #expect(status["keeperStart"] as? Int == ProcessRecord(pid: replica.run.pid).map { Int($0.identity.startTime) })
    let boot = try String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)
    #expect(status["boot"] as? String == boot.trimmingCharacters(in: .newlines))
    let namespace = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/pid")
    #expect(status["pidNamespace"] as? Int != nil && namespace == "pid:[\(status["pidNamespace"] as? Int ?? 0)]")
    #expect(status["state"] as? String == "running")
    #expect(status["stop"] == nil && status["deadline"] == nil)
    #expect(status["seq"] as? Int == 1)
    try replica.run.send(.term)
    #expect(try await replica.run.code() == 5)
  }

  @Test(arguments: InitBinary.all)
  func statusNamesTheStopThatIsUnderWay(binary: InitBinary) async throws {
    let replica = try InitReplica(binary, "trap '' TERM; echo ready; (trap '' TERM; sleep 1000); sleep 1000")
    try await replica.line("ready")
    let client = try await replica.client()
    _ = try await client.answer("stop 41 - TERM@tree/500/KILL")
    _ = try await client.answer("stop 42 - -")
    let status = try await client.answer("status")
    #expect(status["state"] as? String == "stopping")
    #expect(status["stop"] as? Int == 41)
    #expect(status["deadline"] is Int)
    let main = try #require(status["main"] as? Int)
    _ = lc_kill(Int32(main), SIGKILL)
    try await eventually("the main program's end in the status") { !lives(Int32(main)) }
    var ended = try await client.answer("status")
    while ended["state"] as? String != "ended" { ended = try await client.answer("status") }
    #expect(ended["signal"] as? String == "KILL")
    _ = try await client.answer("kill 43")
    _ = try await replica.run.end()
  }

  @Test(arguments: InitBinary.all)
  func theProcessRecordTellsLeftoversFromOthers(binary: InitBinary) async throws {
    let replica = try InitReplica(binary, "echo \"marker=$LASTCALL_REPLICA\"; exec sleep 1000")
    try await replica.line("marker=\(replica.directory)")
    let record = try replica.record("process.json")
    let main = try #require(record["main"] as? Int)
    #expect(record["keeper"] as? Int == Int(replica.run.pid))
    #expect(record["mainStart"] as? Int == ProcessRecord(pid: Int32(main)).map { Int($0.identity.startTime) })
    #expect(record["keeperStart"] as? Int == ProcessRecord(pid: replica.run.pid).map { Int($0.identity.startTime) })
    #expect((record["boot"] as? String)?.count == 36 && record["pidNamespace"] is Int)
    #expect(!FileManager.default.fileExists(atPath: replica.directory + "/process.json.new"))
    // A keeper that is killed leaves its program, and the record that names it.
    try replica.run.send(.kill)
    _ = try await replica.run.end()
    #expect(ProcessRecord(pid: Int32(main)).map { Int($0.identity.startTime) } == record["mainStart"] as? Int)
    let environment = try String(contentsOfFile: "/proc/\(main)/environ", encoding: .utf8)
    #expect(environment.split(separator: "\0").contains("LASTCALL_REPLICA=\(replica.directory)"))
    _ = lc_kill(Int32(main), SIGKILL)
  }

  @Test(arguments: InitBinary.all)
  func listenersAreHandedBack(binary: InitBinary) async throws {
    let scratch = try ScratchDirectory()
    let listeners = try ["one", "two"].map { try UnixSocket.listen(at: Path(string: scratch.path + "/" + $0)) }
    defer { for listener in listeners { listener.close() } }
    let environment = ["LISTEN_FDS=2", "LISTEN_FDNAMES=web:admin"]
    let replica = try InitReplica(binary, "echo up; exec sleep 1000", environment: environment) { program in
      program.placed = listeners
      program.writesListenPid = true
    }
    try await replica.line("up")
    for _ in 0..<2 {
      let client = try await replica.client()
      let handed = try await client.listeners()
      #expect(handed.listeners == 2)
      #expect(handed.named.map(\.name) == ["web", "admin"])
      for (handed, own) in zip(handed.named, listeners) {
        #expect(lc_is_same_file(handed.descriptor.number, own.number) != 0)
        handed.descriptor.close()
      }
      #expect(try await client.answer("status")["reply"] as? String == "status")
    }
    try replica.run.send(.term)
    #expect(try await replica.run.code() == 143)
  }

  /// More than the kernel takes in one message come in several.
  @Test(arguments: InitBinary.all)
  func manyListenersComeInSeveralMessages(binary: InitBinary) async throws {
    let null = try Path("/dev/null").open(O_RDONLY)
    defer { null.close() }
    let replica = try InitReplica(binary, "echo up; exec sleep 1000", environment: ["LISTEN_FDS=300"]) { program in
      program.placed = Array(repeating: null, count: 300)
      program.writesListenPid = true
    }
    try await replica.line("up")
    let client = try await replica.client()
    let first = try await client.listeners()
    let second = try await client.handedOver()
    #expect(first.named.count == 253 && second.named.count == 47)
    #expect(first.listeners == 253 && second.listeners == 47)
    for handed in first.named + second.named { handed.descriptor.close() }
    try replica.run.send(.term)
    #expect(try await replica.run.code() == 143)
  }

  @Test(arguments: InitBinary.all)
  func withoutListenersThereAreNone(binary: InitBinary) async throws {
    // Said to another process.
    let replica = try InitReplica(binary, "echo up; exec sleep 1000", environment: ["LISTEN_FDS=2", "LISTEN_PID=1"])
    try await replica.line("up")
    let handed = try await (try await replica.client()).listeners()
    #expect(handed.listeners == 0 && handed.named.isEmpty)
    try replica.run.send(.term)
    #expect(try await replica.run.code() == 143)
  }

  @Test(arguments: InitBinary.all)
  func anIdleKeeperSleeps(binary: InitBinary) async throws {
    let options = ["--log-size", "100000", "--log-full", "block", "--store", "5", "--watchdog", "200000"]
    let replica = try InitReplica(binary, options, "echo up; exec sleep 1000")
    try await replica.line("up")
    let client = try await replica.client()
    try await client.send("follow 0\n")
    _ = try await client.event("started")
    func switches() -> Int {
      let status = (try? String(contentsOfFile: "/proc/\(replica.run.pid)/status", encoding: .utf8)) ?? ""
      let lines = status.split(separator: "\n").filter { $0.contains("ctxt_switches") }
      return lines.reduce(0) { $0 + (Int($1.split(separator: "\t").last ?? "") ?? 0) }
    }
    try await eventually("the keeper asleep") { ProcessRecord(pid: replica.run.pid)?.state == UInt8(ascii: "S") }
    var before = switches()
    // The last of what it was told may still be on its way.
    try await eventually("a second without a wake-up", within: 30) {
      Thread.sleep(forTimeInterval: 1.2)
      let now = switches()
      defer { before = now }
      return now == before
    }
    try replica.run.send(.term)
    #expect(try await replica.run.code() == 143)
  }
}
