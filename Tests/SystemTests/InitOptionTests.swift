import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// lastcall-init's options, each by what it does to real programs; those with a value by the environment too.
@Suite struct InitOptionTests {
  /// Says which signals come; QUIT ends it.
  static let listener = """
    for name in HUP INT USR1 TERM; do trap "echo got $name" $name; done
    trap 'echo got QUIT; exit 5' QUIT
    echo ready; while :; do sleep 0.02; done
    """

  @Test(arguments: InitBinary.all, [true, false])
  func signalsAreRewrittenOrDropped(binary: InitBinary, byEnvironment: Bool) async throws {
    let options = byEnvironment ? [] : ["-r", "TERM:INT", "--rewrite=1:USR1", "-r", "USR2:ignore,RTMIN+1:0"]
    let environment = byEnvironment ? ["LASTCALL_REWRITE=TERM:INT,1:USR1,USR2:ignore,RTMIN+1:0"] : []
    let run = try InitRun.script(binary, options + ["--grace", "60"], shell: "bash", Self.listener, environment: environment)
    try await run.line("ready")
    for signal in [Signal.usr2, .hup] { try run.send(signal) }
    try run.send(try #require(Signal("RTMIN+1")))
    try await run.line("got USR1")
    try run.send(.term)
    try await run.line("got INT")
    try run.send(.quit)
    #expect(try await run.code() == 5)
    #expect(!run.lines.contains("got TERM") && !run.lines.contains("got HUP"))
  }

  @Test(
    arguments: InitBinary.all,
    [
      (["--exit", "143=0"], "kill -TERM $$", 0), (["--exit=1-5=9"], "exit 3", 9), (["--exit", "1-5=9,3=4"], "exit 3", 4),
      (["--exit", "1-5=9"], "exit 6", 6),
    ] as [([String], String, UInt8)])
  func exitCodesAreMapped(binary: InitBinary, _ test: (options: [String], script: String, code: UInt8)) async throws {
    #expect(try await InitRun.script(binary, test.options, test.script).code() == test.code)
    let variable = "LASTCALL_EXIT=" + (test.options.last ?? "").replacingOccurrences(of: "--exit=", with: "")
    #expect(try await InitRun.script(binary, [], test.script, environment: [variable]).code() == test.code)
  }

  @Test(arguments: InitBinary.all)
  func aHookRunsAndAPauseIsMadeBeforeTheSignal(binary: InitBinary) async throws {
    let hook = "sh -c 'echo hook \"$0\"; kill -0 '\"$PPID 2>/dev/null; \"' exit 7' 'a b'"
    let run = try InitRun.script(
      binary, ["--pre-stop", hook, "--pause", "0.3", "--grace", "60"],
      "trap 'echo told; exit 4' TERM; echo ready; while :; do sleep 0.02; done")
    try await run.line("ready")
    let asked = ContinuousClock.now
    try run.send(.term)
    #expect(try await run.code() == 4)
    #expect(ContinuousClock.now - asked >= .milliseconds(300))
    let lines = run.lines.filter { $0 != "Terminated" }
    #expect(lines == ["ready", "hook a b", "lastcall-init: the hook failed; the stop goes on", "told"], "\(run.output)")
  }

  @Test(arguments: InitBinary.all)
  func scopeChoosesWhoIsTold(binary: InitBinary) async throws {
    let script = """
      setsid bash -c 'trap "echo apart HUP" HUP; echo apart; while :; do sleep 0.02; done' &
      bash -c 'trap "echo same HUP" HUP; echo same; while :; do sleep 0.02; done' &
      trap 'echo main HUP' HUP; echo main; while :; do sleep 0.02; done
      """
    for (scope, told) in [("main", ["main"]), ("group", ["main", "same"]), ("tree", ["main", "same", "apart"])] {
      let run = try InitRun.script(binary, ["--scope", scope, "--grace", "0"], shell: "bash", script)
      for name in ["main", "same", "apart"] { try await run.line(name) }
      try run.send(.hup)
      for name in told { try await run.line(name + " HUP") }
      try run.send(.term)
      #expect(try await run.code() == 137)
      #expect(run.lines.filter { $0.hasSuffix("HUP") }.count == told.count, "\(scope): \(run.output)")
    }
  }

  @Test(arguments: InitBinary.all)
  func aParentsDeathIsASignal(binary: InitBinary) async throws {
    let scratch = try ScratchDirectory()
    let script =
      "\(binary.path) --parent-death HUP sh -c 'trap \"echo orphaned; exit\" HUP; echo up; while :; do sleep 0.02; done' & sleep 1000"
    let parent = try InitRun("/bin/bash", ["-c", script], in: scratch)
    try await eventually("the program") { parent.lines.contains("up") }
    try parent.send(.kill)
    _ = try await parent.end()
    try await eventually("the signal") { parent.lines.contains("orphaned") }
  }

  @Test(arguments: InitBinary.all)
  func theSessionIsChosen(binary: InitBinary) async throws {
    let print = "python3 -c 'import os; print(os.getsid(0) == os.getpid(), os.getpgrp() == os.getpid())'"
    for (options, wanted) in [(["--setsid"], "True True"), (["--no-setsid"], "False True")] {
      let run = try InitRun.script(binary, options, "exec " + print)
      #expect(try await run.code() == 0)
      #expect(run.lines == [wanted], "\(options)")
    }
  }

  @Test(arguments: InitBinary.all)
  func eventsGoToAFileAsJSONLines(binary: InitBinary) async throws {
    let scratch = try ScratchDirectory()
    let path = scratch.path + "/events"
    let run = try InitRun.script(
      binary, ["--events", path],
      "exec python3 -c 'import os, signal, time; signal.signal(15, lambda *_: time.sleep(1.2) or os._exit(3)); print(\"ready\", flush=True); time.sleep(1000)'",
      in: scratch)
    try await run.line("ready")
    try run.send(.term)
    #expect(try await run.code() == 3)
    let events = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map {
      try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: any Sendable])
    }
    let names = events.compactMap { $0["event"] as? String }
    for name in ["started", "stopBegan", "step", "signalled", "waiting", "exited", "ended"] { #expect(names.contains(name), "\(name)") }
    #expect(events.map { $0["seq"] as? Int } == Array(1...events.count))
    let waiting = try #require(events.first { $0["event"] as? String == "waiting" })
    #expect((waiting["for"] as? String)?.contains("python3") == true, "\(waiting)")
    #expect(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o600)
  }

