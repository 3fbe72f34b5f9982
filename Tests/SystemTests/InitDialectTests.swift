import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// lastcall-init called by the name of another tool does what that tool does; what it must do better, it does better.
@Suite struct InitDialectTests {
  private typealias Tool = DialectSubject.Tool

  // MARK: Options, environment, exit codes

  @Test(arguments: DialectSubject.all)
  func optionsAndExitCodesAreTheToolsOwn(subject: DialectSubject) async throws {
    let scratch = try ScratchDirectory()
    let script = try scratch.file("script", "echo hi $1\nexit 7\n")
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: script)
    for row in DialectRow.common(subject.tool) + DialectRow.own(subject.tool) {
      let environment = row.environment.contains { $0.hasPrefix("TINI_") } ? [] : ["TINI_VERBOSITY=0"]
      let (code, output, errors) = try await subject.outcome(row.arguments, in: scratch, environment: environment + row.environment)
      let call = "\(row.environment) \(row.arguments): \(code) \"\(output)\" \"\(errors)\""
      #expect(code == row.code && output == row.output, "\(call)")
      if let says = row.says { #expect(!errors.isEmpty == says, "\(call)") }
      if row.arguments.first == "/no/such", subject.isOurs || subject.tool != .catatonit { #expect(errors.contains("/no/such"), "\(call)") }
    }
  }

  @Test(arguments: DialectSubject.all)
  func helpAndVersionGoWhereTheToolSendsThem(subject: DialectSubject) async throws {
    let scratch = try ScratchDirectory()
    let streams: (help: Int, version: Int, begins: String) =
      switch subject.tool {
      case .dumbInit: (2, 2, "dumb-init v")
      case .tini: (1, 1, "tini version ")
      case .catatonit: (2, 1, "tini version ")
      }
    for (arguments, stream, begins) in [
      (["-h"], streams.help, ""), (["-h", "-z"], streams.help, ""), (["--version"], streams.version, streams.begins),
    ] {
      let (code, output, errors) = try await subject.outcome(arguments, in: scratch, environment: [])
      #expect(code == 0, "\(arguments)")
      #expect(output.isEmpty == (stream == 2) && errors.isEmpty == (stream == 1), "\(arguments): \(output) \(errors)")
      #expect((output + errors).hasPrefix(begins), "\(output) \(errors)")
    }
  }

  @Test(arguments: DialectSubject.all)
  func whatIsSaidBeginsAsScriptsExpect(subject: DialectSubject) async throws {
    let scratch = try ScratchDirectory()
    let beginnings: [Tool: [String]] = [
      .dumbInit: ["[dumb-init] "], .tini: ["[WARN  tini (", "[FATAL tini ("], .catatonit: ["ERROR (catatonit:", "FATAL (catatonit:"],
    ]
    let (_, _, errors) = try await subject.outcome(["/no/such"], in: scratch, environment: [])
    let expected = beginnings[subject.tool] ?? []
    #expect(expected.contains { errors.hasPrefix($0) } && errors.contains(expected.last ?? "") || subject.tool == .catatonit, "\(errors)")
    // tini warns when nobody's orphans come to it, unless it is told not to.
    for (environment, says) in [("TINI_VERBOSITY=1", true), ("TINI_VERBOSITY=", false), ("TINI_SUBREAPER=", false)] {
      let (code, output, errors) = try await subject.outcome(["true"], in: scratch, environment: [environment])
      #expect(code == 0 && output.isEmpty && !errors.isEmpty == (says && subject.tool == .tini), "\(environment): \(errors)")
    }
  }

  @Test(arguments: DialectSubject.all)
  func everyCodeAndSignalOfTheCommandBecomesTheExitCode(subject: DialectSubject) async throws {
    let run = try subject.shell(
      """
      ulimit -c 0
      for code in 0 1 2 3 77 124 125 126 127 128 129 143 254 255; do
        $X -- sh -c "exit $code"; got=$?; [ $got = $code ] || echo "$code: $got"
      done
      for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 24 25 26 27 29 30 31 34 64; do
        $X -- sh -c "kill -$n \\$\\$"; got=$?; [ $got = $((128 + n)) ] || echo "signal $n: $got"
      done
      """)
    #expect(try await run.code() == 0)
    #expect(run.output == "")
  }

  @Test(arguments: InitBinary.all, ["docker-init", "tini-static"])
  func tiniHasTwoMoreNames(binary: InitBinary, name: String) async throws {
    let scratch = try ScratchDirectory()
    try FileManager.default.createSymbolicLink(atPath: scratch.path + "/" + name, withDestinationPath: binary.path)
    let script = "\(scratch.path)/\(name) --version; TINI_SUBREAPER= PATH=\(scratch.path):$PATH \(name) -- sh -c 'exit 3'; echo code=$?"
    let run = try InitRun("/bin/sh", ["-c", script], in: scratch)
    #expect(try await run.code() == 0)
    #expect(run.output.hasPrefix("tini version ") && run.lines.last == "code=3" && run.lines.count == 2, "\(run.output)")
  }

  @Test(arguments: InitBinary.all)
  func aCopyIsAsGoodAsALink(binary: InitBinary) async throws {
    let scratch = try ScratchDirectory()
    try FileManager.default.copyItem(atPath: (binary.path as NSString).resolvingSymlinksInPath, toPath: scratch.path + "/dumb-init")
    #expect(try await InitRun(scratch.path + "/dumb-init", ["no-such-command"], in: scratch).code() == 2)
  }

  /// A shell's other jobs are in the group of a dumb-init whose command cannot be executed.
  @Test(arguments: DialectSubject.all)
  func aCommandThatCannotBeExecutedHarmsNobody(subject: DialectSubject) async throws {
    let run = try subject.shell("trap 'echo told' TERM; $X /no/such 2>/dev/null; echo ended")
    #expect(try await run.code() == 0)
    #expect(run.lines == ["ended"])
  }

  // MARK: Signals

  @Test(arguments: DialectSubject.all)
  func signalsArePassedOn(subject: DialectSubject) async throws {
    var numbers = Set<Int32>(1...31).subtracting([9, 17, 19, 20, 21, 22])
    let faults: Set<Int32> = [4, 5, 6, 7, 8, 11, 31]
    // tini and catatonit die of faults that somebody sends. In the normal build of ours backtraces and sanitizers have them.
    if !subject.isOurs, subject.tool != .dumbInit { numbers.subtract(faults) }
    if let binary = subject.binary, binary.testDescription != "embedded" { numbers.subtract(faults.subtracting([6])) }
    // dumb-init reads behind the end of a table for real-time ones.
    if subject.isOurs || subject.tool != .dumbInit { numbers.formUnion([34, 35, 40, 64]) }
    let family = try await DialectFamily(subject, heard: numbers.sorted(), ending: 0)
    for number in numbers.sorted() {
      try family.run.send(try #require(Signal(number: number)))
      try await family.heard(number, by: "main")
    }
  }

  @Test(arguments: DialectSubject.all)
  func scopeIsTheToolsOwn(subject: DialectSubject) async throws {
    let cases: [([String], [String], [String])] =
      switch subject.tool {
      case .dumbInit:
        [
          ([], [], ["main", "same"]), (["-c"], [], ["main"]), ([], ["DUMB_INIT_SETSID=0"], ["main"]),
          ([], ["DUMB_INIT_SETSID=1"], ["main", "same"]),
        ]
      case .tini: [([], [], ["main"]), (["-g"], [], ["main", "same"]), ([], ["TINI_KILL_PROCESS_GROUP="], ["main", "same"])]
      case .catatonit: [([], [], ["main"]), (["-g"], [], ["main", "same"])]
      }
    for (options, environment, told) in cases {
      let family = try await DialectFamily(subject, options, children: ["same", "apart"], environment: environment)
      #expect(try await family.reached(by: 10) == told, "\(options) \(environment)")
    }
  }

  @Test(arguments: DialectSubject.all.filter { $0.tool == .dumbInit })
  func dumbInitRewritesSignals(subject: DialectSubject) async throws {
    let options = ["-r", "15:2", "-r", "2:1", "-r", "10:0", "--rewrite=3:3"]
    let family = try await DialectFamily(subject, options, heard: [1, 2, 3, 10, 12, 15], ending: 3)
    try family.run.send(.term)
    try await family.heard(2, by: "main")
    try family.run.send(.int)
    try await family.heard(1, by: "main")
    try family.run.send(.usr1)
    try family.run.send(.quit)
    #expect(try await family.run.code() == 5)
    #expect(!family.run.lines.contains("main got 10") && !family.run.lines.contains("main got 15"))
  }

  @Test(arguments: DialectSubject.all)
  func stopSignalsDoWhatTheyDoUnderTheTool(subject: DialectSubject) async throws {
    var cases: [(options: [String], signal: Int32, stopsInit: Bool, stopsMain: Bool)] = []
    for signal in [SIGTSTP, SIGTTIN, SIGTTOU] {
      switch subject.tool {
      case .dumbInit: cases += [([], signal, true, true), (["-c"], signal, true, true), (["-r", "\(signal):0"], signal, true, false)]
      case .tini: cases.append(([], signal, false, signal == SIGTSTP))
      case .catatonit: cases.append(([], signal, false, false))
      }
    }
    for (options, signal, stopsInit, stopsMain) in cases {
      let family = try await DialectFamily(subject, options)
      func isStopped(_ pid: Int32) -> Bool { ProcessRecord(pid: pid)?.isStopped == true }
      try family.run.send(try #require(Signal(number: signal)))
      if stopsInit { try await eventually("the init is stopped: \(options) \(signal)") { isStopped(family.run.pid) } }
      if stopsMain { try await eventually("the command is stopped: \(options) \(signal)") { isStopped(family.main) } }
      if stopsInit, !stopsMain { #expect(!isStopped(family.main), "\(options) \(signal)") }
      if stopsInit || stopsMain { try family.run.send(.cont) }
      // It is passed on only after what came before it.
      try family.run.send(.usr1)
      try await family.heard(10, by: "main")
      #expect(!isStopped(family.run.pid) && !isStopped(family.main), "\(options) \(signal)")
    }
  }

  @Test(arguments: DialectSubject.all.filter { $0.tool == .dumbInit })
  func dumbInitStopsItselfAlsoByARewrittenTSTP(subject: DialectSubject) async throws {
    for number: Int32 in [10, 20] {
      let family = try await DialectFamily(subject, ["-r", "20:\(number)"], heard: [10, 12, 18, 20])
      try family.run.send(.tstp)
      try await family.heard(number, by: "main")
      try await eventually("the init is stopped") { ProcessRecord(pid: family.run.pid)?.isStopped == true }
      #expect(ProcessRecord(pid: family.main)?.isStopped == false)
      try family.run.send(.cont)
      try await family.heard(18, by: "main")
    }
  }

  // MARK: What the command gets

  @Test(arguments: DialectSubject.all)
  func theCommandsSessionGroupAndDirectoryAreTheToolsOwn(subject: DialectSubject) async throws {
    let cases: [([String], [String])] = subject.tool == .dumbInit ? [([], []), (["-c"], []), ([], ["DUMB_INIT_SETSID=0"])] : [([], [])]
    for (options, environment) in cases {
      // In a session without a terminal, wherever the tests are run from.
      let family = try await DialectFamily(subject, options, environment: environment) { $0.group = .session }
      let main = try #require(ProcessRecord(pid: family.main))
      let isBare = !options.isEmpty || !environment.isEmpty
      #expect(main.parent == family.run.pid)
      #expect(main.session == (subject.tool == .dumbInit && !isBare ? family.main : family.run.pid), "\(options) \(environment)")
      #expect(main.group == (isBare ? family.run.pid : family.main), "\(options) \(environment)")
      func directory(_ pid: Int32) -> String? { try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/cwd") }
      #expect(directory(family.main) == family.run.scratch.path)
      // catatonit leaves its directory since 0.2.
      if subject.isOurs || subject.tool != .catatonit {
        let expected = subject.tool == .tini ? family.run.scratch.path : "/"
        try await eventually("the init is in \(expected)") { directory(family.run.pid) == expected }
      }
    }
  }

  @Test(arguments: DialectSubject.all.filter { $0.isOurs || $0.tool == .tini })
  func theInheritedMaskAndIgnoredSignalsReachTheCommand(subject: DialectSubject) async throws {
    let kept = UInt64(1) << 0 | UInt64(1) << UInt64(SIGTTOU - 1)
    let run = try subject.start(["--", "grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"]) { program in
      program.mask = [.usr1, .ttin]
      program.ignored = kept
      program.defaulted &= ~kept
    }
    #expect(try await run.code() == 0)
    #expect(run.lines == ["SigBlk:\t0000000000100200", "SigIgn:\t0000000000200001"], "\(run.output)")
  }

  @Test(arguments: DialectSubject.all)
  func theEnvironmentAndStandardStreamsReachTheCommand(subject: DialectSubject) async throws {
    let run = try subject.shell(
      "echo typed | DUMB_INIT_DEBUG=0 A=b $X -- sh -c 'read line; echo $line $DUMB_INIT_DEBUG $A $TINI_VERBOSITY; echo error >&2'")
    #expect(try await run.code() == 0)
    #expect(run.lines == ["typed 0 b 0", "error"])
  }

  @Test(arguments: DialectSubject.all.filter { $0.isOurs || $0.tool == .catatonit })
  func socketsThatAreHandedOverAreTheCommands(subject: DialectSubject) async throws {
    let run = try subject.shell("export LISTEN_PID=$BASHPID; exec $X -- sh -c 'test $LISTEN_PID = $$; echo $?'")
    #expect(try await run.code() == 0)
    #expect(run.lines == ["0"])
  }

  @Test(arguments: DialectSubject.all.filter { $0.tool == .catatonit })
  func catatonitKeepsNoPipeOpen(subject: DialectSubject) async throws {
    let (read, write) = try Descriptor.pipe()
    defer { read.close() }
    let run = try subject.start(["--", "sh", "-c", "exec 3>&-; exec sleep 1000"]) { $0.placed = [write] }
    write.close()
    try read.setNonBlocking(true)
    var byte: UInt8 = 0
    try await eventually("the end of the pipe") { lc_read(read.number, &byte, 1) == 0 }
    try run.send(.kill)
    _ = try await run.end()
  }
}
