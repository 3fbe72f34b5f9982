import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// `--with`: programs that serve the main one.
@Suite struct InitSidecarTests {
  /// `NAME`: says when it is up, told and over.
  private func program(in scratch: ScratchDirectory, _ end: String = "exit 0") throws -> String {
    let path = try scratch.file(
      "program-\(UUID().uuidString.prefix(4))",
      "#!/bin/sh\ntrap 'echo $1 told; \(end)' TERM\necho $1 up; echo $1=$$\nwhile :; do sleep 0.02; done\n")
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
    return path
  }

  /// The lines that say who was told, or is over, in their order.
  private func told(_ run: InitRun) -> [String] { run.lines.filter { $0.hasSuffix(" told") } }

  @Test(arguments: InitBinary.all, [true, false])
  func sidecarsStartBeforeAndStopAfterTheMainProgramInReverseOrder(binary: InitBinary, byEnvironment: Bool) async throws {
    let scratch = try ScratchDirectory()
    let path = try program(in: scratch)
    let options = byEnvironment ? [] : ["--with", "cron: \(path) cron", "--with=log: '\(path)' \"log\""]
    let environment = byEnvironment ? ["LASTCALL_WITH=cron: \(path) cron\nlog: \(path) log"] : []
    let run = try InitRun(
      binary.path, options + ["--grace", "60", "--events", scratch.path + "/events", path, "main"], in: scratch, environment: environment)
    for name in ["cron", "log", "main"] { try await run.line(name + " up") }
    // Each has a session of its own, below a keeper of its own.
    let sessions = try ["cron", "log", "main"].map { ProcessRecord(pid: try run.pid($0))?.session }
    #expect(Set(sessions).count == 3)
    #expect(ProcessRecord(pid: try run.pid("main"))?.parent == run.pid)
    try run.send(.term)
    #expect(try await run.code() == 0)
    #expect(told(run) == ["main told", "log told", "cron told"], "\(run.output)")
    let events = try String(contentsOfFile: scratch.path + "/events", encoding: .utf8).split(separator: "\n").compactMap { line in
      try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
    }
    #expect(events.prefix(3).map { $0["event"] as? String } == ["sidecarStarted", "sidecarStarted", "started"])
    #expect(events.filter { $0["event"] as? String == "sidecarEnded" }.map { $0["name"] as? String } == ["log", "cron"])
  }

  @Test(arguments: InitBinary.all)
  func theMainProgramsEndStopsItsSidecars(binary: InitBinary) async throws {
    let scratch = try ScratchDirectory()
    let path = try program(in: scratch)
    let run = try InitRun.script(
      binary, ["--grace", "60", "--with", "a: \(path) a"], "until grep -q 'a up' output-*; do sleep 0.02; done; exit 7", in: scratch)
    #expect(try await run.code() == 7)
    #expect(told(run) == ["a told"])
    #expect(!lives(try run.pid("a")))
  }

  @Test(arguments: InitBinary.all)
  func whatASidecarLeavesIsStoppedWithIt(binary: InitBinary) async throws {
    let scratch = try ScratchDirectory()
    let path = try program(in: scratch)
    let sidecar = try scratch.file("twofold", "setsid \(path) orphan & echo twofold up; exec sleep 1000")
    let run = try InitRun(binary.path, ["--grace", "60", "--with", "a: sh \(sidecar)", path, "main"], in: scratch)
    for name in ["orphan", "twofold", "main"] { try await run.line(name + " up") }
    // No part of the main program's tree: it is told only after that.
    try run.send(.term)
    #expect(try await run.code() == 0)
    #expect(told(run) == ["main told", "orphan told"])
    #expect(!lives(try run.pid("orphan")))
  }

  @Test(arguments: InitBinary.all)
  func aSidecarThatDiesIsStartedAgainAndStopsWhileItWaits(binary: InitBinary) async throws {
    let scratch = try ScratchDirectory()
    let run = try InitRun.script(
      binary, ["--grace", "60", "--with", "a: sh -c 'echo again; exit 3'"], "trap 'exit 0' TERM; echo up; while :; do sleep 0.02; done",
      in: scratch)
    try await eventually("two starts") { run.lines.filter { $0 == "again" }.count == 2 }
    try run.send(.term)
    #expect(try await run.code() == 0)
  }

  @Test(arguments: InitBinary.all)
  func policiesSayWhatADeathMeans(binary: InitBinary) async throws {
    let scratch = try ScratchDirectory()
    let path = try program(in: scratch, "exit 5")
    let stop = try InitRun(
      binary.path,
      ["--grace", "60", "--with-policy", "stop", "--with", "a: sh -c 'until grep -q main.up output-*; do sleep 0.02; done'", path, "main"],
      in: scratch)
    #expect(try await stop.code() == 5)
    let ignore = try InitRun(
      binary.path, ["--grace", "60", "--with-policy=ignore", "--with", "a: sh -c 'echo a over'", "--with", "b: sleep 1000", path, "main"],
      in: ScratchDirectory())
    try await ignore.line("a over")
    try await ignore.line("main up")
    try ignore.send(.term)
    #expect(try await ignore.code() == 5)
    #expect(ignore.lines.filter { $0 == "a over" }.count == 1)
  }

