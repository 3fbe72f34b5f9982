import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// A program under another tool's name: lastcall-init, called by it, or that tool itself where it is installed. Both run the same rows, so
/// that what is expected of lastcall-init stays what the tool does.
struct Subject: CustomTestStringConvertible, Sendable {
  enum Tool: String, CaseIterable, Sendable {
    case dumbInit = "dumb-init"
    case tini, catatonit
  }

  let tool: Tool
  /// nil is the tool itself.
  let binary: InitBinary?

  var testDescription: String { "\(tool.rawValue), \(binary?.testDescription ?? "itself")" }
  var isOurs: Bool { binary != nil }

  static let ours = InitBinary.all.flatMap { binary in Tool.allCases.map { Subject(tool: $0, binary: binary) } }
  static let all = ours + Tool.allCases.map { Subject(tool: $0, binary: nil) }.filter { access($0.installed, X_OK) == 0 }

  private var installed: String { "/usr/bin/" + tool.rawValue }

  /// The file to call; ours is a link of the tool's name.
  func path(in scratch: ScratchDirectory) throws -> String {
    guard let binary else { return installed }
    let link = scratch.path + "/" + tool.rawValue
    if access(link, F_OK) != 0 { try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: binary.path) }
    return link
  }

  /// Starts it; tini does not warn that it is not PID 1.
  func start(
    _ arguments: [String], in given: ScratchDirectory? = nil, environment: [String] = ["TINI_VERBOSITY=0"],
    prepare: (inout Program) throws -> Void = { _ in }
  ) throws -> InitRun {
    let scratch = try given ?? ScratchDirectory()
    return try InitRun(try path(in: scratch), arguments, in: scratch, environment: environment, prepare: prepare)
  }

  /// Runs it to its end.
  /// - Returns: its exit code, and what was written on each of the standard streams.
  func outcome(_ arguments: [String], in scratch: ScratchDirectory, environment: [String]) async throws -> (UInt8, String, String) {
    let path = scratch.path + "/error-\(UUID().uuidString.prefix(8))"
    let errors = try Path(string: path).open(O_WRONLY | O_CREAT | O_APPEND)
    defer { errors.close() }
    let run = try start(arguments, in: scratch, environment: environment) { $0.error = errors }
    return (try await run.code(), run.output, try String(contentsOfFile: path, encoding: .utf8))
  }

  /// Runs a shell script in which `$X` is its file.
  func shell(_ script: String, in given: ScratchDirectory? = nil, environment: [String] = []) throws -> InitRun {
    let scratch = try given ?? ScratchDirectory()
    let variables = ["X=" + (try path(in: scratch)), "TINI_VERBOSITY=0"] + environment
    return try InitRun("/bin/bash", ["-c", script], in: scratch, environment: variables)
  }
}

/// One call: its arguments, what it writes on stdout, whether it says something on stderr, and its exit code.
private struct Row {
  let arguments: [String]
  let code: UInt8
  let output: String
  /// nil does not matter.
  let says: Bool?
  let environment: [String]

  init(_ arguments: [String], _ code: UInt8, _ output: String = "", says: Bool? = false, _ environment: String...) {
    self.arguments = arguments
    self.code = code
    self.output = output.isEmpty ? "" : output + "\n"
    self.says = says
    self.environment = environment
  }

  static func common(_ tool: Subject.Tool) -> [Row] {
    let isDumbInit = tool == .dumbInit
    return [
      Row([], 1, says: true), Row(["--"], 1, says: true), Row(["-z", "true"], 1, says: true), Row(["--zzz", "true"], 1, says: true),
      Row(["echo", "hi"], 0, "hi"), Row(["--", "echo", "hi"], 0, "hi"), Row(["-v", "--", "false"], 1, says: nil),
      // A second `--` is an argument; one behind the command is the first for getopt(3), which looks for options there too.
      Row(["--", "echo", "--", "a"], 0, "-- a"), Row(["echo", "--", "a"], 0, isDumbInit ? "-- a" : "a"),
      Row(["echo", "a", "--", "b", "--", "c"], 0, isDumbInit ? "a -- b -- c" : "a b -- c"),
      Row(["sh", "-c", "exit 3"], isDumbInit ? 3 : 1, says: !isDumbInit), Row(["sh", "-c", "exit 3"], 3, says: false, "POSIXLY_CORRECT=1"),
      Row(["-z", "-h"], 1, says: true), Row(["-"], isDumbInit ? 2 : tool == .tini ? 127 : 1, says: true),
      // What has no format that the kernel knows is a script, as for execvp(3).
      Row(["./script", "x"], 7, "hi x"),
    ] + failures(tool)
  }

