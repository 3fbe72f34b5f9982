import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// A program under another tool's name: lastcall-init, called by it, or that tool itself where it is installed. Both run the same rows, so
/// that what is expected of lastcall-init stays what the tool does.
struct DialectSubject: CustomTestStringConvertible, Sendable {
  enum Tool: String, CaseIterable, Sendable {
    case dumbInit = "dumb-init"
    case tini, catatonit
  }

  let tool: Tool
  /// nil is the tool itself.
  let binary: InitBinary?

  var testDescription: String { "\(tool.rawValue), \(binary?.testDescription ?? "itself")" }
  var isOurs: Bool { binary != nil }

  static let ours = InitBinary.all.flatMap { binary in Tool.allCases.map { DialectSubject(tool: $0, binary: binary) } }
  static let all = ours + Tool.allCases.map { DialectSubject(tool: $0, binary: nil) }.filter { access($0.installed, X_OK) == 0 }

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
struct DialectRow {
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

  static func common(_ tool: DialectSubject.Tool) -> [DialectRow] {
    let isDumbInit = tool == .dumbInit
    return [
      DialectRow([], 1, says: true), DialectRow(["--"], 1, says: true), DialectRow(["-z", "true"], 1, says: true),
      DialectRow(["--zzz", "true"], 1, says: true),
      DialectRow(["echo", "hi"], 0, "hi"), DialectRow(["--", "echo", "hi"], 0, "hi"), DialectRow(["-v", "--", "false"], 1, says: nil),
      // A second `--` is an argument; one behind the command is the first for getopt(3), which looks for options there too.
      DialectRow(["--", "echo", "--", "a"], 0, "-- a"), DialectRow(["echo", "--", "a"], 0, isDumbInit ? "-- a" : "a"),
      DialectRow(["echo", "a", "--", "b", "--", "c"], 0, isDumbInit ? "a -- b -- c" : "a b -- c"),
      DialectRow(["sh", "-c", "exit 3"], isDumbInit ? 3 : 1, says: !isDumbInit),
      DialectRow(["sh", "-c", "exit 3"], 3, says: false, "POSIXLY_CORRECT=1"),
      DialectRow(["-z", "-h"], 1, says: true), DialectRow(["-"], isDumbInit ? 2 : tool == .tini ? 127 : 1, says: true),
      // What has no format that the kernel knows is a script, as for execvp(3).
      DialectRow(["./script", "x"], 7, "hi x"),
    ] + failures(tool)
  }

  /// Commands that cannot be executed.
  private static func failures(_ tool: DialectSubject.Tool) -> [DialectRow] {
    let codes: [UInt8] =
      switch tool {
      case .dumbInit: [2, 2, 2, 2]
      case .tini: [127, 126, 1, 127]
      case .catatonit: [1, 1, 1, 1]
      }
    return zip(["/no/such", "/etc/passwd", "/etc/passwd/x", "no-such-command"], codes).map { DialectRow([$0], $1, says: true) }
  }

  static func own(_ tool: DialectSubject.Tool) -> [DialectRow] {
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
      return accepted.map { DialectRow($0 + ["echo", "hi"], 0, "hi") } + refused.map { DialectRow($0 + ["echo", "hi"], 1, says: true) } + [
        DialectRow(["-cv", "echo", "hi"], 0, "hi", says: true), DialectRow(["--verbose", "echo", "hi"], 0, "hi", says: true),
        DialectRow(["echo", "hi"], 0, "hi", says: true, "DUMB_INIT_DEBUG=1"), DialectRow(["echo", "hi"], 0, "hi", "DUMB_INIT_DEBUG=0"),
        DialectRow(["echo", "-v", "-h"], 0, "-v -h"), DialectRow(["-h", "-r", "x"], 0, says: true),
      ]
    case .tini:
      return [
        DialectRow(["-sgw", "--", "sh", "-c", "exit 3"], 3), DialectRow(["echo", "-g", "x"], 0, "x"),
        DialectRow(["-e", "3", "-e", "4", "--", "sh", "-c", "exit 4"], 0), DialectRow(["-e", "3", "--", "sh", "-c", "exit 4"], 4),
        DialectRow(["-e143", "--", "sh", "-c", "kill $$"], 0), DialectRow(["-e", "255", "--", "sh", "-c", "exit 255"], 0),
        DialectRow(["-ge3", "--", "sh", "-c", "exit 3"], 0), DialectRow(["-e", "127", "/no/such"], 0, says: true),
        // A command as any other.
        DialectRow(["began"], 127, says: true),
        DialectRow(["-e", "256", "true"], 1, says: true), DialectRow(["-e", "x", "true"], 1, says: true), DialectRow(["-e"], 1, says: true),
        DialectRow(["-p", "SIGTERM", "echo", "hi"], 0, "hi"), DialectRow(["-pSIGUSR1", "echo", "hi"], 0, "hi"),
        DialectRow(["-p", "SIGKILL", "echo", "hi"], 0, "hi"),
        DialectRow(["-p", "SIGCHLD", "echo", "hi"], 0, "hi"), DialectRow(["-p", "SIGNONE", "echo", "hi"], 1, says: true),
        DialectRow(["-p"], 1, says: true),
      ].map { DialectRow($0.arguments, $0.code, $0.output.trimmingCharacters(in: .newlines), says: $0.says, "TINI_SUBREAPER=") }
    case .catatonit:
      return [
        DialectRow(["-g", "--", "sh", "-c", "exit 3"], 3), DialectRow(["echo", "-g", "x"], 0, "x"),
        DialectRow(["-gz", "true"], 1, says: true),
        DialectRow(["echo", "hi"], 0, "hi", says: true, "CATATONIT_DEBUG="),
      ]
    }
  }
}
