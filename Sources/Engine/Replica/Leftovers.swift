import AppSpec
import CLinux
import Foundation
import Linux
import StopPlan

/// Replicas that an engine which was killed has left behind: their keepers go on without it.
public enum Leftovers {
  /// The names of replicas whose lock is still held: something of them lives.
  public static func living(_ paths: EnginePaths) -> [String] {
    let root = paths.run + "/r"
    return ((try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []).sorted().filter {
      ReplicaDirectory(root + "/" + $0).isHeld
    }
  }

  /// Stops them by their own plans and waits for their ends.
  ///
  /// - Parameters:
  ///   - paths: the directories of their app file.
  ///   - names: which; nil means all that live.
  ///   - each: is told the name of each replica that has ended.
  /// - Throws: `EngineError` when one has no keeper any more: it is not known then what is surely its own.
  public static func stop(_ paths: EnginePaths, only names: [String]? = nil, each: @escaping @Sendable (String) -> Void) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for name in names ?? living(paths) {
        group.addTask {
          let directory = ReplicaDirectory(paths.replica(name))
          guard let link = try? await KeeperLink.connect(directory.socket, after: 0) else {
            throw EngineError(
              "\(name) has no keeper any more, but something of it lives; end it by hand (fuser \(directory.lock) names it)")
          }
          link.stop(id: RequestIDs.next())
          for await _ in link.messages {}
          if directory.hasContainer { await removeContainer(of: directory) }
          each(name)
        }
      }
      try await group.waitForAll()
    }
  }

  /// Removes what podman still has of a container that had to be killed. Who calls us may have nobody who takes SIGCHLD: a thread waits. Where
  /// somebody does, it finds that there is no such child any more, which is as good.
  private static func removeContainer(of directory: ReplicaDirectory) async {
    let environment = ProcessInfo.processInfo.environment
    guard let file = try? CommandWords(program: "podman", directory: "/").executable(searchPath: environment["PATH"]) else { return }
    let words = ["podman"] + Podman.removal(of: ContainerCommand.name(directory.path))
    var program = Program(
      executable: Path(string: file), arguments: words.map { Array($0.utf8) },
      environment: environment.map { Array("\($0.key)=\($0.value)".utf8) })
    program.inheritsOnlyNamed = true
    guard let null = try? Path("/dev/null").open(O_RDWR) else { return }
    defer { null.close() }
    (program.input, program.output) = (null, null)
    guard let pid = try? program.start() else { return }
    await withCheckedContinuation { ended in
      Thread.detachNewThread {
        while waitpid(pid, nil, 0) < 0, errno == EINTR {}
        ended.resume()
      }
    }
  }

  /// Forgets what the apps were to be, once nothing of them runs; their revisions and events are kept.
  public static func forget(_ paths: EnginePaths) async throws {
    guard FileManager.default.fileExists(atPath: paths.database) else { return }
    let store = try StateStore(path: paths.database)
    try await store.commit(try store.apps().map { .appGone($0.name) } + store.replicas().map { .replicaGone($0.name) })
  }
}