  /// Commands that cannot be executed.
  private static func failures(_ tool: Subject.Tool) -> [Row] {
    let codes: [UInt8] =
      switch tool {
      case .dumbInit: [2, 2, 2, 2]
      case .tini: [127, 126, 1, 127]
      case .catatonit: [1, 1, 1, 1]
      }
    return zip(["/no/such", "/etc/passwd", "/etc/passwd/x", "no-such-command"], codes).map { Row([$0], $1, says: true) }
  }

  static func own(_ tool: Subject.Tool) -> [Row] {
    switch tool {
    case .dumbInit:
      let accepted = [
        ["-c"], ["--single-child"], ["-r", "15:2"], ["-r15:2"], ["-cr", "15:2"], ["-cr15:2"], ["--rewrite", "15:2"], ["--rewrite=15:2"],
        // Also what is never passed on.
        ["-r", "15:0"], ["-r", "31:1", "-r", "1:31"], ["-r", "9:15"], ["-r", "17:15"], ["-r", "19:15"], ["--"], ["-c", "--"],
      ]
      let refused = [
        ["-r"], ["-r", "15"], ["-r", "15:"], ["-r", "a:b"], ["-r", "0:2"], ["-r", "15:-1"], ["-r", "15:65"], ["--rewrite"],
      ]
      return accepted.map { Row($0 + ["echo", "hi"], 0, "hi") } + refused.map { Row($0 + ["echo", "hi"], 1, says: true) } + [
        Row(["-cv", "echo", "hi"], 0, "hi", says: true), Row(["--verbose", "echo", "hi"], 0, "hi", says: true),
        Row(["echo", "hi"], 0, "hi", says: true, "DUMB_INIT_DEBUG=1"), Row(["echo", "hi"], 0, "hi", "DUMB_INIT_DEBUG=0"),
        Row(["echo", "-v", "-h"], 0, "-v -h"), Row(["-h", "-r", "x"], 0, says: true),
      ]
    case .tini:
      return [
        Row(["-sgw", "--", "sh", "-c", "exit 3"], 3), Row(["echo", "-g", "x"], 0, "x"),
        Row(["-e", "3", "-e", "4", "--", "sh", "-c", "exit 4"], 0), Row(["-e", "3", "--", "sh", "-c", "exit 4"], 4),
        Row(["-e143", "--", "sh", "-c", "kill $$"], 0), Row(["-e", "255", "--", "sh", "-c", "exit 255"], 0),
        Row(["-ge3", "--", "sh", "-c", "exit 3"], 0), Row(["-e", "127", "/no/such"], 0, says: true),
        // A command as any other.
        Row(["began"], 127, says: true),
        Row(["-e", "256", "true"], 1, says: true), Row(["-e", "x", "true"], 1, says: true), Row(["-e"], 1, says: true),
        Row(["-p", "SIGTERM", "echo", "hi"], 0, "hi"), Row(["-pSIGUSR1", "echo", "hi"], 0, "hi"),
        Row(["-p", "SIGKILL", "echo", "hi"], 0, "hi"),
        Row(["-p", "SIGCHLD", "echo", "hi"], 0, "hi"), Row(["-p", "SIGNONE", "echo", "hi"], 1, says: true), Row(["-p"], 1, says: true),
      ].map { Row($0.arguments, $0.code, $0.output.trimmingCharacters(in: .newlines), says: $0.says, "TINI_SUBREAPER=") }
    case .catatonit:
      return [
        Row(["-g", "--", "sh", "-c", "exit 3"], 3), Row(["echo", "-g", "x"], 0, "x"), Row(["-gz", "true"], 1, says: true),
        Row(["echo", "hi"], 0, "hi", says: true, "CATATONIT_DEBUG="),
      ]
    }
  }
}

