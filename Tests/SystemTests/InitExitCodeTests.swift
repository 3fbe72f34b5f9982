import Foundation
import Linux
import StopPlan
import Testing

/// The exit codes that --help promises, and messages that name what is wrong.
@Suite struct InitExitCodeTests {
  struct Case: CustomTestStringConvertible, Sendable {
    var arguments: [String]
    var code: UInt8
    /// A part of what is said on stderr.
    var says = ""
    var environment: [String] = []
    var testDescription: String { (environment + arguments).joined(separator: " ") }
  }

  static let cases: [Case] = [
    Case(arguments: ["true"], code: 0),
    Case(arguments: ["--", "sh", "-c", "exit 42"], code: 42),
    Case(arguments: ["sh", "-c", "kill -9 $$"], code: 137),
    Case(arguments: ["sh", "-c", "kill -TERM $$"], code: 143),
    Case(arguments: ["sh", "-c", "kill -USR1 $$"], code: 138),
    Case(arguments: ["--timeout", "0.1", "sleep", "100"], code: 124),
    Case(arguments: ["--timeout", "100", "sh", "-c", "exit 3"], code: 3),
    Case(arguments: ["--timeout", "0", "sh", "-c", "exit 3"], code: 3),
    Case(arguments: ["--timeout", "0.1", "--grace", "0.2", "sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"], code: 137),
    Case(arguments: ["--timeout=0.1", "--stop=KILL", "sleep", "100"], code: 137),
    Case(arguments: ["no-such-command"], code: 127, says: "command not found: no-such-command"),
    Case(arguments: ["/no/such/file"], code: 127, says: "/no/such/file"),
    Case(arguments: ["/etc/passwd"], code: 126, says: "cannot execute /etc/passwd: permission denied"),
    Case(arguments: ["/etc"], code: 126, says: "cannot execute /etc"),
    Case(arguments: ["passwd-is-here"], code: 126, says: "permission denied", environment: ["PATH=/nonexistent:."]),
    Case(arguments: [], code: 2, says: "expected a command"),
    Case(arguments: ["--"], code: 2, says: "expected a command"),
    Case(arguments: ["--frobnicate", "true"], code: 2, says: "\"--frobnicate\": unknown option"),
    Case(arguments: ["--grace", "soon", "true"], code: 2, says: "--grace \"soon\": expected a length"),
    Case(arguments: ["--grace"], code: 2, says: "--grace: expected a value"),
    Case(arguments: ["--stop", "TERM/25/KIL", "true"], code: 2, says: "--stop \"TERM/25/KIL\": at character 9: expected a signal"),
    Case(arguments: ["--until", "child", "true"], code: 2, says: "--until \"child\": expected main or tree"),
    Case(arguments: ["--stop-on", "TERM,KILL", "true"], code: 2, says: "--stop-on \"TERM,KILL\": expected signals that can be caught"),
    Case(arguments: ["true"], code: 2, says: "LASTCALL_GRACE \"1y\"", environment: ["LASTCALL_GRACE=1y"]),
    Case(arguments: ["true"], code: 2, says: "LASTCALL_STOP \"TERM//\"", environment: ["LASTCALL_STOP=TERM//"]),
    Case(arguments: ["--grace", "5", "true"], code: 0, environment: ["LASTCALL_GRACE=8"]),
    Case(arguments: ["--version"], code: 0, says: "lastcall-init "),
    Case(arguments: ["--help"], code: 0, says: "Usage: lastcall-init"),
  ]

  @Test(arguments: InitBinary.all, cases)
  func endsWithTheCodeThatHelpPromises(binary: InitBinary, example: Case) async throws {
    let scratch = try ScratchDirectory()
    _ = try scratch.file("passwd-is-here", "not executable")
    let path = "/usr/local/bin:/usr/bin:/bin"
    let run = try InitRun(binary.path, example.arguments, in: scratch) { program in
      program.environment = (["PATH=" + path] + example.environment + InitRun.sanitizerOptions).map { Array($0.utf8) }
      if example.environment.contains(where: { $0.hasPrefix("PATH=") }) { program.environment.removeFirst() }
    }
    #expect(try await run.code() == example.code, "\(run.output)")
    if !example.says.isEmpty { #expect(run.output.contains(example.says), "\(run.output)") }
    #expect(run.seconds < 60)
  }

  @Test(arguments: InitBinary.all)
  func ourOptionsAreTakenOutOfTheEnvironmentAndTheGracePutIn(binary: InitBinary) async throws {
    let environment = ["LASTCALL_GRACE=10", "LASTCALL_STOP_ON=TERM", "OTHER=kept", "LASTCALL_VERBOSE=0"]
    let run = try InitRun(binary.path, ["env"], environment: environment)
    #expect(try await run.code() == 0)
    #expect(run.lines.filter { $0.contains("LASTCALL") } == ["LASTCALL_GRACE=9"])
    #expect(run.lines.contains("OTHER=kept"))
  }

  @Test(arguments: InitBinary.all)
  func idleMeansNoWakeUps(binary: InitBinary) async throws {
    let run = try InitRun.script(binary, "echo ready; exec sleep 1000")
    try await run.line("ready")
    try await eventually("sleep") { run.commandOfChild == "sleep" }
    // rt_sigtimedwait(2) on x86-64 or aarch64: it has done all it has to do.
    try await eventually("the init waits for a signal") {
      let call = try? String(contentsOfFile: "/proc/\(run.pid)/syscall", encoding: .utf8)
      return call?.hasPrefix("128 ") == true || call?.hasPrefix("137 ") == true
    }
    let before = run.contextSwitches
    #expect(before != nil)
    // Nothing to wait for here but time itself: a polling loop would wake in it.
    try await Task.sleep(for: .seconds(2))
    #expect(run.contextSwitches == before)
    try run.send(.term)
    #expect(try await run.code() == 143)
  }
}

extension InitRun {
  /// How often it has gone to sleep (proc(5), voluntary_ctxt_switches).
  var contextSwitches: Int? {
    let status = (try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)) ?? ""
    return status.split(separator: "\n").first { $0.hasPrefix("voluntary_ctxt_switches:") }.flatMap { Int($0.drop { !$0.isNumber }) }
  }

  /// The name of its only child.
  var commandOfChild: String? {
    let children = ProcessTree.descendants(of: pid)
    guard children.count == 1 else { return nil }
    let name = try? String(contentsOfFile: "/proc/\(children[0].identity.pid)/comm", encoding: .utf8)
    return name?.trimmingCharacters(in: .newlines)
  }
}
