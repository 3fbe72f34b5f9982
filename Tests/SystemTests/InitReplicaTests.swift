import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// lastcall-keeper: one replica, its control socket, its output, its records.
@Suite struct InitReplicaTests {
  static let worker = "trap 'echo told; exit 5' TERM; echo ready; while :; do sleep 0.05; done"

  @Test(arguments: InitBinary.all)
  func theSocketsAreTheOwnersAlone(binary: InitBinary) async throws {
    let replica = try InitReplica(binary, Self.worker)
    _ = try await replica.client()
    for name in ["control.sock", "notify.sock", "log"] {
      let attributes = try FileManager.default.attributesOfItem(atPath: replica.directory + "/" + name)
      #expect(attributes[.posixPermissions] as? Int == 0o600, "\(name)")
    }
    try await replica.line("ready")
    try replica.run.send(.term)
    #expect(try await replica.run.code() == 5)
  }

  @Test(arguments: InitBinary.all)
  func greetsAnswersStatusAndStops(binary: InitBinary) async throws {
    let replica = try InitReplica(binary, Self.worker)
    try await replica.line("ready")
    let client = try await replica.client()
    let greeting = client.greeting
    #expect(greeting["reply"] as? String == "keeper")
    #expect(greeting["protocol"] as? Int == 2)
    #expect(greeting["keeper"] as? Int == Int(replica.run.pid))
    #expect(greeting["state"] as? String == "running")
    let main = try #require(greeting["main"] as? Int)
    #expect(ProcessRecord(pid: Int32(main))?.parent == replica.run.pid)
    #expect(try await client.answer("status")["reply"] as? String == "status")
    #expect(try await client.answer("stop 1 - -")["ok"] as? Bool == true)
    #expect(try await replica.run.code() == 5)
    #expect(replica.logged().contains("told"))
  }

  @Test(arguments: InitBinary.all)
  func aRepeatedStopChangesNothingAndALaterOneOnlyMovesTheDeadlineEarlier(binary: InitBinary) async throws {
    let replica = try InitReplica(binary, "trap 'echo told' TERM; echo ready; while :; do sleep 0.05; done")
    try await replica.line("ready")
    let client = try await replica.client()
    _ = try await client.answer("stop 7 - TERM/500/KILL")
    let deadline = try #require(try await client.answer("status")["deadline"] as? Int)
    _ = try await client.answer("stop 7 \(deadline - 100_000_000_000) -")
    #expect(try await client.answer("status")["deadline"] as? Int == deadline)
    _ = try await client.answer("stop 8 \(deadline + 100_000_000_000) -")
    #expect(try await client.answer("status")["deadline"] as? Int == deadline)
    _ = try await client.answer("stop 9 \(deadline - 100_000_000_000) -")
    #expect(try await client.answer("status")["deadline"] as? Int == deadline - 100_000_000_000)
    #expect(try await client.answer("status")["state"] as? String == "stopping")
    // The shell runs its trap only after the sleep that it waits for.
    try await replica.line("told")
    _ = try await client.answer("kill 10")
    #expect(try await replica.run.code() == 137)
    #expect(replica.logged().filter { $0 == "told" }.count == 1)
  }

  @Test(arguments: InitBinary.all)
  func escalatesOnceForOneId(binary: InitBinary) async throws {
    let script = "trap 'echo term' TERM; trap 'echo int' INT; trap 'echo quit; exit 4' QUIT; echo ready; while :; do sleep 0.05; done"
    let replica = try InitReplica(binary, script)
    try await replica.line("ready")
    let client = try await replica.client()
    try await client.send("follow 0\n")
    try await client.send("stop 1 - TERM/500/INT/500/QUIT/500/KILL\n")
    try await replica.line("term")
    try await client.send("escalate 2\nescalate 2\n")
    try await replica.line("int")
    #expect(replica.logged().contains("quit") == false)
    try await client.send("escalate 3\n")
    #expect(try await replica.run.code() == 4)
    #expect(replica.logged().filter { $0 == "int" }.count == 1)
  }