/// What members of a little family of processes are told: the main process, a child in its group (`same`), one in a session of its own
/// (`apart`).
private final class Family {
  /// Says who it is, then each signal that it hears. `--cleans`: TERM ends the children, after a while.
  static let program = """
    import os, signal, sys, time
    heard = set(int(number) for number in sys.argv[1].split(","))
    signal.pthread_sigmask(signal.SIG_BLOCK, heard)
    def listen(name):
      os.write(1, b"%s=%d\\n" % (name, os.getpid()))
      while True:
        number = signal.sigwait(heard)
        os.write(1, b"%s got %d\\n" % (name, number))
        if name == b"main":
          if number == int(sys.argv[2]): os._exit(5)
        elif number == 15 and "--cleans" in sys.argv:
          time.sleep(0.3)
          os.write(1, b"%s cleaned\\n" % name)
          os._exit(0)
    if "same" in sys.argv and os.fork() == 0: listen(b"same")
    if "apart" in sys.argv and os.fork() == 0:
      os.setsid()
      listen(b"apart")
    listen(b"main")
    """

  let run: InitRun
  private(set) var pids: [String: Int32] = [:]
  var main: Int32 { pids["main"] ?? 0 }

  /// - Parameter ending: the signal that ends the main process, with exit code 5.
  init(
    _ subject: Subject, _ options: [String] = [], children: [String] = [], heard: [Int32] = [1, 2, 3, 10, 12, 15], ending: Int32 = 3,
    environment: [String] = [], prepare: (inout Program) throws -> Void = { _ in }
  ) async throws {
    let numbers = heard.map(String.init).joined(separator: ",")
    let command = ["python3", "-c", Self.program, numbers, String(ending)] + children
    run = try subject.start(options + ["--"] + command, environment: environment + ["TINI_VERBOSITY=0"], prepare: prepare)
    for name in ["main"] + children where !name.hasPrefix("-") {
      try await eventually("the process \(name)") { (try? run.pid(name)) != nil }
      pids[name] = try run.pid(name)
    }
  }

  deinit { for pid in pids.values { _ = lc_kill(pid, SIGKILL) } }

  func heard(_ number: Int32, by name: String) async throws { try await run.line("\(name) got \(number)") }

  /// Whom a signal to the init reaches: after the first who hears it, each hears another by itself, which comes after it.
  func reached(by number: Int32) async throws -> [String] {
    try run.send(try #require(Signal(number: number)))
    try await eventually("anybody hears \(number)") { run.lines.contains { $0.hasSuffix("got \(number)") } }
    return try await told(number)
  }

  /// Who has been told by now.
  func told(_ number: Int32, among names: [String]? = nil) async throws -> [String] {
    let names = names ?? Array(pids.keys)
    for name in names {
      _ = lc_kill(pids[name] ?? 0, SIGUSR2)
      try await heard(12, by: name)
    }
    return names.filter { run.lines.contains("\($0) got \(number)") }.sorted()
  }
}

/// lastcall-init called by the name of another tool does what that tool does; what it must do better, it does better.
@Suite struct InitDialectTests {
  private typealias Tool = Subject.Tool

  // MARK: Options, environment, exit codes