  @Test(arguments: InitBinary.all)
  func theMainProgramIsStartedAgainWhenItsPolicySaysSo(binary: InitBinary) async throws {
    let scratch = try ScratchDirectory()
    let path = try program(in: scratch)
    // What the first one leaves is gone before the second is there.
    let script = """
      if [ -e once ]; then exec \(path) second; fi
      touch once; setsid \(path) left & until grep -q 'left up' output-*; do sleep 0.02; done; exit 1
      """
    let run = try InitRun.script(binary, ["--grace", "60", "--main-policy", "restart", "--with", "a: \(path) a"], script, in: scratch)
    try await run.line("second up")
    #expect(run.lines.contains("left told"))
    #expect(!lives(try run.pid("left")))
    try run.send(.term)
    #expect(try await run.code() == 0)
    #expect(told(run) == ["left told", "second told", "a told"])
    let ignore = try InitRun(
      binary.path,
      ["--main-policy", "ignore", "--with-policy", "ignore", "--with", "a: sh -c 'sleep 0.3; echo a over'", "sh", "-c", "exit 9"],
      in: ScratchDirectory())
    #expect(try await ignore.code() == 9)
    #expect(ignore.lines.contains("a over"))
  }

  @Test(arguments: InitBinary.all)
  func everyoneIsToldWithinTheGraceThoughAllIgnoreIt(binary: InitBinary) async throws {
    let scratch = try ScratchDirectory()
    let path = try program(in: scratch, ":")
    let run = try InitRun(
      binary.path, ["--grace", "2", "--with", "a: \(path) a", "--with", "b: \(path) b", path, "main"], in: scratch)
    for name in ["a", "b", "main"] { try await run.line(name + " up") }
    try run.send(.term)
    #expect(try await run.code() == 137)
    #expect(told(run) == ["main told", "b told", "a told"], "\(run.output)")
    for name in ["a", "b", "main"] { #expect(!lives(try run.pid(name))) }
  }

  /// The last of them has the least of the grace, and is told all the same.
  @Test(arguments: InitBinary.all)
  func fourThatIgnoreItAreToldWithinTheGrace(binary: InitBinary) async throws {
    let scratch = try ScratchDirectory()
    let path = try program(in: scratch, ":")
    let names = ["a", "b", "c", "d"]
    let run = try InitRun(
      binary.path, ["--grace", "2"] + names.flatMap { ["--with", "\($0): \(path) \($0)"] } + [path, "main"], in: scratch)
    for name in names + ["main"] { try await run.line(name + " up") }
    let asked = ContinuousClock.now
    try run.send(.term)
    #expect(try await run.code() == 137)
    // The grace, and at most the bound for what KILL does not end at once.
    #expect(ContinuousClock.now - asked < .seconds(2) + .nanoseconds(StopMachine.killBound.nanoseconds))
    #expect(told(run) == ["main told", "d told", "c told", "b told", "a told"], "\(run.output)")
    for name in names + ["main"] { #expect(!lives(try run.pid(name))) }
  }

  @Test(arguments: InitBinary.all)
  func sidecarsEndWhenTheirInitIsKilled(binary: InitBinary) async throws {
    let scratch = try ScratchDirectory()
    let path = try program(in: scratch)
    let run = try InitRun(binary.path, ["--grace", "60", "--with", "a: \(path) a", path, "main"], in: scratch)
    for name in ["a", "main"] { try await run.line(name + " up") }
    try run.send(.kill)
    try await run.line("a told")
    _ = lc_kill(try run.pid("main"), SIGKILL)
  }

  @Test(
    arguments: InitBinary.all,
    [
      ("bad", "expected a command"), ("a:", "expected a command"), (": sleep 1", "expected NAME: COMMAND"),
      ("a: 'sleep", "a quote is not closed"),
    ])
  func aSidecarThatIsNoneIsSaid(binary: InitBinary, _ test: (text: String, says: String)) async throws {
    let run = try InitRun(binary.path, ["--with", test.text, "sh", "-c", "echo started"])
    #expect(try await run.code() == 2)
    #expect(run.output.contains("--with \"\(test.text)\": \(test.says)") && !run.output.contains("started"), "\(run.output)")
  }

  @Test(.enabled(if: getuid() == 0, "unshare --pid needs root"), arguments: InitBinary.all)
  func asPID1TheSidecarsAreNotTakenForTheMainProgramsRest(binary: InitBinary) async throws {
    let scratch = try ScratchDirectory()
    let path = try program(in: scratch)
    let unshare = ["--fork", "--pid", "--mount-proc", "--kill-child=KILL", binary.path]
    let main = "setsid \(path) rest & \(path) main"
    let run = try InitRun(
      "/usr/bin/unshare", unshare + ["--grace", "60", "--with", "a: \(path) a", "sh", "-c", main], in: scratch)
    for name in ["a", "rest", "main"] { try await run.line(name + " up") }
    let pid = try #require(ProcessTree.descendants(of: run.pid).first { $0.parent == run.pid }?.identity.pid)
    _ = lc_kill(pid, SIGTERM)
    _ = try await run.end()
    #expect(told(run).last == "a told" && Set(told(run)) == ["main told", "rest told", "a told"], "\(run.output)")
  }
}
