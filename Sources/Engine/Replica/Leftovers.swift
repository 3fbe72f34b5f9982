import AppSpec
import CLinux
import Foundation
import Linux
import StopPlan

/// Replicas that an engine which was killed has left behind: their keepers go on without it.
public enum Leftovers {
  /// The names of replicas of which something lives: their lock is still held, or their keeper lives though its directory is gone.
  public static func living(_ paths: EnginePaths) -> [String] {
    // An engine that runs looks after its own, also when it does not answer.
    if EngineLock.holder(paths) != nil { return [] }
    let root = paths.run + "/r"
    let held = ((try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []).filter { ReplicaDirectory(root + "/" + $0).isHeld }
    return (held + LivingKeepers.lost(paths).keys).sorted()
  }

  /// Stops them by their own plans and waits for their ends.
  ///
  /// - Parameters:
  ///   - paths: the directories of their app file.
  ///   - names: which; nil means all that live.
  ///   - each: is told the name of each replica that has ended.
  /// - Throws: `EngineError` when one has no keeper any more: it is not known then what is surely its own.
  public static func stop(_ paths: EnginePaths, only names: [String]? = nil, each: @escaping @Sendable (String) -> Void) async throws {
    let names = names ?? living(paths)
    let sidecars = Set(names.filter { ReplicaDirectory(paths.replica($0)).record()?.role == .sidecar })
    // Those beside replicas go after all of these.
    try await stopAll(names.filter { !sidecars.contains($0) }, paths, each)
    try await stopAll(Array(sidecars), paths, each)
  }

  private static func stopAll(_ names: [String], _ paths: EnginePaths, _ each: @escaping @Sendable (String) -> Void) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      let lost = LivingKeepers.lost(paths)
      for name in names {
        group.addTask {
          if let keeper = lost[name] {
            try? ProcessHandle.send(.term, to: keeper)
            await keeper.untilEnded()
            return each(name)
          }
          let directory = ReplicaDirectory(paths.replica(name))
          let (events, received) = AsyncStream.makeStream(of: KeeperLink.Event.self)
          guard let link = try? await KeeperLink.connect(directory.socket, after: 0, { received.yield($0) }) else {
            throw EngineError(
              "\(name) has no keeper any more, but something of it lives; end it by hand (fuser \(directory.lock) names it)")
          }
          let turn = directory.record()?.turn
          link.stop(id: RequestIDs.next())
          // Whoever waits for its turn has it.
          for await event in events {
            guard case .said(let message) = event else { break }
            if turn != nil, message.step == turn { link.escalate(id: RequestIDs.next()) }
          }
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
