import ArgumentParser
import CLinux
import Foundation
import StopPlan

/// lastcall run: becomes lastcall-init, so that what stays while the command runs is small.
struct Run: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run one command under a stop plan, in the foreground.",
    discussion: """
      TERM stops the command by the plan; other signals are forwarded. On a terminal the command has the foreground: Ctrl-C is its own,
      a second one within 2 s stops it by the plan, a third skips to the plan's next signal. Ctrl-Z and fg work.

        lastcall run -- ./server                          tell it, tell the rest, KILL after 30 s
        lastcall run --stop QUIT/10/TERM/5/KILL -- nginx  a plan of its own
        lastcall run --like docker -- ./server            what docker stop would do to it
        timeout -s 15 -k 10 3 cmd                         is exactly
        lastcall run --like timeout --grace 10 --timeout 3 -- cmd

      --like takes: \(Preset.all.map(\.name).joined(separator: ", ")).

      Exit codes: the command's; 128 + n when signal n ended it; 124 after --timeout, 137 when it came to KILL;
      125 when lastcall itself failed or an option is wrong, 126 when the command cannot be executed, 127 when it is not found.
      """)

  @Option(name: .customLong("stop"), help: ArgumentHelp("The stop plan, as TERM/25/KILL.", valueName: "plan")) var plan: String?
  @Option(help: ArgumentHelp("Stop as that platform does.", valueName: "platform"), completion: .list(Preset.all.map(\.name))) var like:
    String?
  @Option(help: ArgumentHelp("The budget of the whole stop (30 s, or the platform's).", valueName: "time")) var grace: String?
  @Option(help: ArgumentHelp("Begin the stop after that long; exit 124 then.", valueName: "time")) var timeout: String?
  @Flag(name: [.short, .long], help: "Say what happens on stderr.") var verbose = false
  @Argument(parsing: .captureForPassthrough, help: "The command and its arguments.") var command: [String] = []

  func run() throws {
    var words = command
    if words.first == "--" {
      words.removeFirst()
    } else if let first = words.first, first.hasPrefix("-") {
      // What follows the first unknown word is the command's, also when that word is an option of nobody's.
      if first == "-h" || first == "--help" { throw CleanExit.helpRequest(self) }
      throw CommandFailure(code: 125, message: "unknown option \(first); see lastcall run --help, and write -- before the command")
    }
    guard !words.isEmpty else { throw CommandFailure(code: 125, message: "expected a command to run; see lastcall run --help") }
    let plan = try stopPlan()
    var arguments = ["lastcall-init", "--grace", text(plan.grace), "--floor", text(plan.floor), "--reserve", text(plan.reserve)]
    // The standard plan is passed on as none, so that Ctrl-C still means INT to the command.
    if !plan.adoptsReceivedSignal { arguments += ["--stop", plan.description] }
    if plan.until == .main { arguments += ["--until", "main"] }
    if let timeout { arguments += ["--timeout", text(try span(timeout, "--timeout"))] }
    if verbose { arguments.append("--verbose") }
    arguments += ["--"] + words
    let binary: String
    do { binary = try Binaries.path(of: "lastcall-init") } catch let error as CommandFailure {
      throw CommandFailure(code: 125, message: error.message)
    }
    var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
    pointers.append(nil)
    InheritedSignals.restore()
    execv(binary, &pointers)
    throw CommandFailure(code: 125, message: "cannot execute \(binary): \(String(cString: strerror(errno)))")
  }

  private func stopPlan() throws -> StopPlan {
    let grace = try self.grace.map { try span($0, "--grace") }
    if plan != nil, like != nil { throw CommandFailure(code: 125, message: "--stop and --like exclude each other: both say how to stop") }
    do {
      if let plan { return try StopPlan(plan, grace: grace) }
      guard let like else { return .standard(grace: grace ?? .seconds(30)) }
      guard let preset = Preset.named(like) else {
        let names = Preset.all.map(\.name).joined(separator: ", ")
        throw CommandFailure(code: 125, message: "--like \(like): no platform of that name; there are: \(names)")
      }
      return try preset.plan(grace: grace)
    } catch let error as StopPlanError {
      let written = plan.map { "--stop \"\($0)\"" } ?? "--like \(like ?? "")"
      throw CommandFailure(code: 125, message: "\(written): \(error)")
    }
  }

  private func span(_ value: String, _ option: String) throws -> TimeSpan {
    guard let span = TimeSpan(value) else {
      throw CommandFailure(
        code: 125, message: "\(option) \"\(value)\": expected a length: seconds (25, 0.5) or with a unit (500ms, 2m)")
    }
    return span
  }

  private func text(_ span: TimeSpan) -> String { String(span.description.dropLast(2)) }
}
