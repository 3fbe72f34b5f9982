import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// A script that starts three programs of different length, the last in its foreground or in its own place, as PID 1 or under one: what
/// each of the set-ups in which people run such an image gives with dumb-init, and that all three finish in all of them here.
@Suite(.enabled(if: getuid() == 0, "unshare --pid needs root")) struct InitScriptTests {
  /// Says that it was told, needs a while, says that it is done.
  private static let work =
    "trap 'echo told $NAME; sleep $LENGTH; echo cleaned $NAME; exit 0' TERM; echo ready $NAME; while :; do sleep 0.02; done"

  /// Starts PID 1 of a PID namespace: `entry` is what stands before the script, `interpreter` what the script names as its own.
  private func start(
    _ entry: [String], interpreter: [String], last: String = "", in scratch: ScratchDirectory, environment: [String] = []
  ) async throws -> InitRun {
    let programs = [("a", "0.2", " &"), ("b", "0.5", " &"), ("c", "0.8", "")].map { name, length, end in
      "export NAME=\(name) LENGTH=\(length)\n\(end.isEmpty ? last : "")sh -c \"$WORK\"\(end)\n"
    }
    let script = try scratch.file("start", "#!\((interpreter + ["/bin/sh"]).joined(separator: " "))\n" + programs.joined())
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: script)
    let unshare = ["--fork", "--pid", "--mount-proc", "--kill-child=KILL"] + entry + [script]
    let run = try InitRun("/usr/bin/unshare", unshare, in: scratch, environment: ["WORK=" + Self.work] + environment)
    for name in ["a", "b", "c"] { try await run.line("ready " + name) }
    return run
  }

  private func initPid(_ run: InitRun) async throws -> Int32 {
    try #require(ProcessTree.descendants(of: run.pid).first { $0.parent == run.pid }?.identity.pid)
  }

  /// How many of the three wrote a word: dumb-init tells its session again when its child has ended, so one may write it twice.
  private func count(_ word: String, _ run: InitRun) -> Int { Set(run.lines.filter { $0.hasPrefix(word + " ") }).count }

  // MARK: As PID 1 without an init

  @Test func withoutAnInitNobodyHearsOfTheStop() async throws {
    let run = try await start([], interpreter: [], in: ScratchDirectory())
    let shell = try await initPid(run)
    // The kernel drops what PID 1 does not catch (pid_namespaces(7)): it is not even pending.
    _ = lc_kill(shell, SIGTERM)
    let pending = try String(contentsOfFile: "/proc/\(shell)/status", encoding: .utf8).split(separator: "\n").filter {
      $0.hasPrefix("SigPnd") || $0.hasPrefix("ShdPnd")
    }
    #expect(pending.count == 2 && pending.allSatisfy { $0.hasSuffix("\t0000000000000000") }, "\(pending)")
    #expect(lives(shell))
    _ = lc_kill(shell, SIGKILL)
    _ = try await run.code()
    #expect(count("told", run) == 0, "\(run.output)")
  }

  // MARK: Under dumb-init, the real one and ours by its name

  static let dumbInits = DialectSubject.all.filter { $0.tool == .dumbInit }

  /// Rows 2 to 5 of what was observed: who can be told, whether anybody is waited for.
  @Test(
    arguments: dumbInits,
    [
      // The script ends at TERM, PID 1 with it; who is told in the meantime is chance.
      (isInterpreter: false, hasSession: true, told: 0...3), (isInterpreter: false, hasSession: false, told: 0...0),
      (isInterpreter: true, hasSession: false, told: 0...0), (isInterpreter: true, hasSession: true, told: 0...3),
    ])
  func asDumbInitItEndsWithTheScript(
    subject: DialectSubject, _ row: (isInterpreter: Bool, hasSession: Bool, told: ClosedRange<Int>)
  ) async throws {
    let scratch = try ScratchDirectory()
    let path = try subject.path(in: scratch)
    let run = try await start(
      [path], interpreter: row.isInterpreter ? [path] : [], in: scratch, environment: row.hasSession ? [] : ["DUMB_INIT_SETSID=0"])
    _ = lc_kill(try await initPid(run), SIGTERM)
    #expect(try await run.code() == 143)
    #expect(row.told.contains(count("told", run)) && count("cleaned", run) < 3, "\(run.output)")
  }

  // MARK: Under lastcall-init

  @Test(arguments: InitBinary.all, [(isInterpreter: false, last: ""), (false, "exec "), (true, ""), (true, "exec ")])
  func allThreeFinish(binary: InitBinary, row: (isInterpreter: Bool, last: String)) async throws {
    let scratch = try ScratchDirectory()
    let run = try await start(
      [binary.path, "--grace", "40", "--"], interpreter: row.isInterpreter ? [binary.path] : [], last: row.last, in: scratch)
    _ = lc_kill(try await initPid(run), SIGTERM)
    _ = try await run.code()
    #expect(count("told", run) == 3 && count("cleaned", run) == 3, "\(run.output)")
    #expect(run.seconds < 20)
  }

  /// An image that calls dumb-init everywhere needs one variable more.
  @Test(
    arguments: dumbInits.filter(\.isOurs),
    [(isInterpreter: false, hasSession: true), (false, false), (true, false), (true, true)])
  func aGraceMakesAllThreeFinishUnderThatNameToo(subject: DialectSubject, row: (isInterpreter: Bool, hasSession: Bool)) async throws {
    let scratch = try ScratchDirectory()
    let path = try subject.path(in: scratch)
    let environment = ["LASTCALL_GRACE=40"] + (row.hasSession ? [] : ["DUMB_INIT_SETSID=0"])
    let run = try await start([path], interpreter: row.isInterpreter ? [path] : [], in: scratch, environment: environment)
    _ = lc_kill(try await initPid(run), SIGTERM)
    _ = try await run.code()
    #expect(count("cleaned", run) == 3, "\(run.output)")
    #expect(run.seconds < 20)
  }
}