  @Test(arguments: InitBinary.all)
  func sendsSignalsByScope(binary: InitBinary) async throws {
    let script = """
      trap 'echo main hup' HUP
      sh -c "trap 'echo same hup' HUP; echo same; while :; do sleep 0.05; done" &
      setsid sh -c "trap 'echo apart hup' HUP; echo apart; while :; do sleep 0.05; done" &
      echo main; while :; do sleep 0.05; done
      """
    let replica = try InitReplica(binary, ["--grace", "1"], script)
    for name in ["main", "same", "apart"] { try await replica.line(name) }
    let client = try await replica.client()
    _ = try await client.answer("signal HUP main")
    try await replica.line("main hup")
    #expect(!replica.logged().contains("same hup"))
    _ = try await client.answer("signal HUP tree")
    try await replica.line("same hup")
    try await replica.line("apart hup")
    #expect(try await client.answer("signal NOPE main")["ok"] as? Bool == false)
    #expect(try await client.answer("signal HUP all")["error"] as? String == "expected a scope: main, group, rest or tree")
    try replica.run.send(.term)
    _ = try await replica.run.end()
  }

  @Test(arguments: InitBinary.all)
  func aLateFollowerGetsWhatItMissedInOrder(binary: InitBinary) async throws {
    let replica = try InitReplica(binary, "trap 'echo usr' USR1; \(Self.worker)")
    try await replica.line("ready")
    for _ in 0..<3 { try replica.run.send(.usr1) }
    try await eventually("a signal") { replica.logged().contains("usr") }
    let client = try await replica.client()
    try await client.send("follow 0\nstop 1 - -\n")
    var sequence = 0
    var names: [String] = []
    while names.last != "ended" {
      let object = try await client.next()
      guard let name = object["event"] as? String else { continue }
      sequence += 1
      #expect(object["seq"] as? Int == sequence)
      names.append(name)
    }
    #expect(names.first == "started" && names.contains("forwarded") && names.contains("stopBegan") && names.contains("exited"))
    #expect(try await replica.run.code() == 5)
  }

