import CLinux
import Foundation
import Linux
import StopPlan

/// What keeps a second engine off an app file: locks in the run directory and in the state directory, so that losing one of them does not
/// let two engines start everything twice. They are not inherited, and go with the process.
struct EngineLock: Sendable {
  private let descriptors: [Descriptor]

  /// - Throws: `EngineError` when another engine runs.
  init(_ paths: EnginePaths, file: String) throws {
    var held: [Descriptor] = []
    for path in [paths.lock, paths.state + "/engine.lock"] {
      let descriptor: Descriptor
      do throws(SystemError) { descriptor = try Path(string: path).open(O_RDWR | O_CREAT | O_NOFOLLOW) } catch {
        throw EngineError("\(path) cannot be opened: \(error)")
      }
      held.append(descriptor)
      guard try Self.take(descriptor, path) else {
        let pid = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
        for descriptor in held { descriptor.close() }
        let who = pid.isEmpty ? "" : " (process \(pid))"
        throw EngineError("an engine for \(file) runs already\(who); see lastcall ps, or stop it with lastcall down")
      }
      ftruncate(descriptor.number, 0)
      try descriptor.write(Array(String(getpid()).utf8))
    }
    descriptors = held
  }

  /// An engine that is killed just when it starts a process leaves its locks to that until it has become its program.
  private static func take(_ descriptor: Descriptor, _ path: String) throws -> Bool {
    let limit = Clock.now + patience
    while try !descriptor.lock() {
      if holder(of: path) != nil || Clock.now > limit { return false }
      usleep(5_000)
    }
    return true
  }

  private static let patience = TimeSpan.seconds(10)

  /// The process that holds the lock in the state directory; nil when none does. Taking the lock to see would be in a starting engine's way.
  static func holder(_ paths: EnginePaths) -> Int32? { holder(of: paths.state + "/engine.lock") }

  private static func holder(of path: String) -> Int32? {
    var file = stat()
    guard stat(path, &file) == 0, let pid = (try? String(contentsOfFile: path, encoding: .utf8)).flatMap({ Int32($0) }) else { return nil }
    return Survivors.holds(pid, file) ? pid : nil
  }
}