  @Test(arguments: InitBinary.all)
  func verboseSaysWhatHappensInWords(binary: InitBinary) async throws {
    let run = try InitRun.script(binary, ["-v", "--grace", "60"], "trap 'exit 3' TERM; echo ready; while :; do sleep 0.02; done")
    try await run.line("ready")
    try run.send(.hup)
    try run.send(.term)
    _ = try await run.code()
    let said = run.lines.filter { $0.hasPrefix("lastcall-init: ") }.map { $0.dropFirst(15) }
    #expect(said.contains("forwarded HUP"), "\(run.output)")
  }

  @Test(arguments: InitBinary.all)
  func aZombieWhoseParentDoesNotReapItIsNamedAsSuch(binary: InitBinary) async throws {
    let script =
      "exec python3 -c 'import os, signal, time; signal.signal(15, lambda *_: time.sleep(1.5) or os._exit(0)); pid = os.fork() or os._exit(0); os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT); print(\"ready\", flush=True); time.sleep(1000)'"
    let run = try InitRun.script(binary, ["-v", "--grace", "60"], script)
    try await run.line("ready")
    try run.send(.term)
    _ = try await run.code()
    #expect(run.output.contains("a zombie: its parent "), "\(run.output)")
  }

  @Test(arguments: InitBinary.all, ["-v", "--events=2"])
  func aReaderThatIsGoneHoldsNothingUp(binary: InitBinary, option: String) async throws {
    let script = "exec 2> >(exec 0<&-; true); sleep 0.2; exec \(binary.path) \(option) --grace 60 sh -c 'sleep 0.3; exit 3'"
    #expect(try await InitRun("/bin/bash", ["-c", script]).code() == 3)
  }