  @Test(arguments: InitBinary.all)
  func aGapIsMarkedAsAGap(binary: InitBinary) async throws {
    let replica = try InitReplica(binary, "trap '' USR1; \(Self.worker)")
    try await replica.line("ready")
    let client = try await replica.client()
    // More events than the ring's 64 KiB hold.
    for _ in 0..<1_500 { try await client.send("signal USR1 main\n") }
    for _ in 0..<1_500 { #expect(try await client.next()["ok"] as? Bool == true) }
    let gap = try await client.answer("follow 5")
    #expect(gap["gap"] as? Bool == true)
    #expect(gap["from"] as? Int == 6)
    let last = try #require(gap["to"] as? Int)
    #expect(last > 500)
    #expect(try await client.next()["seq"] as? Int == last + 1)
    try replica.run.send(.term)
    #expect(try await replica.run.code() == 5)
  }

  @Test(arguments: InitBinary.all)
  func badLinesAreAnsweredAndChangeNothing(binary: InitBinary) async throws {
    let replica = try InitReplica(binary, Self.worker)
    try await replica.line("ready")
    let client = try await replica.client()
    let lines = [
      "", " ", "stop", "stop x - -", "stop 1", "stop 1 -", "stop 1 soon -", "stop 1 - TERM//", "stop -1 - -",
      "stop 99999999999999999999 - -",
      "kill", "kill x", "escalate", "signal", "signal TERM", "follow", "follow x", "follow -1", "status now", "quit", "\u{0}\u{1}",
      "stöp 1 - -",
      String(repeating: "x", count: 8000),
    ]
    for line in lines {
      let answer = try await client.answer(line)
      #expect(answer["ok"] as? Bool == false, "\(line.prefix(20))")
      #expect((answer["error"] as? String)?.isEmpty == false)
    }
    #expect(try await client.answer("status")["state"] as? String == "running")
    try replica.run.send(.term)
    #expect(try await replica.run.code() == 5)
  }

  @Test(arguments: InitBinary.all)
  func aFloodingClientIsDroppedAndOthersAreServed(binary: InitBinary) async throws {
    let replica = try InitReplica(binary, Self.worker)
    try await replica.line("ready")
    let endless = try await replica.client()
    // A line that never ends.
    try? await endless.send(String(repeating: "x", count: 200_000))
    try await eventually("the connection's end") {
      endless.receive()
      return endless.isOver
    }
    // Commands whose answers are never read.
    let deaf = try await replica.client()
    let flood = String(repeating: "status\n", count: 4_000)
    var wasDropped = false
    for _ in 0..<40 where !wasDropped {
      do { try await deaf.send(flood) } catch { wasDropped = true }
    }
    #expect(wasDropped)
    let other = try await replica.client()
    #expect(try await other.answer("status")["reply"] as? String == "status")
    // More clients than there are places: the ones too many are closed, the others stay.
    var many: [ControlConnection] = []
    for _ in 0..<20 { many.append(try await replica.connect()) }
    try await eventually("refusals") {
      for client in many { client.receive() }
      return many.filter(\.isOver).count >= 5
    }
    try replica.run.send(.term)
    #expect(try await replica.run.code() == 5)
  }

  @Test(arguments: InitBinary.all)
  func aFollowerThatDoesNotReadIsDropped(binary: InitBinary) async throws {
    let replica = try InitReplica(binary, "trap '' USR1; \(Self.worker)")
    try await replica.line("ready")
    let deaf = try await replica.client()
    try await deaf.send("follow 0\n")
    let other = try await replica.client()
    // Each event is some 90 bytes; the deaf follower's share must not grow beyond its bound of 1 MiB.
    let burst = String(repeating: "signal USR1 main\n", count: 500)
    for _ in 0..<40 {
      try await other.send(burst)
      for _ in 0..<500 { _ = try await other.next() }
    }
    try await eventually("the keeper's memory in bounds and the follower dropped") {
      deaf.receive()
      return deaf.isOver
    }
    try replica.run.send(.term)
    #expect(try await replica.run.code() == 5)
  }

  @Test(arguments: InitBinary.all)
  func readinessAndStatusComeFromTheProgram(binary: InitBinary) async throws {
    let notify = """
      import os, socket, signal, sys
      s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
      s.connect(os.environ["NOTIFY_SOCKET"])
      s.send(b"STATUS=warming \\"up\\"\\nEXTRA=1")
      s.send(b"READY=1")
      s.send(b"STOPPING=1")
      print("sent", flush=True)
      signal.pause()
      """
    let replica = try InitReplica(binary, "exec python3 -c \"$NOTIFY\"", environment: ["NOTIFY=\(notify)", "NOTIFY_SOCKET=/not/this/one"])
    let client = try await replica.client()
    try await client.send("follow 0\n")
    try await replica.line("sent")
    try await eventually("readiness") { replica.text("log").contains("sent") }
    let follower = try await replica.client()
    try await follower.send("follow 0\n")
    #expect(try await follower.event("notifyStatus")["status"] as? String == "warming \"up\"")
    _ = try await follower.event("notifyReady")
    _ = try await follower.event("notifyStopping")
    let status = try await follower.answer("status")
    #expect(status["ready"] as? Bool == true)
    #expect(status["status"] as? String == "warming \"up\"")
    try replica.run.send(.term)
    #expect(try await replica.run.code() == 143)
  }

  @Test(arguments: InitBinary.all)
  func theExitRecordSaysWhoAndHow(binary: InitBinary) async throws {
    let replica = try InitReplica(binary, "(sleep 0.01 & ) ; kill -SEGV $$")
    #expect(try await replica.run.code() == 139)
    let record = try JSONSerialization.jsonObject(with: Data(replica.text("exit.json").utf8)) as? [String: any Sendable]
    #expect(record?["signal"] as? String == "SEGV")
    #expect(record?["leftover"] as? Bool == false)
    #expect(record?["killed"] as? Bool == false)
    #expect(record?["pid"] is Int)
    #expect((record?["at"] as? String)?.hasSuffix("Z") == true)
    #expect(!FileManager.default.fileExists(atPath: replica.directory + "/exit.json.new"))
  }

  @Test(arguments: InitBinary.all)
  func aProgramThatCannotBeStartedLeavesARecordToo(binary: InitBinary) async throws {
    let scratch = try ScratchDirectory()
    let run = try InitRun(binary.keeper.path, [scratch.path, "no-such-command"], in: scratch)
    #expect(try await run.code() == 127)
    #expect(try String(contentsOfFile: scratch.path + "/exit.json", encoding: .utf8).contains("\"code\":127"))
  }

  /// What becomes of a replica is the engine's to say.
  @Test(arguments: InitBinary.all, [["--with", "a: sleep 1"], ["--main-policy", "restart"]])
  func sidecarsAndPoliciesAreRefused(binary: InitBinary, options: [String]) async throws {
    let scratch = try ScratchDirectory()
    let run = try InitRun(binary.keeper.path, [scratch.path] + options + ["--", "sh", "-c", "echo ran"], in: scratch)
    #expect(try await run.code() == 2)
    #expect(run.output.contains(options[0]) && !run.output.contains("ran"), "\(run.output)")
  }

  @Test(arguments: InitBinary.all)
  func aDirectoryThatIsNotThereIsSaid(binary: InitBinary) async throws {
    let scratch = try ScratchDirectory()
    let run = try InitRun(binary.keeper.path, ["/no/such/directory", "true"], in: scratch)
    #expect(try await run.code() == 125)
    #expect(run.output.contains("the run directory cannot be used: no such file or directory"), "\(run.output)")
    for arguments in [[], ["--help"]] {
      let run = try InitRun(binary.keeper.path, arguments, in: scratch)
      #expect(try await run.code() == 2)
      #expect(run.output.contains("usage: lastcall-keeper DIRECTORY"), "\(run.output)")
    }
  }

  @Test(arguments: InitBinary.all)
  func aPathTooLongForASocketIsSaid(binary: InitBinary) async throws {
    let scratch = try ScratchDirectory()
    let long = scratch.path + "/" + String(repeating: "d", count: 100)
    try FileManager.default.createDirectory(atPath: long, withIntermediateDirectories: false)
    let run = try InitRun(binary.keeper.path, [long, "true"], in: scratch)
    #expect(try await run.code() == 125)
    #expect(run.output.contains("the path is too long"), "\(run.output)")
  }

  @Test(arguments: InitBinary.all)
  func inheritedListenersAreForTheProgram(binary: InitBinary) async throws {
    let (read, write) = try Descriptor.pipe()
    defer {
      read.close()
      write.close()
    }
    let script = "echo pid=$LISTEN_PID; echo self=$$; echo fds=$LISTEN_FDS; readlink /proc/self/fd/3; exec sleep 1000"
    let replica = try InitReplica(binary, script, environment: ["LISTEN_FDS=1"]) { program in
      program.placed = [read]
      program.writesListenPid = true
    }
    try await replica.line("fds=1")
    try await eventually("four lines") { replica.logged().count >= 4 }
    let lines = replica.logged()
    #expect(lines[0].dropFirst(4) == lines[1].dropFirst(5), "\(lines)")
    #expect(lines[3].hasPrefix("pipe:"), "\(lines)")
    try replica.run.send(.term)
    #expect(try await replica.run.code() == 143)
  }
}
