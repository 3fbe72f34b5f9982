import AppSpec
import Foundation
import Linux
import StopPlan

/// A command of a replica's that the engine runs beside it: a probe, a reload.
struct HookCommand: Sendable {
  let command: KeeperCommand
  let children: Children

  /// Runs it to its end, or kills it with its group when its time is up.
  /// - Returns: nil when it ended with 0, else why not.
  func run(_ words: CommandWords, within limit: TimeSpan) async -> String? {
    if let container = command.container { return await run(words, in: container.name, within: limit) }
    do {
      let become = try command.become()
      let file = try become.first ?? words.executable(searchPath: command.inherited["PATH"])
      var program = Program(
        executable: Path(string: file), arguments: (become + words.argv(for: command.values)).map { Array($0.utf8) },
        environment: try command.environment())
      program.directory = Path(string: command.app.directory)
      let null = try Path("/dev/null").open(2)
      defer { null.close() }
      (program.input, program.output, program.error) = (null, null, null)
      let pid = try await children.start(program)
      let clock = Task {
        try await TaskThreads.sleep(limit)
        // It leads a group of its own, and it is ours until it is reaped.
        try? DirectSignal.send(.kill, to: -pid)
      }
      let status = await children.wait(for: pid)
      clock.cancel()
      return status.isSuccess ? nil : "\(words.program) ended with \(status.shellCode)"
    } catch {
      return "\(words.program): \(error)"
    }
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
