import Engine
import Foundation
import Linux
import StopPlan

/// An engine that goes on without a terminal.
struct Background {
  let file: FileOption

  /// Starts one, or has the one that runs carry out what has changed; returns when everything is up.
  func up() async throws {
    // Nobody reads what `up` blocks for an engine in the foreground.
    InheritedSignals.restoreMask()
    if await isAnswering {
      _ = try await file.ask(EngineRequest(op: .deploy))
      return
    }
    let pid = try start()
    var pause: UInt64 = 5_000_000
    while await !isAnswering {
      if ProcessRecord(pid: pid)?.isZombie ?? true { throw CommandFailure(code: 1, message: "the engine has ended: \(lastWords)") }
      try await Task.sleep(nanoseconds: pause)
      pause = min(pause * 2, 100_000_000)
    }
    defer { tell(pid) }
    _ = try await file.ask(EngineRequest(op: .status))
  }

  /// Says so also when not all is up: the rest runs.
  private func tell(_ pid: Int32) {
    if ProcessRecord(pid: pid)?.isZombie ?? true { return }
    Output.line("the engine is process \(pid); its output is in \(log); stop everything with: lastcall down -f \(file.path)")
  }

  private var log: String { file.paths.state + "/engine.log" }

  private var isAnswering: Bool {
    get async { (try? await EngineClient.ask(EngineRequest(op: .ps), paths: file.paths, file: file.path)) != nil }
  }

  private var lastWords: String {
    let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
    return text.split(separator: "\n").last.map(String.init) ?? "see \(log)"
  }

  private func start() throws -> Int32 {
    try EnginePaths.makePrivate(file.paths.state)
    let output: Descriptor
    do { output = try Path(string: log).open(O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW) } catch {
      throw CommandFailure(code: 1, message: "\(log) cannot be opened: \(error); remove it, or set LASTCALL_STATE_DIR")
    }
    defer { output.close() }
    let null = try Path("/dev/null").open(O_RDWR)
    defer { null.close() }
    var program = Program(
      executable: Path(string: try Binaries.own()), arguments: ["lastcall", "up", "-f", file.absolutePath].map { Array($0.utf8) },
      environment: file.environment.map { Array("\($0.key)=\($0.value)".utf8) })
    (program.input, program.output, program.error) = (null, output, output)
    program.group = .session
    program.inheritsOnlyNamed = true
    program.defaulted = 1 << UInt64(Signal.pipe.number - 1)
    return try program.start()
  }
}
