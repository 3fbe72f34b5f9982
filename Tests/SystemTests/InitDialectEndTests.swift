import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// How they end, what they do in one another and on a terminal, and where lastcall-init does better.
@Suite struct InitDialectEndTests {
  // MARK: The end

  @Test(arguments: DialectSubject.all)
  func whenTheCommandEndsOnlyDumbInitTellsItsGroup(subject: DialectSubject) async throws {
    let cases: [([String], Int32?)] =
      switch subject.tool {
      case .dumbInit: [([], 15), (["-r", "15:2"], 2), (["-r", "15:0"], nil), (["-c"], nil)]
      case .tini, .catatonit: [([], nil), (["-g"], nil)]
      }
    for (options, expected) in cases {
      let family = try await DialectFamily(subject, options, children: ["same", "apart"])
      _ = lc_kill(family.main, SIGQUIT)
      #expect(try await family.run.code() == 5)
      // At once: both live.
      for number: Int32 in [2, 15] {
        let told = try await family.told(number, among: ["apart", "same"])
        #expect(told == (number == expected ? ["same"] : []), "\(options)")
      }
    }
  }

  @Test(arguments: DialectSubject.all)
  func itDoesNotWaitForWhatIgnoresTERM(subject: DialectSubject) async throws {
    for options in subject.tool == .dumbInit ? [[]] : [[], ["-g"]] {
      let family = try await DialectFamily(subject, options, children: ["same"], ending: 15)
      try family.run.send(.term)
      #expect(try await family.run.code() == 5)
      #expect(lives(family.pids["same"] ?? 0), "\(options)")
    }
  }

  @Test(arguments: DialectSubject.all)
  func orphansComeOnlyToTheToolThatAdopts(subject: DialectSubject) async throws {
    let cases: [([String], [String], Bool)] =
      switch subject.tool {
      case .dumbInit: [([], [], false)]
      case .tini: [([], [], false), (["-s"], [], true), ([], ["TINI_SUBREAPER="], true)]
      case .catatonit: [([], [], true)]
      }
    for (options, environment, adopts) in cases {
      let script = "(sleep 1000 & echo orphan=$!); echo ready; exec sleep 1000"
      let run = try subject.start(options + ["--", "sh", "-c", script], environment: environment + ["TINI_VERBOSITY=0"])
      try await run.line("ready")
      let orphan = try run.pid("orphan")
      defer { _ = lc_kill(orphan, SIGKILL) }
      #expect((ProcessRecord(pid: orphan)?.parent == run.pid) == adopts, "\(options) \(environment)")
    }
  }

  @Test(arguments: DialectSubject.all.filter { $0.tool == .tini })
  func tiniNamesWhomItReaps(subject: DialectSubject) async throws {
    let script = "(until [ -e go ]; do sleep 0.01; done & echo orphan=$!); : > go; exec sleep 1000"
    let run = try subject.start(["-s", "-w", "--", "sh", "-c", script], environment: [])
    try await eventually("the line") {
      run.lines.contains {
        $0.hasPrefix("[WARN  tini (") && $0.hasSuffix("Reaped zombie process with pid=\((try? run.pid("orphan")) ?? 0)")
      }
    }
    try run.send(.term)
    #expect(try await run.code() == 143)
  }

  @Test(arguments: DialectSubject.all.filter { $0.tool == .tini }, ["SIGTERM", "SIGKILL"])
  func tiniHearsOfItsParentsDeath(subject: DialectSubject, signal: String) async throws {
    let run = try subject.shell("$X -p \(signal) -- sh -c 'trap \"echo told\" TERM; echo main=$$; while :; do sleep 0.02; done' & wait")
    try await eventually("the command") { (try? run.pid("main")) != nil }
    let main = try run.pid("main")
    defer { _ = lc_kill(main, SIGKILL) }
    let tini = try #require(ProcessRecord(pid: main)).parent
    try run.send(.kill)
    if signal == "SIGTERM" { try await run.line("told") } else { try await eventually("tini's end") { !lives(tini) } }
  }

