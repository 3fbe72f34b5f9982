import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// `--main-policy restart`: a main process that is started again, by an init that stays the same.
@Suite struct InitRestartTests {
  /// Ends the first time, then serves.
  private static let twice = "if [ -e once ]; then trap 'exit 6' TERM; echo again; while :; do sleep 0.02; done; fi; : > once; exit 3"

  @Test(arguments: InitBinary.all)
  func theSecondIsStoppedLikeTheFirst(binary: InitBinary) async throws {
    let scratch = try ScratchDirectory()
    let run = try InitRun.script(binary, ["--main-policy", "restart", "--grace", "60"], Self.twice, in: scratch)
    try await run.line("again")
    try run.send(.term)
    #expect(try await run.code() == 6)
    #expect(run.seconds < 50)
  }

  /// The stop that ended the first one's tree has a last moment at which it is told what is waited for; it is over.
  @Test(arguments: InitBinary.all)
  func nothingIsToldOfAStopThatIsOver(binary: InitBinary) async throws {
    let scratch = try ScratchDirectory()
    let script =
      "[ -e once ] || { (trap '' TERM; : > deaf; sleep 1.2; echo rest over) & until [ -e deaf ]; do sleep 0.01; done; }\n" + Self.twice
    let run = try InitRun.script(binary, ["-v", "--main-policy", "restart", "--grace", "60"], script, in: scratch)
    try await run.line("again")
    #expect(run.lines.contains("rest over"), "\(run.output)")
    let before = run.contextSwitches
    #expect(before != nil)
    try await Task.sleep(for: .seconds(2))
    #expect(run.contextSwitches == before)
    try run.send(.term)
    #expect(try await run.code() == 6)
  }

  /// What was told at once, the first one's group, is not the second one's.
  @Test(arguments: InitBinary.all)
  func theSecondIsToldThoughTheFirstLeftSomebody(binary: InitBinary) async throws {
    let scratch = try ScratchDirectory()
    let script = "[ -e once ] || { sleep 1000 & : > once; exit 1; }; trap 'exit 6' TERM; echo again; while :; do :; done"
    let run = try InitRun.script(binary, ["--main-policy", "restart", "--stop", "TERM/60/KILL"], script, in: scratch)
    try await run.line("again")
    try run.send(.term)
    #expect(try await run.code() == 6)
    #expect(run.seconds < 50)
  }

  /// The precedence that we take for a stop does not go to whom we start after it.
  @Test(arguments: InitBinary.all)
  func theSecondHasTheNiceValueOfTheFirst(binary: InitBinary) async throws {
    let scratch = try ScratchDirectory()
    let script = "echo nice=$(nice); [ -e once ] || { setsid sleep 1000 & : > once; exit 1; }; exec sleep 1000"
    let run = try InitRun("/usr/bin/nice", ["-n", "5", binary.path, "--main-policy", "restart", "sh", "-c", script], in: scratch)
    try await eventually("the second") { run.lines.count == 2 }
    #expect(run.lines == ["nice=5", "nice=5"])
    try run.send(.term)
    #expect(try await run.code() == 143)
  }

  @Test(arguments: InitBinary.all)
  func aCommandThatIsNotThereIsNotStartedAgain(binary: InitBinary) async throws {
    #expect(try await InitRun(binary.path, ["--main-policy", "restart", "no-such-command"]).code() == 127)
  }

  /// KILL for what the first one left says nothing of the second.
  @Test(arguments: InitBinary.all)
  func aTimeoutOfTheSecondIsNoKill(binary: InitBinary) async throws {
    let scratch = try ScratchDirectory()
    let script = """
      if [ -e once ]; then exec sleep 1000; fi
      (trap '' TERM; : > deaf; sleep 1000) & until [ -e deaf ]; do sleep 0.01; done; : > once; exit 1
      """
    let run = try InitRun.script(
      binary, ["-v", "--main-policy", "restart", "--timeout", "5", "--stop", "TERM@tree/0.2/KILL"], script, in: scratch)
    #expect(try await run.code() == 124, "\(run.output)")
    #expect(run.output.contains("killing"))
  }

  @Test(arguments: InitBinary.all)
  func aTimeoutEndsWhatIsStartedAgainAndAgain(binary: InitBinary) async throws {
    let run = try InitRun.script(binary, ["--main-policy", "restart", "--timeout", "0.5", "--grace", "60"], "echo ran; exit 3")
    // Between two starts there is no command that has used up its time: the status is that of the last.
    #expect(try await run.code() == 3)
    #expect(run.seconds < 50 && run.lines.contains("ran"))
  }

  @Test(arguments: InitBinary.all)
  func aTimeoutEndsSidecarsWhoseMainProgramIsGone(binary: InitBinary) async throws {
    let run = try InitRun(
      binary.path,
      [
        "--main-policy", "ignore", "--timeout", "0.5", "--grace", "60", "--with",
        "a: sh -c 'trap \"echo told; exit\" TERM; echo up; while :; do sleep 0.02; done'", "sh", "-c", "exit 4",
      ])
    #expect(try await run.code() == 4)
    #expect(run.seconds < 50)
  }

  @Test(arguments: InitBinary.all)
  func aSecondCtrlCEndsItForGood(binary: InitBinary) async throws {
    try await InitTerminalTests().type([
      (
        "prompt\\$ $",
        .keys(
          "\(binary.path) -v --main-policy restart --grace 60 bash -c 'trap \"echo in''t\" INT; trap \"exit 6\" TERM; echo rea''dy; "
            + "[ -e once ] || { : > once; exit 3; }; while :; do :; done'; echo code=$?\n")
      ),
      ("ready[\\s\\S]*ready", "\u{3}"),
      ("interrupted", "\u{3}"),
      ("code=6\\s+prompt\\$ $", "exit\n"),
    ])
  }

  /// Nothing of it runs then that the terminal could give the Ctrl-C to.
  @Test(arguments: InitBinary.all)
  func ctrlCEndsItAlsoBetweenTwoStarts(binary: InitBinary) async throws {
    try await InitTerminalTests().type([
      ("prompt\\$ $", "\(binary.path) -v --main-policy restart --grace 60 sh -c 'exit 3'; echo code=$?\n"),
      ("exited \\d+ code 3", "\u{3}"),
      ("code=\\d+\\s+prompt\\$ $", "exit\n"),
    ])
  }
}
