import Foundation
import Linux
import StopPlan
import Testing

/// Job control: lastcall-init under an interactive shell on a pseudo-terminal, as a user types it.
@Suite struct InitTerminalTests {
  /// Types to an interactive bash, each line once the text before it has appeared; prints what the terminal showed.
  static let typist = """
    import os, pty, re, select, sys, time
    steps = [eval(line) for line in open(sys.argv[1]) if line.strip()]
    pid, fd = pty.fork()
    if pid == 0:
      os.environ["PS1"] = "prompt$ "
      os.execv("/bin/bash", ["bash", "--norc", "--noprofile", "-i"])
    shown, end = "", time.monotonic() + 90
    for wanted, typed in steps:
      while not re.search(wanted, shown):
        if time.monotonic() > end: print("MISSING", wanted, "IN", repr(shown)); os.kill(pid, 9); sys.exit(1)
        if select.select([fd], [], [], 0.2)[0]:
          try: data = os.read(fd, 65536)
          except OSError: data = b""
          if not data: print("ENDED before", wanted, repr(shown)); sys.exit(1)
          shown += data.decode(errors="replace")
      shown = ""
      os.write(fd, typed.encode())
    os.close(fd)
    os.waitpid(pid, 0)
    """

  func type(_ steps: [(wanted: String, typed: String)]) async throws {
    let scratch = try ScratchDirectory()
    let lines = steps.map { "(\(Self.quoted($0.wanted)), \(Self.quoted($0.typed)))" }
    let file = try scratch.file("steps", lines.joined(separator: "\n"))
    let run = try InitRun("/usr/bin/python3", ["-c", Self.typist, file], in: scratch, environment: ["TERM=dumb"]) { $0.group = .session }
    #expect(try await run.code() == 0, "\(run.output)")
  }

  private static func quoted(_ text: String) -> String {
    let escaped = text.replacingOccurrences(of: "\\", with: "\\\\").replacingOccurrences(of: "\"", with: "\\\"")
    return "\""
      + escaped.replacingOccurrences(of: "\n", with: "\\n").replacingOccurrences(of: "\u{3}", with: "\\x03")
      .replacingOccurrences(of: "\u{1a}", with: "\\x1a") + "\""
  }

  @Test(arguments: InitBinary.all)
  func ctrlCReachesTheProgramAsInt(binary: InitBinary) async throws {
    try await type([
      (
        "prompt\\$ $",
        "\(binary.path) bash -c 'trap \"echo in''t; exit 5\" INT; echo rea''dy; while :; do sleep 0.05; done'; echo code=$?\n"
      ),
      ("ready", "\u{3}"),
      ("int\\s+code=5\\s+prompt\\$ $", "exit\n"),
    ])
  }

  @Test(arguments: InitBinary.all)
  func ctrlZStopsAndFgContinues(binary: InitBinary) async throws {
    try await type([
      ("prompt\\$ $", "\(binary.path) bash -c 'echo rea''dy; read line; echo go''t $line; exit 6'; echo code=$?\n"),
      ("ready", "\u{1a}"),
      ("Stopped[\\s\\S]*prompt\\$ $", "echo she''ll\n"),
      ("shell\\s+prompt\\$ $", "fg; echo code=$?\n"),
      ("lastcall-init", "hello\n"),
      ("got hello\\s+code=6\\s+prompt\\$ $", "exit\n"),
    ])
  }

  /// A shell that is told `fg` continues only what is stopped, and says nothing to what runs.
  func readsAfterFg(_ call: String, name: String) async throws {
    try await type([
      ("prompt\\$ $", "\(call) bash -c 'echo rea''dy; until [ -e go ]; do sleep 0.02; done; read line; echo go''t $line; exit 6' &\n"),
      ("ready", "echo she''ll\n"),
      ("shell\\s+prompt\\$ $", "(sleep 0.2; >go) & fg %1; echo code=$?\n"),
      ("fg[\\s\\S]*\(name)[\\s\\S]*bash", "hello\n"),
      ("got hello\\s+code=6\\s+prompt\\$ $", "exit\n"),
    ])
  }

  @Test(arguments: InitBinary.all)
  func whatWasStartedInTheBackgroundReadsAfterFg(binary: InitBinary) async throws {
    try await readsAfterFg(binary.path, name: "lastcall-init")
  }

  @Test(arguments: InitBinary.all)
  func furtherCtrlCsEscalateWhereTheInitHasTheTerminalAndNotTheProgram(binary: InitBinary) async throws {
    try await type([
      (
        "prompt\\$ $",
        "\(binary.path) -v --grace 80 --floor 0 bash -c 'trap \"echo in''t\" INT; echo rea''dy; while :; do :; done' < /dev/null; echo code=$?\n"
      ),
      ("ready", "\u{3}"),
      ("int", "\u{3}"),
      ("escalated", "\u{3}"),
      ("escalated[\\s\\S]*killing[\\s\\S]*code=137\\s+prompt\\$ $", "exit\n"),
    ])
  }

  @Test(arguments: InitBinary.all)
  func aSecondCtrlCBeginsTheStopOfAProgramThatDoesNotEndByTheFirst(binary: InitBinary) async throws {
    try await type([
      (
        "prompt\\$ $",
        "\(binary.path) -v --grace 80 --floor 0 bash -c 'trap \"echo in''t\" INT; trap : TERM; echo rea''dy; while :; do :; done'; echo code=$?\n"
      ),
      ("ready", "\u{3}"),
      ("interrupted", "\u{3}"),
      ("stop began on INT", "\u{3}"),
      ("escalated", "\u{3}"),
      ("escalated[\\s\\S]*killing[\\s\\S]*code=137\\s+prompt\\$ $", "exit\n"),
    ])
  }

  @Test(arguments: InitBinary.all)
  func theTerminalIsGivenBack(binary: InitBinary) async throws {
    try await type([
      ("prompt\\$ $", "\(binary.path) true; echo don''e\n"),
      ("done\\s+prompt\\$ $", "bash -c 'echo rea''dy; read line; echo go''t $line'\n"),
      ("ready", "hello\n"),
      ("got hello\\s+prompt\\$ $", "exit\n"),
    ])
  }
}
