import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// A replica's logs: rotation, a disk that is full, a keeper that was killed, hooks.
@Suite struct KeeperLogTests {
  /// Writes numbered lines from FIRST to LAST.
  static func count(_ first: Int, _ last: Int) -> String { "i=\(first); while [ $i -le \(last) ]; do echo line $i; i=$((i+1)); done" }

  /// Every entry of a log is whole: time, stream, `F` or `P`, text.
  static func check(_ text: String, _ location: SourceLocation = #_sourceLocation) {
    #expect(text.isEmpty || text.hasSuffix("\n"), sourceLocation: location)
    for line in text.split(separator: "\n") {
      let columns = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false)
      let isEntry = columns.count == 4 && columns[0].count == 30 && columns[0].hasSuffix("Z") && ["stdout", "stderr"].contains(columns[1])
      if !isEntry || !["F", "P"].contains(columns[2]) { Issue.record("torn: \(line.prefix(200))", sourceLocation: location) }
    }
  }

  /// The log's files from the oldest to the newest.
  static func files(_ replica: InitReplica) throws -> [String] {
    let names = try FileManager.default.contentsOfDirectory(atPath: replica.directory).filter { $0 == "log" || $0.hasPrefix("log.") }
    return names.sorted { (Int($0.dropFirst(4)) ?? 0) > (Int($1.dropFirst(4)) ?? 0) }
  }

  /// How large a file may be that a process writes: what is beyond fails, as on a full disk.
  static func limitFiles(of pid: Int32, to bytes: UInt64?) throws {
    // RLIMIT_FSIZE, whose hard limit is none but where somebody has set one.
    let result = lc_set_limit(pid, 1, bytes ?? .max, .max)
    if result < 0 { throw SystemError(code: Int32(-result)) }
  }

  @Test(arguments: InitBinary.all)
  func aRotatedLogLosesAndTearsNothing(binary: InitBinary) async throws {
    let options = ["--log-size", "20000", "--log-keep", "300"]
    let replica = try InitReplica(binary, options, Self.count(1, 20_000) + "; echo odd >&2; printf end")
    #expect(try await replica.run.code() == 0)
    let files = try Self.files(replica)
    #expect(files.count > 10)
    var lines: [String] = []
    for file in files {
      let text = replica.text(file)
      #expect(text.utf8.count <= 20_000, "\(file)")
      Self.check(text)
      lines += replica.logged(file)
    }
    #expect(lines.filter { $0.hasPrefix("line") } == (1...20_000).map { "line \($0)" })
    #expect(lines.contains("odd") && lines.contains("end"))
  }

  @Test(arguments: InitBinary.all, [0, 2])
  func asManyFilesAreKeptAsWereAskedFor(binary: InitBinary, kept: Int) async throws {
    let replica = try InitReplica(binary, ["--log-size=5000", "--log-keep=\(kept)"], Self.count(1, 2_000))
    #expect(try await replica.run.code() == 0)
    #expect(try Self.files(replica) == ["log.2", "log.1", "log"].suffix(kept + 1))
    let lines = try Self.files(replica).flatMap { replica.logged($0) }
    #expect(lines == (2_001 - lines.count...2_000).map { "line \($0)" })
  }

  @Test(arguments: InitBinary.all)
  func thePartsOfALongLineStayTogether(binary: InitBinary) async throws {
    let script = "i=0; while [ $i -lt 5 ]; do head -c 50000 /dev/zero | tr '\\0' x; echo; echo short; i=$((i+1)); done"
    let replica = try InitReplica(binary, ["--log-size", "60000", "--log-keep", "50"], script)
    #expect(try await replica.run.code() == 0)
    var long = 0
    for file in try Self.files(replica) {
      var isOpen = false
      var length = 0
      for line in replica.text(file).split(separator: "\n") {
        let columns = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false)
        length += columns[3].count
        isOpen = columns[2] == "P"
        if isOpen { continue }
        if length == 50_000 { long += 1 }
        length = 0
      }
      #expect(!isOpen, "\(file)")
    }
    #expect(long == 5)
  }

  /// A line that never ends cannot keep a log from being rotated.
  @Test(arguments: InitBinary.all)
  func anEndlessLineIsRotatedToo(binary: InitBinary) async throws {
    let replica = try InitReplica(
      binary, ["--log-size", "40000", "--log-keep", "50"], "head -c 400000 /dev/zero | tr '\\0' x")
    #expect(try await replica.run.code() == 0)
    let files = try Self.files(replica)
    #expect(files.count > 3)
    for file in files { #expect(replica.text(file).utf8.count <= 100_000) }
    #expect(files.reduce(0) { $0 + replica.logged($1).reduce(0) { $0 + $1.count } } == 400_000)
  }

  @Test(arguments: InitBinary.all)
  func whatAKilledKeeperHadNotFinishedIsEnded(binary: InitBinary) async throws {
    let replica = try InitReplica(binary, "echo new") { program in
      let directory = String(decoding: program.arguments[1], as: UTF8.self)
      try "2026-01-01T00:00:00.000000000Z stdout F torn".write(toFile: directory + "/log", atomically: false, encoding: .utf8)
    }
    #expect(try await replica.run.code() == 0)
    #expect(replica.logged() == ["torn", "new"])
  }

  @Test(arguments: InitBinary.all)
  func aLogThatWasMovedAwayIsOpenedAgain(binary: InitBinary) async throws {
    let script = "trap 'echo told' USR1; trap 'exit 0' TERM; echo first; while :; do sleep 0.05; done"
    let replica = try InitReplica(binary, ["--stop", "TERM/20/KILL"], script)
    try await replica.line("first")
    let client = try await replica.client()
    for (index, name) in ["log.a", "log.b"].enumerated() {
      try FileManager.default.moveItem(atPath: replica.directory + "/log", toPath: replica.directory + "/" + name)
      if index == 0 { try replica.run.send(.hup) } else { #expect(try await client.answer("reopen-log")["ok"] as? Bool == true) }
      try await eventually("a new log") { FileManager.default.fileExists(atPath: replica.directory + "/log") }
      _ = try await client.answer("signal USR1 main")
      try await replica.line("told")
    }
    #expect(replica.logged("log.a") == ["first"] && replica.logged("log.b") == ["told"])
    try replica.run.send(.term)
    #expect(try await replica.run.code() == 0)
  }

  @Test(arguments: InitBinary.all)
  func aFullDiskBlocksTheProgramAndLosesNothing(binary: InitBinary) async throws {
    let script = "trap go=1 USR1; echo up; while [ -z \"$go\" ]; do sleep 0.05; done; \(Self.count(1, 20_000)); echo done"
    let replica = try InitReplica(binary, ["--log-full", "block"], script)
    try await replica.line("up")
    let client = try await replica.client()
    try await client.send("follow 0\n")
    try Self.limitFiles(of: replica.run.pid, to: 30_000)
    try await client.send("signal USR1 main\n")
    let blocked = try await client.event("logBlocked")
    #expect(blocked["log"] as? String == "log" && (blocked["reason"] as? String)?.isEmpty == false)
    // The program waits in a write to its full pipe, and everything else is answered.
    let main = try #require(try await client.answer("status")["main"] as? Int)
    try await eventually("the program waits") {
      let stack = try String(contentsOfFile: "/proc/\(main)/wchan", encoding: .utf8)
      return stack.contains("pipe") || ProcessRecord(pid: Int32(main))?.state == UInt8(ascii: "S")
    }
    #expect(replica.text("log").utf8.count <= 30_000)
    Self.check(replica.text("log"))
    try Self.limitFiles(of: replica.run.pid, to: nil)
    #expect(try await client.event("logResumed")["lines"] as? Int == 0)
    #expect(try await replica.run.code() == 0)
    Self.check(replica.text("log"))
    #expect(replica.logged() == ["up"] + (1...20_000).map { "line \($0)" } + ["done"])
  }

  @Test(arguments: InitBinary.all)
  func aFullDiskDropsAndCounts(binary: InitBinary) async throws {
    let script = "trap go=1 USR1; echo up; while [ -z \"$go\" ]; do sleep 0.05; done; \(Self.count(1, 5_000)); echo done; exec sleep 1000"
    let replica = try InitReplica(binary, ["--log-full", "drop", "--log-size", "200000"], script)
    try await replica.line("up")
    let client = try await replica.client()
    try await client.send("follow 0\n")
    try Self.limitFiles(of: replica.run.pid, to: 30_000)
    try await client.send("signal USR1 main\n")
    #expect((try await client.event("logDropped")["reason"] as? String)?.isEmpty == false)
    let main = try #require(try await client.answer("status")["main"] as? Int)
    // It goes on and becomes its sleep.
    try await eventually("the program's last line") {
      try String(contentsOfFile: "/proc/\(main)/comm", encoding: .utf8) == "sleep\n"
    }
    Self.check(replica.text("log"))
    try Self.limitFiles(of: replica.run.pid, to: nil)
    let dropped = try #require(try await client.event("logResumed")["lines"] as? Int)
    try replica.run.send(.term)
    #expect(try await replica.run.code() == 143)
    // What was still in the pipe then came behind the gap, where the log says how many are missing.
    let lines = replica.logged()
    let notice = "lastcall: \(dropped) lines were dropped because this file could not be written"
    let gap = try #require(lines.firstIndex(of: notice))
    let written = ["up"] + (1...5_000).map { "line \($0)" } + ["done"]
    #expect(lines == written.prefix(gap) + [notice] + written.dropFirst(gap + dropped))
    Self.check(replica.text("log"))
  }

  /// Nothing holds an end up: what cannot be written then is counted and said.
  @Test(arguments: InitBinary.all)
  func whatIsLostAtTheEndIsSaid(binary: InitBinary) async throws {
    let script = "trap go=1 USR1; echo up; while [ -z \"$go\" ]; do sleep 0.05; done; \(Self.count(1, 100))"
    let replica = try InitReplica(binary, ["--log-full", "block"], script)
    try await replica.line("up")
    let client = try await replica.client()
    try await client.send("follow 0\n")
    try Self.limitFiles(of: replica.run.pid, to: 1_000)
    try await client.send("signal USR1 main\n")
    var lost = 0
    while lost == 0 { lost = try await client.event("logDropped")["lines"] as? Int ?? 0 }
    #expect(try await replica.run.code() == 0)
    #expect(replica.logged().count + lost == 101)
    #expect(try replica.record("exit.json")["lostLines"] as? Int == lost)
    Self.check(replica.text("log"))
  }

  @Test(arguments: InitBinary.all)
  func hooksHaveALogOfTheSameForm(binary: InitBinary) async throws {
    let hook = "sh -c \"echo out; echo err >&2; printf part; echo LISTEN=$LISTEN_FDS\""
    let script = "trap 'exit 3' TERM; echo up; while :; do sleep 0.05; done"
    let replica = try InitReplica(binary, ["--log-size", "100000", "--pre-stop", hook], script)
    try await replica.line("up")
    #expect(!FileManager.default.fileExists(atPath: replica.directory + "/hooks.log"))
    try replica.run.send(.term)
    #expect(try await replica.run.code() == 3)
    Self.check(replica.text("hooks.log"))
    #expect(replica.logged("hooks.log").sorted() == ["err", "out", "partLISTEN="])
    let errors = replica.text("hooks.log").split(separator: "\n").filter { $0.contains(" stderr ") }
    #expect(errors.count == 1 && errors[0].hasSuffix(" err"))
    #expect(replica.logged().first == "up" && !replica.logged().contains("out"))
  }

  @Test(
    arguments: InitBinary.all, [["--log-size", "many"], ["--log-full", "wait"], ["--log-keep"], ["--store", "254"], ["--watchdog=-1"]])
  func wrongOptionsAreSaid(binary: InitBinary, options: [String]) async throws {
    let scratch = try ScratchDirectory()
    let run = try InitRun(binary.keeper.path, [scratch.path] + options, in: scratch)
    #expect(try await run.code() == 2)
    #expect(run.output.contains(options[0].split(separator: "=")[0]) && run.output.contains("expected"), "\(run.output)")
  }
}
