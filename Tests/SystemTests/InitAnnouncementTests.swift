import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// `lastcall-init began`: a stop that is announced before it is asked for.
@Suite struct InitAnnouncementTests {
  private static let service = """
    trap 'echo noticed' USR1; trap 'echo told; exit 0' TERM; echo ready; while :; do sleep 0.02; done
    """

  /// Runs the hook and waits for its end.
  private func began(_ binary: InitBinary, _ arguments: String...) async throws -> (code: UInt8, seconds: Double, output: String) {
    let hook = try InitRun(binary.path, ["began"] + arguments)
    return (try await hook.code(), hook.seconds, hook.output)
  }

  private func deadline(_ run: InitRun, _ event: String) throws -> Int64 {
    let lines = try String(contentsOfFile: run.scratch.path + "/events", encoding: .utf8).split(separator: "\n")
    for line in lines {
      let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
      if object?["event"] as? String == event, let deadline = object?["deadline"] as? Int64 { return deadline }
    }
    throw Failure("no \(event) with a deadline in \(lines)")
  }

  @Test(arguments: InitBinary.all)
  func noticeIsGivenThePauseIsTheHooksAndTheDeadlineIsKept(binary: InitBinary) async throws {
    let scratch = try ScratchDirectory()
    let file = try scratch.file("stopping", "left from before")
    let run = try InitRun.script(
      binary, ["--pause", "0.4", "--grace", "60", "--notice", "USR1", "--notice-file", file, "--events", scratch.path + "/events"],
      Self.service, in: scratch)
    try await run.line("ready")
    #expect(!FileManager.default.fileExists(atPath: file))
    let before = Clock.now
    let hook = try await began(binary, "30", String(run.pid))
    #expect(hook.code == 0, "\(hook.output)")
    #expect(hook.seconds >= 0.4)
    try await run.line("noticed")
    #expect(FileManager.default.fileExists(atPath: file))
    // The stop has what is left of the announced time, not its own grace, and does not pause again.
    let announced = try deadline(run, "stopAnnounced")
    #expect(announced >= (before + .seconds(30)).nanoseconds && announced <= (Clock.now + .seconds(30)).nanoseconds)
    try run.send(.term)
    #expect(try await run.code() == 0)
    let began = try deadline(run, "stopBegan")
    #expect(abs(began - announced) < 1_000_000_000)
    #expect(run.lines.filter { $0 == "noticed" }.count == 1)
  }

  @Test(arguments: InitBinary.all)
  func withoutAHookNoticeIsGivenWhenTheStopBegins(binary: InitBinary) async throws {
    let scratch = try ScratchDirectory()
    let run = try InitRun.script(
      binary, [], Self.service, in: scratch,
      environment: ["LASTCALL_PAUSE=0.2", "LASTCALL_NOTICE=USR1", "LASTCALL_NOTICE_FILE=\(scratch.path)/stopping", "LASTCALL_GRACE=60"])
    try await run.line("ready")
    try run.send(.term)
    #expect(try await run.code() == 0)
    #expect(run.lines.filter { $0 == "noticed" || $0 == "told" } == ["noticed", "told"], "\(run.output)")
    #expect(FileManager.default.fileExists(atPath: scratch.path + "/stopping"))
  }

  @Test(arguments: InitBinary.all)
  func anAnnouncementThatIsRepeatedDoesNotLengthenTheStop(binary: InitBinary) async throws {
    let scratch = try ScratchDirectory()
    let run = try InitRun.script(binary, ["--grace", "60", "--events", scratch.path + "/events"], Self.service, in: scratch)
    try await run.line("ready")
    for time in ["20", "40"] { #expect(try await began(binary, time, String(run.pid)).code == 0) }
    try run.send(.term)
    #expect(try await run.code() == 0)
    #expect(try deadline(run, "stopBegan") <= (Clock.now + .seconds(20)).nanoseconds)
  }

  /// Each container of a pod may have a hook, and a signal that comes while one like it waits is lost.
  @Test(arguments: InitBinary.all)
  func hooksThatCallAtOnceAreAllAnswered(binary: InitBinary) async throws {
    let run = try InitRun.script(binary, ["--grace", "60"], Self.service)
    try await run.line("ready")
    let hooks = try (0..<16).map { _ in try InitRun(binary.path, ["began", "30", String(run.pid)]) }
    for hook in hooks { #expect(try await hook.code() == 0, "\(hook.output)") }
    try run.send(.term)
    #expect(try await run.code() == 0)
  }

  @Test(arguments: InitBinary.all)
  func aHookThatComesWhenTheStopHasBegunIsAnsweredToo(binary: InitBinary) async throws {
    let run = try InitRun.script(
      binary, ["-v", "--grace", "60"], "trap 'echo told' TERM; trap 'exit 5' USR1; echo ready; while :; do sleep 0.02; done")
    try await run.line("ready")
    try run.send(.term)
    try await run.line("told")
    let hook = try await began(binary, "4", String(run.pid))
    #expect(hook.code == 0 && hook.seconds < 4, "\(hook.output)")
    try run.send(.usr1)
    #expect(try await run.code() == 5)
  }

  @Test(arguments: InitBinary.all)
  func aPauseIsNoLongerThanWhatWasAnnounced(binary: InitBinary) async throws {
    let run = try InitRun.script(binary, ["--pause", "50", "--grace", "100"], Self.service)
    try await run.line("ready")
    let hook = try await began(binary, "2", String(run.pid))
    #expect(hook.code == 0 && hook.seconds < 30, "\(hook.output)")
    try run.send(.term)
    #expect(try await run.code() == 0)
    #expect(run.seconds < 40)
  }

  /// The pause of a plan is the plan's, whatever a hook has announced.
  @Test(arguments: InitBinary.all)
  func aPauseThatAPlanNamesIsKept(binary: InitBinary) async throws {
    let scratch = try ScratchDirectory()
    let run = try InitRun.script(
      binary, ["--stop", "pause(600ms)/TERM/50/KILL", "--events", scratch.path + "/events"], Self.service, in: scratch)
    try await run.line("ready")
    #expect(try await began(binary, "40", String(run.pid)).code == 0)
    let asked = ContinuousClock.now
    try run.send(.term)
    #expect(try await run.code() == 0)
    #expect(ContinuousClock.now - asked >= .milliseconds(600))
  }

  @Test(arguments: InitBinary.all)
  func whoIsNoKeeperIsNotHarmed(binary: InitBinary) async throws {
    let other = try InitRun("/bin/sleep", ["1000"])
    defer { _ = lc_kill(other.pid, SIGKILL) }
    let hook = try await began(binary, "30", String(other.pid))
    #expect(hook.code == 1 && hook.output.contains("no answer"), "\(hook.output)")
    #expect(lives(other.pid))
  }

  @Test(arguments: InitBinary.all, [["x"], ["30", "y"], ["30", "1", "z"], ["0"], ["-5"]])
  func whatIsNoTimeIsSaid(binary: InitBinary, arguments: [String]) async throws {
    let hook = try InitRun(binary.path, ["began"] + arguments)
    #expect(try await hook.code() == 2)
    #expect(hook.output.contains("usage: lastcall-init began"))
  }
}