  @Test(arguments: InitBinary.all)
  func eventsOnAStandardStreamLeaveItToTheCommandToo(binary: InitBinary) async throws {
    let run = try InitRun(binary.path, ["--events", "1", "--", "sh", "-c", "echo hi"])
    #expect(try await run.code() == 0)
    #expect(run.lines.contains("hi") && run.output.contains("\"event\":\"ended\""), "\(run.output)")
  }

  @Test(arguments: InitBinary.all)
  func eventsToAPipeThatNobodyReadsAreRefused(binary: InitBinary) async throws {
    let scratch = try ScratchDirectory()
    #expect(mkfifo(scratch.path + "/pipe", 0o600) == 0)
    let run = try InitRun(binary.path, ["--events", scratch.path + "/pipe", "true"], in: scratch)
    #expect(try await run.code() == 125)
  }

  @Test(arguments: InitBinary.all)
  func aProgramWhoseFirstThreadHasEndedIsTold(binary: InitBinary) async throws {
    let program = """
      import ctypes, signal, threading, time, os
      signal.signal(signal.SIGTERM, signal.SIG_DFL)
      threading.Thread(target=lambda: (print("ready", flush=True), time.sleep(1000))).start()
      ctypes.CDLL(None).pthread_exit(None)
      """
    let run = try InitRun(binary.path, ["--stop", "TERM@tree/20", "--grace", "30", "python3", "-c", program])
    try await run.line("ready")
    try await eventually("the first thread's end") {
      ProcessTree.descendants(of: run.pid).contains { $0.state == UInt8(ascii: "Z") }
    }
    try run.send(.term)
    #expect(try await run.code() == 143)
    #expect(run.seconds < 15)
  }

  @Test(arguments: InitBinary.all)
  func aHookThatFailsIsSaidAndTheStopGoesOn(binary: InitBinary) async throws {
    // It has our own nice value, whatever precedence we take.
    let run = try InitRun(
      "/usr/bin/nice",
      ["-n", "5", binary.path, "--pre-stop", "sh -c 'echo nice=$(nice); exit 3'", "sh", "-c", "echo ready; exec sleep 1000"])
    try await run.line("ready")
    try await eventually("sleep") { run.commandOfChild == "sleep" }
    try run.send(.term)
    #expect(try await run.code() == 143)
    #expect(run.lines == ["ready", "nice=5", "lastcall-init: the hook failed; the stop goes on"], "\(run.output)")
  }

  @Test(arguments: InitBinary.all, ["0", "no", "off", "false"])
  func aSwitchCanBeSetToNothing(binary: InitBinary, value: String) async throws {
    let run = try InitRun(binary.path, ["echo", "hi"], environment: ["LASTCALL_VERBOSE=" + value])
    #expect(try await run.code() == 0)
    #expect(run.output == "hi\n")
  }

  /// One line for a whole group, one for who has left it.
  @Test(arguments: InitBinary.all)
  func verboseSaysWhoWasTold(binary: InitBinary) async throws {
    let run = try InitRun.script(
      binary, ["-v", "--grace", "60"],
      "sleep 1000 & echo same=$!; setsid sleep 1000 & echo apart=$!; echo main=$$; trap 'exit 3' TERM; echo ready; wait"
    )
    try await run.line("ready")
    let (main, apart) = (try run.pid("main"), try run.pid("apart"))
    try await eventually("a session of its own") { ProcessRecord(pid: apart)?.session == apart }
    try run.send(.term)
    #expect(try await run.code() == 3)
    let told = run.lines.filter { $0.contains(": signalled ") }.map { $0.dropFirst("lastcall-init: signalled ".count) }
    #expect(told == ["\(main) TERM sh", "-\(main) TERM all", "\(apart) TERM sleep"], "\(run.output)")
  }

