import CLinux
import Foundation
import Linux
import StopPlan

/// Replicas that an engine which was killed has left behind: their keepers go on without it.
public enum Leftovers {
  /// The names of replicas whose lock is still held: something of them lives.
  public static func living(_ paths: EnginePaths) -> [String] {
    let root = paths.run + "/r"
    return ((try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []).sorted().filter { name in
      guard let lock = try? Path(string: root + "/\(name)/lock").open(O_RDWR | O_NOFOLLOW) else { return false }
      defer { lock.close() }
      return (try? lock.lock()) == false
    }
  }

  /// Stops them by their own plans and waits for their ends.
  ///
  /// - Parameter each: is told the name of each replica that has ended.
  /// - Throws: `EngineError` when one has no keeper any more: it is not known then what is surely its own.
  public static func stop(_ paths: EnginePaths, each: @escaping @Sendable (String) -> Void) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for name in living(paths) {
        group.addTask {
          let directory = paths.replica(name)
          guard let link = try? await KeeperLink.connect(directory + "/control.sock") else {
            throw EngineError(
              "\(name) has no keeper any more, but something of it lives; end it by hand (fuser \(directory)/lock names it)")
          }
          link.stop(id: RequestIDs.next())
          for await _ in link.messages {}
          each(name)
        }
      }
      try await group.waitForAll()
    }
  }
}