  @Test(arguments: DialectSubject.all.filter { $0.tool == .catatonit })
  func catatonitPauses(subject: DialectSubject) async throws {
    for signal in [Signal.term, .int] {
      // An orphan of the shell that has become catatonit is reaped.
      let run = try subject.shell("sleep 0.01 & echo orphan=$!; exec $X -P")
      try await eventually("the orphan is reaped") { (try? run.pid("orphan")).map { kill($0, 0) != 0 } ?? false }
      try run.send(.hup)
      try run.send(.usr1)
      try run.send(signal)
      #expect(try await run.end() == .code(0))
    }
  }

  /// No signal tells of who ended before it was started.
  @Test(arguments: DialectSubject.ours.filter { $0.tool == .catatonit })
  func catatonitReapsWhatEndedBeforeItsStart(subject: DialectSubject) async throws {
    let script = """
      import os, sys
      child = os.fork()
      if child == 0: os._exit(0)
      os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
      print(f"child={child}", flush=True)
      os.execv(sys.argv[1], [sys.argv[1], "-P"])
      """
    let run = try subject.shell("exec python3 -c \"$SCRIPT\" $X", environment: ["SCRIPT=\(script)"])
    try await eventually("the child is reaped", within: 20) { (try? run.pid("child")).map { ProcessRecord(pid: $0) == nil } ?? false }
    try run.send(.term)
    #expect(try await run.end() == .code(0))
  }

  // MARK: In one another, and in scripts