  @Test(arguments: Subject.all)
  func optionsAndExitCodesAreTheToolsOwn(subject: Subject) async throws {
    let scratch = try ScratchDirectory()
    let script = try scratch.file("script", "echo hi $1\nexit 7\n")
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: script)
    for row in Row.common(subject.tool) + Row.own(subject.tool) {
      let environment = row.environment.contains { $0.hasPrefix("TINI_") } ? [] : ["TINI_VERBOSITY=0"]
      let (code, output, errors) = try await subject.outcome(row.arguments, in: scratch, environment: environment + row.environment)
      let call = "\(row.environment) \(row.arguments): \(code) \"\(output)\" \"\(errors)\""
      #expect(code == row.code && output == row.output, "\(call)")
      if let says = row.says { #expect(!errors.isEmpty == says, "\(call)") }
      if row.arguments.first == "/no/such", subject.isOurs || subject.tool != .catatonit { #expect(errors.contains("/no/such"), "\(call)") }
    }
  }

  @Test(arguments: Subject.all)
  func helpAndVersionGoWhereTheToolSendsThem(subject: Subject) async throws {
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

  @Test(arguments: Subject.all)
  func whatIsSaidBeginsAsScriptsExpect(subject: Subject) async throws {
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

  @Test(arguments: Subject.all)
  func everyCodeAndSignalOfTheCommandBecomesTheExitCode(subject: Subject) async throws {
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
  @Test(arguments: Subject.all)
  func aCommandThatCannotBeExecutedHarmsNobody(subject: Subject) async throws {
    let run = try subject.shell("trap 'echo told' TERM; $X /no/such 2>/dev/null; echo ended")
    #expect(try await run.code() == 0)
    #expect(run.lines == ["ended"])
  }

  // MARK: Signals

  @Test(arguments: Subject.all)
  func signalsArePassedOn(subject: Subject) async throws {
    var numbers = Set<Int32>(1...31).subtracting([9, 17, 19, 20, 21, 22])
    let faults: Set<Int32> = [4, 5, 6, 7, 8, 11, 31]
    // tini and catatonit die of faults that somebody sends. In the normal build of ours backtraces and sanitizers have them.
    if !subject.isOurs, subject.tool != .dumbInit { numbers.subtract(faults) }
    if let binary = subject.binary, binary.testDescription != "embedded" { numbers.subtract(faults.subtracting([6])) }
    // dumb-init reads behind the end of a table for real-time ones.
    if subject.isOurs || subject.tool != .dumbInit { numbers.formUnion([34, 35, 40, 64]) }
    let family = try await Family(subject, heard: numbers.sorted(), ending: 0)
    for number in numbers.sorted() {
      try family.run.send(try #require(Signal(number: number)))
      try await family.heard(number, by: "main")
    }
  }

  @Test(arguments: Subject.all)
  func scopeIsTheToolsOwn(subject: Subject) async throws {
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
      let family = try await Family(subject, options, children: ["same", "apart"], environment: environment)
      #expect(try await family.reached(by: 10) == told, "\(options) \(environment)")
    }
  }

  @Test(arguments: Subject.all.filter { $0.tool == .dumbInit })
  func dumbInitRewritesSignals(subject: Subject) async throws {
    let options = ["-r", "15:2", "-r", "2:1", "-r", "10:0", "--rewrite=3:3"]
    let family = try await Family(subject, options, heard: [1, 2, 3, 10, 12, 15], ending: 3)
    try family.run.send(.term)
    try await family.heard(2, by: "main")
    try family.run.send(.int)
    try await family.heard(1, by: "main")
    try family.run.send(.usr1)
    try family.run.send(.quit)
    #expect(try await family.run.code() == 5)
    #expect(!family.run.lines.contains("main got 10") && !family.run.lines.contains("main got 15"))
  }

  @Test(arguments: Subject.all)
  func stopSignalsDoWhatTheyDoUnderTheTool(subject: Subject) async throws {
    var cases: [(options: [String], signal: Int32, stopsInit: Bool, stopsMain: Bool)] = []
    for signal in [SIGTSTP, SIGTTIN, SIGTTOU] {
      switch subject.tool {
      case .dumbInit: cases += [([], signal, true, true), (["-c"], signal, true, true), (["-r", "\(signal):0"], signal, true, false)]
      case .tini: cases.append(([], signal, false, signal == SIGTSTP))
      case .catatonit: cases.append(([], signal, false, false))
      }
    }
    for (options, signal, stopsInit, stopsMain) in cases {
      let family = try await Family(subject, options)
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

  @Test(arguments: Subject.all.filter { $0.tool == .dumbInit })
  func dumbInitStopsItselfAlsoByARewrittenTSTP(subject: Subject) async throws {
    for number: Int32 in [10, 20] {
      let family = try await Family(subject, ["-r", "20:\(number)"], heard: [10, 12, 18, 20])
      try family.run.send(.tstp)
      try await family.heard(number, by: "main")
      try await eventually("the init is stopped") { ProcessRecord(pid: family.run.pid)?.isStopped == true }
      #expect(ProcessRecord(pid: family.main)?.isStopped == false)
      try family.run.send(.cont)
      try await family.heard(18, by: "main")
    }
  }

  // MARK: What the command gets

  @Test(arguments: Subject.all)
  func theCommandsSessionGroupAndDirectoryAreTheToolsOwn(subject: Subject) async throws {
    let cases: [([String], [String])] = subject.tool == .dumbInit ? [([], []), (["-c"], []), ([], ["DUMB_INIT_SETSID=0"])] : [([], [])]
    for (options, environment) in cases {
      // In a session without a terminal, wherever the tests are run from.
      let family = try await Family(subject, options, environment: environment) { $0.group = .session }
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

  @Test(arguments: Subject.all.filter { $0.isOurs || $0.tool == .tini })
  func theInheritedMaskAndIgnoredSignalsReachTheCommand(subject: Subject) async throws {
    let kept = UInt64(1) << 0 | UInt64(1) << UInt64(SIGTTOU - 1)
    let run = try subject.start(["--", "grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"]) { program in
      program.mask = [.usr1, .ttin]
      program.ignored = kept
      program.defaulted &= ~kept
    }
    #expect(try await run.code() == 0)
    #expect(run.lines == ["SigBlk:\t0000000000100200", "SigIgn:\t0000000000200001"], "\(run.output)")
  }

  @Test(arguments: Subject.all)
  func theEnvironmentAndStandardStreamsReachTheCommand(subject: Subject) async throws {
    let run = try subject.shell(
      "echo typed | DUMB_INIT_DEBUG=0 A=b $X -- sh -c 'read line; echo $line $DUMB_INIT_DEBUG $A $TINI_VERBOSITY; echo error >&2'")
    #expect(try await run.code() == 0)
    #expect(run.lines == ["typed 0 b 0", "error"])
  }

  @Test(arguments: Subject.all.filter { $0.isOurs || $0.tool == .catatonit })
  func socketsThatAreHandedOverAreTheCommands(subject: Subject) async throws {
    let run = try subject.shell("export LISTEN_PID=$BASHPID; exec $X -- sh -c 'test $LISTEN_PID = $$; echo $?'")
    #expect(try await run.code() == 0)
    #expect(run.lines == ["0"])
  }

  @Test(arguments: Subject.all.filter { $0.tool == .catatonit })
  func catatonitKeepsNoPipeOpen(subject: Subject) async throws {
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

  // MARK: The end

  @Test(arguments: Subject.all)
  func whenTheCommandEndsOnlyDumbInitTellsItsGroup(subject: Subject) async throws {
    let cases: [([String], Int32?)] =
      switch subject.tool {
      case .dumbInit: [([], 15), (["-r", "15:2"], 2), (["-r", "15:0"], nil), (["-c"], nil)]
      case .tini, .catatonit: [([], nil), (["-g"], nil)]
      }
    for (options, expected) in cases {
      let family = try await Family(subject, options, children: ["same", "apart"])
      _ = lc_kill(family.main, SIGQUIT)
      #expect(try await family.run.code() == 5)
      // At once: both live.
      for number: Int32 in [2, 15] {
        let told = try await family.told(number, among: ["apart", "same"])
        #expect(told == (number == expected ? ["same"] : []), "\(options)")
      }
    }
  }

  @Test(arguments: Subject.all)
  func itDoesNotWaitForWhatIgnoresTERM(subject: Subject) async throws {
    for options in subject.tool == .dumbInit ? [[]] : [[], ["-g"]] {
      let family = try await Family(subject, options, children: ["same"], ending: 15)
      try family.run.send(.term)
      #expect(try await family.run.code() == 5)
      #expect(lives(family.pids["same"] ?? 0), "\(options)")
    }
  }

  @Test(arguments: Subject.all)
  func orphansComeOnlyToTheToolThatAdopts(subject: Subject) async throws {
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

  @Test(arguments: Subject.all.filter { $0.tool == .tini })
  func tiniNamesWhomItReaps(subject: Subject) async throws {
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

  @Test(arguments: Subject.all.filter { $0.tool == .tini }, ["SIGTERM", "SIGKILL"])
  func tiniHearsOfItsParentsDeath(subject: Subject, signal: String) async throws {
    let run = try subject.shell("$X -p \(signal) -- sh -c 'trap \"echo told\" TERM; echo main=$$; while :; do sleep 0.02; done' & wait")
    try await eventually("the command") { (try? run.pid("main")) != nil }
    let main = try run.pid("main")
    defer { _ = lc_kill(main, SIGKILL) }
    let tini = try #require(ProcessRecord(pid: main)).parent
    try run.send(.kill)
    if signal == "SIGTERM" { try await run.line("told") } else { try await eventually("tini's end") { !lives(tini) } }
  }

  @Test(arguments: Subject.all.filter { $0.tool == .catatonit })
  func catatonitPauses(subject: Subject) async throws {
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

  // MARK: In one another, and in scripts

  @Test(arguments: Subject.all)
  func aScriptCanNameItAsItsInterpreter(subject: Subject) async throws {
    let scratch = try ScratchDirectory()
    let script = try scratch.file("start", "#!\(try subject.path(in: scratch)) /bin/sh\necho arguments $*; exit 9\n")
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: script)
    let run = try InitRun(script, ["a", "b"], in: scratch, environment: ["TINI_VERBOSITY=0"])
    #expect(try await run.code() == 9)
    #expect(run.lines == ["arguments a b"])
  }

  @Test(arguments: Subject.all)
  func itWorksInItselfAndWithExecInBetween(subject: Subject) async throws {
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

  @Test(arguments: Subject.all)
  func theCommandGetsTheTerminal(subject: Subject) async throws {
    let scratch = try ScratchDirectory()
    let command = "set -o | grep monitor; sleep 0.05 & fg >/dev/null && echo foreground; python3 -c 'import os; open(\"/dev/tty\")'; exit 4"
    let arguments = ["-c", Self.onTerminal, try subject.path(in: scratch), "--", "bash", "-m", "-c", command]
    let run = try InitRun("/usr/bin/python3", arguments, in: scratch, environment: ["TINI_VERBOSITY=0", "TERM=dumb"]) {
      $0.group = .session
    }
    #expect(try await run.code() == 4)
    #expect(run.output.contains("monitor        \ton\nforeground\n") && run.lines.count == 2, "\(run.output)")
  }

  /// tini and catatonit leave a stopped program to a shell that does not know of it.
  @Test(arguments: Subject.all.filter { $0.isOurs || $0.tool == .dumbInit })
  func ctrlZStopsAndFgContinues(subject: Subject) async throws {
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

  /// tini and catatonit take the terminal from the shell at once, which ends it.
  @Test(arguments: Subject.all.filter { $0.isOurs || $0.tool == .dumbInit })
  func whatWasStartedInTheBackgroundReadsAfterFg(subject: Subject) async throws {
    let scratch = try ScratchDirectory()
    try await InitTerminalTests().readsAfterFg("TINI_VERBOSITY=0 \(try subject.path(in: scratch)) --", name: subject.tool.rawValue)
  }

  // MARK: Better than the tools

  @Test(arguments: Subject.ours)
  func noEarlySignalIsLost(subject: Subject) async throws {
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

  @Test(arguments: Subject.ours)
  func aGraceAddsAStopThatWaitsForAll(subject: Subject) async throws {
    let environment = ["LASTCALL_GRACE=100"]
    let family = try await Family(subject, children: ["same", "apart", "--cleans"], ending: 15, environment: environment)
    // All others are passed on as before.
    try family.run.send(.usr1)
    try await family.heard(10, by: "main")
    try family.run.send(.term)
    #expect(try await family.run.code() == 5)
    for name in ["same", "apart"] { #expect(family.run.lines.contains(name + " cleaned"), "\(family.run.output)") }
    #expect(family.run.seconds < 60)
  }

  @Test(arguments: Subject.ours)
  func aGraceBoundsWhatIsDeaf(subject: Subject) async throws {
    let family = try await Family(subject, children: ["same", "apart"], ending: 15, environment: ["LASTCALL_GRACE=1"])
    try family.run.send(.term)
    #expect(try await family.run.code() == 5)
    for name in ["same", "apart"] { #expect(!lives(family.pids[name] ?? 0), "\(name)") }
  }

  @Test(arguments: Subject.ours)
  func aPlanReplacesTheSignal(subject: Subject) async throws {
    let family = try await Family(subject, environment: ["LASTCALL_STOP=QUIT/100/KILL"])
    try family.run.send(.term)
    #expect(try await family.run.code() == 5)
    #expect(family.run.lines.last == "main got 3" && !family.run.lines.contains("main got 15"))
  }

  @Test(arguments: Subject.ours.filter { $0.tool == .dumbInit })
  func aRewriteHoldsForTheStopToo(subject: Subject) async throws {
    let family = try await Family(subject, ["-r", "15:2"], ending: 2, environment: ["LASTCALL_GRACE=100"])
    try family.run.send(.term)
    #expect(try await family.run.code() == 5)
    #expect(!family.run.lines.contains("main got 15") && family.run.seconds < 60)
  }
}

/// The same as PID 1 of a PID namespace, which only root can make.
@Suite(.enabled(if: getuid() == 0, "needs root to make a PID namespace")) struct InitDialectNamespaceTests {
  private func start(_ subject: Subject, _ arguments: [String], environment: [String] = []) throws -> InitRun {
    let scratch = try ScratchDirectory()
    let unshare = ["--fork", "--pid", "--mount-proc", "--kill-child=KILL", try subject.path(in: scratch)]
    return try InitRun("/usr/bin/unshare", unshare + arguments, in: scratch, environment: environment)
  }

  private func send(_ signal: Signal, to run: InitRun) async throws {
    try await eventually("PID 1 of the namespace") {
      guard let child = ProcessTree.descendants(of: run.pid).first(where: { $0.parent == run.pid }) else { return false }
      _ = lc_kill(child.identity.pid, signal.number)
      return true
    }
  }

  @Test(arguments: Subject.all)
  func theCodeIsTheCommandsAndNothingIsSaid(subject: Subject) async throws {
    for (script, code) in [("exit 3", 3), ("kill -KILL $$", 137)] as [(String, UInt8)] {
      let run = try start(subject, ["--", "sh", "-c", script])
      #expect(try await run.code() == code)
      #expect(run.output == "")
    }
  }

  @Test(arguments: Subject.all)
  func orphansAreReaped(subject: Subject) async throws {
    let script =
      "for i in 1 2 3 4 5 6 7 8 9 10; do (sleep 0.01 & ); done; sleep 0.05; while ps -eo stat= | grep -q Z; do sleep 0.02; done; exit 9"
    #expect(try await start(subject, ["--", "bash", "-c", script]).code() == 9)
  }

  @Test(arguments: Subject.all)
  func aStopReachesTheCommandAndEndsWithIt(subject: Subject) async throws {
    let script = "(trap '' TERM; exec sleep 1000) & trap 'echo told; exit 6' TERM; echo ready; while :; do sleep 0.02; done"
    let run = try start(subject, ["--", "sh", "-c", script])
    try await run.line("ready")
    try await send(.term, to: run)
    #expect(try await run.code() == 6)
    #expect(run.lines.contains("told") && run.seconds < 60)
  }

  @Test(arguments: Subject.ours)
  func aGraceLetsTheOthersFinish(subject: Subject) async throws {
    let script = "(trap 'sleep 0.3; echo cleaned; exit' TERM; echo up; while :; do sleep 0.02; done) & trap 'exit 6' TERM; wait"
    let run = try start(subject, ["--", "sh", "-c", script], environment: ["LASTCALL_GRACE=100"])
    try await run.line("up")
    try await send(.term, to: run)
    #expect(try await run.code() == 6)
    #expect(run.lines.contains("cleaned") && run.seconds < 60, "\(run.output)")
  }

  @Test(arguments: Subject.all.filter { $0.tool == .catatonit })
  func catatonitPauses(subject: Subject) async throws {
    let run = try start(subject, ["-P"])
    // Before it has begun the kernel drops what is sent to PID 1.
    var taken = 0
    while taken < 400, ProcessRecord(pid: run.pid) != nil, !(ProcessRecord(pid: run.pid)?.isZombie ?? true) {
      try await send(.term, to: run)
      try await Task.sleep(for: .milliseconds(20))
      taken += 1
      if kill(run.pid, 0) == 0, ProcessTree.descendants(of: run.pid).isEmpty { break }
    }
    #expect(try await run.code() == 0)
  }
}
