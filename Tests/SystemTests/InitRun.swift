import CLinux
import Foundation
import Linux
import StopPlan
import Testing

import enum StopPlan.ExitStatus

/// One lastcall-init that a test has started, its output in a file.
final class InitRun: @unchecked Sendable {
  let scratch: ScratchDirectory
  let pid: Int32
  let started = ContinuousClock.now
  private let outputPath: String
  private var status: ExitStatus?

  /// What scripts/soak tells programs that were built with a sanitizer.
  static let sanitizerOptions = ProcessInfo.processInfo.environment.filter { $0.key.hasSuffix("SAN_OPTIONS") }.map {
    "\($0.key)=\($0.value)"
  }

  /// Starts an executable with its arguments.
  /// - Parameter prepare: changes what the process inherits.
  init(
    _ executable: String, _ arguments: [String], in scratch: ScratchDirectory? = nil, environment: [String] = [],
    prepare: (inout Program) throws -> Void = { _ in }
  ) throws {
    self.scratch = try scratch ?? ScratchDirectory()
    outputPath = self.scratch.path + "/output-\(UUID().uuidString.prefix(8))"
    let words = ([executable] + arguments).map { Array($0.utf8) }
    let inherited = ["PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "SCRATCH=" + self.scratch.path] + Self.sanitizerOptions
    var program = Program(
      executable: Path(string: executable), arguments: words, environment: (inherited + environment).map { Array($0.utf8) })
    let output = try Path(string: outputPath).open(O_WRONLY | O_CREAT | O_APPEND)
    defer { output.close() }
    let null = try Path("/dev/null").open(O_RDWR)
    defer { null.close() }
    (program.input, program.output, program.error) = (null, output, output)
    program.defaulted = ~0
    program.directory = Path(string: self.scratch.path)
    try prepare(&program)
    pid = try program.start()
  }

  /// Runs a shell script under the init.
  static func script(
    _ binary: InitBinary, _ options: [String], shell: String = "sh", _ script: String, in scratch: ScratchDirectory? = nil,
    environment: [String] = [], prepare: (inout Program) throws -> Void = { _ in }
  ) throws -> InitRun {
    try InitRun(binary.path, options + ["--", shell, "-c", script], in: scratch, environment: environment, prepare: prepare)
  }

  static func script(_ binary: InitBinary, _ script: String, prepare: (inout Program) throws -> Void = { _ in }) throws -> InitRun {
    try Self.script(binary, [], script, prepare: prepare)
  }

  deinit {
    if status == nil {
      // A test that failed leaves nothing behind either.
      for left in ProcessTree.descendants(of: pid) { _ = lc_kill(left.identity.pid, SIGKILL) }
      _ = lc_kill(pid, SIGKILL)
      var ignored: Int32 = 0
      waitpid(pid, &ignored, 0)
    }
  }

  /// All that was written so far.
  var output: String { (try? String(contentsOfFile: outputPath, encoding: .utf8)) ?? "" }
  var lines: [String] { output.split(separator: "\n").map(String.init) }

  /// Waits for a line of the output.
  func line(_ text: String) async throws {
    try await eventually("the line \"\(text)\"") { lines.contains(text) }
  }

  func send(_ signal: Signal, value: Int? = nil) throws { try DirectSignal.send(signal, to: pid, value: value) }

  /// Waits for its end.
  func end() async throws -> ExitStatus {
    try await eventually("the end of lastcall-init", within: 120) {
      if status != nil { return true }
      var raw: Int32 = 0
      if waitpid(pid, &raw, WNOHANG) == pid { status = ExitStatus(waitStatus: raw) }
      return status != nil
    }
    return status ?? .code(255)
  }

  /// Waits for its end.
  /// - Returns: the exit code, as a shell says it.
  func code() async throws -> UInt8 { try await end().shellCode }

  /// The seconds since it was started.
  var seconds: Double {
    let passed = (ContinuousClock.now - started).components
    return Double(passed.seconds) + Double(passed.attoseconds) * 1e-18
  }
}

/// Whether a process lives: a zombie does not, since the host's PID 1 may reap late.
func lives(_ pid: Int32) -> Bool { ProcessRecord(pid: pid).map { !$0.isZombie } ?? false }

extension InitRun {
  /// The pids that the script wrote as `NAME=PID` lines.
  func pid(_ name: String) throws -> Int32 {
    guard let line = lines.first(where: { $0.hasPrefix(name + "=") }), let pid = Int32(line.dropFirst(name.count + 1)) else {
      throw Failure("no line \(name)=PID in: \(output)")
    }
    return pid
  }
}