  @Test(arguments: DialectSubject.all)
  func aScriptCanNameItAsItsInterpreter(subject: DialectSubject) async throws {
    let scratch = try ScratchDirectory()
    let script = try scratch.file("start", "#!\(try subject.path(in: scratch)) /bin/sh\necho arguments $*; exit 9\n")
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: script)
    let run = try InitRun(script, ["a", "b"], in: scratch, environment: ["TINI_VERBOSITY=0"])
    #expect(try await run.code() == 9)
    #expect(run.lines == ["arguments a b"])
  }

  @Test(arguments: DialectSubject.all)
  func itWorksInItselfAndWithExecInBetween(subject: DialectSubject) async throws {
    let run = try subject.shell(
      "exec $X -- sh -c 'exec $X -- $X -- sh -c \"trap \\\"exit 6\\\" TERM; echo ready; while :; do sleep 0.02; done\"'")
    try await run.line("ready")
    try run.send(.term)
    #expect(try await run.code() == 6)
  }

  // MARK: Terminals

  /// Runs a program on a terminal of its own, of whose session it is the leader, and prints what is written there.
  static let onTerminal = """
    import os, pty, sys
    pid, terminal = pty.fork()
    if pid == 0: os.execv(sys.argv[1], sys.argv[1:])
    while True:
      try: data = os.read(terminal, 65536)
      except OSError: break
      os.write(1, data.replace(b"\\r", b""))
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    """

  @Test(arguments: DialectSubject.all)
  func theCommandGetsTheTerminal(subject: DialectSubject) async throws {
    let scratch = try ScratchDirectory()
    let command = "set -o | grep monitor; sleep 0.05 & fg >/dev/null && echo foreground; python3 -c 'import os; open(\"/dev/tty\")'; exit 4"
    let arguments = ["-c", Self.onTerminal, try subject.path(in: scratch), "--", "bash", "-m", "-c", command]
    let run = try InitRun("/usr/bin/python3", arguments, in: scratch, environment: ["TINI_VERBOSITY=0", "TERM=dumb"]) {
      $0.group = .session
    }
    #expect(try await run.code() == 4)
    #expect(run.output.contains("monitor        \ton\nforeground\n") && run.lines.count == 2, "\(run.output)")
  }

  /// tini and catatonit leave a stopped program to a shell that does not know of it; dumb-init itself misses a Ctrl-Z now and then.
  @Test(arguments: DialectSubject.ours)
  func ctrlZStopsAndFgContinues(subject: DialectSubject) async throws {
    let scratch = try ScratchDirectory()
    let call = "TINI_VERBOSITY=0 \(try subject.path(in: scratch)) --"
    try await InitTerminalTests().type([
      ("prompt\\$ $", "\(call) bash -c 'echo rea''dy; read line; echo go''t $line; exit 6'; echo code=$?\n"),
      ("ready", "\u{1a}"),
      ("Stopped[\\s\\S]*prompt\\$ $", "echo she''ll\n"),
      ("shell\\s+prompt\\$ $", "fg; echo code=$?\n"),
      ("fg[\\s\\S]*\(subject.tool.rawValue)", "hello\n"),
      ("got hello\\s+code=6\\s+prompt\\$ $", "exit\n"),
    ])
  }

  /// tini and catatonit take the terminal from the shell at once, which ends it; dumb-init itself is no more to be relied on than above.
  @Test(arguments: DialectSubject.ours)
  func whatWasStartedInTheBackgroundReadsAfterFg(subject: DialectSubject) async throws {
    let scratch = try ScratchDirectory()
    try await InitTerminalTests().readsAfterFg("TINI_VERBOSITY=0 \(try subject.path(in: scratch)) --", name: subject.tool.rawValue)
  }

  // MARK: Better than the tools

  @Test(arguments: DialectSubject.ours)
  func noEarlySignalIsLost(subject: DialectSubject) async throws {
    for options in subject.tool == .dumbInit ? [[], ["-c"]] : [["-g"]] {
      for attempt in 0..<60 {
        let run = try subject.start(options + ["--", "sleep", "100"])
        // 0 to 3 ms after the start.
        usleep(UInt32(attempt * 50))
        try run.send(.term)
        let code = try await run.code()
        #expect(code == 143 && run.seconds < 60, "\(options), attempt \(attempt)")
        if code != 143 || run.seconds > 60 { return }
      }
    }
  }

  @Test(arguments: DialectSubject.ours)
  func aGraceAddsAStopThatWaitsForAll(subject: DialectSubject) async throws {
    let environment = ["LASTCALL_GRACE=100"]
    let family = try await DialectFamily(subject, children: ["same", "apart", "--cleans"], ending: 15, environment: environment)
    // All others are passed on as before.
    try family.run.send(.usr1)
    try await family.heard(10, by: "main")
    try family.run.send(.term)
    #expect(try await family.run.code() == 5)
    for name in ["same", "apart"] { #expect(family.run.lines.contains(name + " cleaned"), "\(family.run.output)") }
    #expect(family.run.seconds < 60)
  }

  @Test(arguments: DialectSubject.ours)
  func aGraceBoundsWhatIsDeaf(subject: DialectSubject) async throws {
    let family = try await DialectFamily(subject, children: ["same", "apart"], ending: 15, environment: ["LASTCALL_GRACE=1"])
    try family.run.send(.term)
    #expect(try await family.run.code() == 5)
    for name in ["same", "apart"] { #expect(!lives(family.pids[name] ?? 0), "\(name)") }
  }

  @Test(arguments: DialectSubject.ours)
  func aPlanReplacesTheSignal(subject: DialectSubject) async throws {
    let family = try await DialectFamily(subject, environment: ["LASTCALL_STOP=QUIT/100/KILL"])
    try family.run.send(.term)
    #expect(try await family.run.code() == 5)
    #expect(family.run.lines.last == "main got 3" && !family.run.lines.contains("main got 15"))
  }

  @Test(arguments: DialectSubject.ours.filter { $0.tool == .dumbInit })
  func aRewriteHoldsForTheStopToo(subject: DialectSubject) async throws {
    let family = try await DialectFamily(subject, ["-r", "15:2"], ending: 2, environment: ["LASTCALL_GRACE=100"])
    try family.run.send(.term)
    #expect(try await family.run.code() == 5)
    #expect(!family.run.lines.contains("main got 15") && family.run.seconds < 60)
  }
}