  @Test(arguments: InitBinary.all)
  func dryRunSaysInWhichOrderSidecarsAreStopped(binary: InitBinary) async throws {
    let run = try InitRun(
      binary.path, ["--dry-run", "--grace", "20", "--with", "a: touch started", "--with", "b: touch started", "touch", "started"])
    #expect(try await run.code() == 0)
    #expect(
      run.lines.prefix(3).map { $0.prefix(7) } == ["plan: T", "then b,", "then a,"] && run.lines[0].hasSuffix("grace 15"), "\(run.output)")
    #expect(!FileManager.default.fileExists(atPath: run.scratch.path + "/started"))
  }

  @Test(arguments: InitBinary.all)
  func dryRunSaysThePlanAndWhatIsOdd(binary: InitBinary) async throws {
    let run = try InitRun(binary.path, ["--dry-run", "touch", "started"], environment: ["DUMB_INIT_SETSID=0"]) {
      $0.defaulted = 0
      $0.ignored = 1 << UInt64(Signal.term.number - 1)
    }
    #expect(try await run.code() == 0)
    #expect(run.output.contains("plan: TERM/4?/TERM@rest, grace 8"), "\(run.output)")
    #expect(run.output.contains("odd: TERM is inherited as ignored"), "\(run.output)")
    #expect(run.output.contains("odd: DUMB_INIT_SETSID=0"), "\(run.output)")
    #expect(!FileManager.default.fileExists(atPath: run.scratch.path + "/started"))
  }

  @Test(
    arguments: InitBinary.all,
    [
      (["-r", "TERM"], "-r \"TERM\": expected SIGNAL:SIGNAL"), (["-r", "KILL:INT"], "expected signals that can be caught"),
      (["--exit", "256=0"], "expected exit codes"), (["--exit", "5-1=0"], "expected exit codes"),
      (["--exit", "5-=0"], "expected exit codes"),
      (["--pre-stop", "echo 'x"], "a quote is not closed"), (["--pre-stop", "  "], "expected a command"),
      (["--scope", "rest"], "expected main, group or tree"), (["--no-stop"], "unknown option"),
      (["--no-setsid=1", "true"], "unknown option"), (["--pause"], "expected a value"),
    ] as [([String], String)])
  func whatIsWrongIsNamed(binary: InitBinary, _ test: (options: [String], says: String)) async throws {
    let run = try InitRun(binary.path, test.options)
    #expect(try await run.code() == 2)
    #expect(run.output.contains(test.says), "\(run.output)")
  }
}

/// What says which options there are.
@Suite struct InitOptionTextTests {
  private static let repository = URL(fileURLWithPath: #filePath).appending(path: "../../..").standardized.path + "/"

  /// The long options that `--help` names.
  private func options(_ binary: InitBinary) async throws -> Set<String> {
    let run = try InitRun(binary.path, ["--help"])
    #expect(try await run.code() == 0)
    return Set(run.output.matches(of: /--[a-z][a-z-]+/).map { String($0.output) })
  }

  @Test(
    arguments: InitBinary.all,
    ["docs/lastcall-init.1", "completions/lastcall-init.bash", "completions/_lastcall-init", "completions/lastcall-init.fish"])
  func everyOptionIsInTheManualAndTheCompletions(binary: InitBinary, file: String) async throws {
    let text = try String(contentsOfFile: Self.repository + file, encoding: .utf8).replacingOccurrences(of: "\\-", with: "-")
    let options = try await options(binary)
    #expect(options.count > 20)
    for option in options {
      let written = file.hasSuffix("fish") ? " -l " + option.dropFirst(2) : option
      #expect(text.contains(written), "\(option)")
    }
  }

  @Test func bashCompletesOptionsAndTheirValues() async throws {
    let script = """
      source completions/lastcall-init.bash
      complete_() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _lastcall_init; echo "${COMPREPLY[@]}"; }
      complete_ lastcall-init --with-; complete_ lastcall-init --grace 3 --until ''; complete_ lastcall-init beg
      """
    let run = try InitRun("/bin/bash", ["-c", script]) { $0.directory = Path(string: Self.repository) }
    #expect(try await run.code() == 0)
    #expect(run.lines == ["--with-policy", "tree main", "began"], "\(run.output)")
  }
}
