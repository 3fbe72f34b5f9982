import AppSpec
import Foundation
import Linux
import StopPlan

/// A command of a replica's that the engine runs beside it: a probe, a reload.
struct HookCommand: Sendable {
  let command: KeeperCommand
  let children: Children

  /// Runs it to its end, or kills it with all that it has started when its time is up, or when the engine ends: a lastcall-init keeps it.
  /// - Parameter shows: whether what it wrote last is in the answer.
  /// - Returns: nil when it ended with 0, else why not.
  func run(_ words: CommandWords, within limit: TimeSpan, shows: Bool = false) async -> String? {
    if let container = command.container { return await run(words, in: container.name, within: limit) }
    do {
      var program = try program(words)
      let null = try Path("/dev/null").open(O_RDWR)
      defer { null.close() }
      let said = shows ? try Path(string: output).open(O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW) : nil
      defer { said?.close() }
      (program.input, program.output, program.error) = (null, said ?? null, said ?? null)
      let pid = try await children.start(program)
      let isKept = guardian != nil
      let clock = Task {
        try await TaskThreads.sleep(limit)
        // It leads a group of its own, and it is ours until it is reaped.
        try? DirectSignal.send(isKept ? .term : .kill, to: isKept ? pid : -pid)
        return true
      }
      let status = await children.wait(for: pid)
      clock.cancel()
      if status.isSuccess { return nil }
      if (try? await clock.value) == true { return "\(words.program) had not ended after \(limit) and was killed\(lastWords(said))" }
      return "\(words.program) ended with \(status.shellCode)\(lastWords(said))"
    } catch {
      return "\(words.program): \(error)"
    }
  }

  private func program(_ words: CommandWords) throws -> Program {
    let become = try command.become()
    var line = words.argv(for: command.values)
    if become.isEmpty { line[0] = try words.executable(searchPath: command.inherited["PATH"]) }
    line = become + line
    if let guardian { line = [guardian, "--parent-death", "TERM", "--stop", "KILL@tree", "--until", "main", "--"] + line }
    var program = Program(
      executable: Path(string: line[0]), arguments: line.map { Array($0.utf8) }, environment: try command.environment())
    program.directory = Path(string: command.app.directory)
    return program
  }

  /// Who keeps what runs; nil when it is not installed: what the command has started may be left then.
  private var guardian: String? { access(command.initBinary, X_OK) == 0 ? command.initBinary : nil }

  private var output: String { command.directory + "/reload.out" }

  /// The last lines that it wrote, for the end of a sentence; whole, since what is cut in two is not known as a secret any more.
  private func lastWords(_ said: Descriptor?) -> String {
    guard said != nil, let file = FileHandle(forReadingAtPath: output), let end = try? file.seekToEnd() else { return "" }
    try? file.seek(toOffset: end > 4096 ? end - 4096 : 0)
    let text = String(decoding: (try? file.readToEnd()) ?? Data(), as: UTF8.self)
    let lines = text.unicodeScalars.split { $0 == "\n" || $0 == "\r" }.dropFirst(end > 4096 ? 1 : 0).suffix(3).map { line in
      String(String.UnicodeScalarView(line.filter { $0.value >= 0x20 && $0.value != 0x7f }))
    }
    return lines.isEmpty ? "" : "; it wrote last: " + lines.joined(separator: " | ")
  }

  private func run(_ words: CommandWords, in container: String, within limit: TimeSpan) async -> String? {
    let exec = ContainerCommand.exec(words.words(for: command.values), in: container, within: limit)
    do {
      // What podman itself needs is no part of the command's time.
      _ = try await podman.run(Array(exec.dropFirst()), within: limit + Podman.patience)
      return nil
    } catch {
      return "\(words.program): \(error)"
    }
  }

  /// How podman is called beside the replica.
  var podman: Podman { Podman(children: children, environment: command.inherited, directory: ReplicaDirectory(command.directory)) }
}
