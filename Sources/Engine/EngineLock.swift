import CLinux
import Foundation
import Linux

/// What keeps a second engine off an app file: locks in the run directory and in the state directory, so that losing one of them does not
/// let two engines start everything twice. They are not inherited, and go with the process.
struct EngineLock: Sendable {
  private let descriptors: [Descriptor]

  /// - Throws: `EngineError` when another engine runs.
  init(_ paths: EnginePaths, file: String) throws {
    var held: [Descriptor] = []
    for path in [paths.lock, paths.state + "/engine.lock"] {
      let descriptor = try Path(string: path).open(O_RDWR | O_CREAT | O_NOFOLLOW)
      held.append(descriptor)
      guard try descriptor.lock() else {
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

  /// The process that holds the lock in the state directory; nil when none does. Taking the lock to see would be in a starting engine's way.
  static func holder(_ paths: EnginePaths) -> Int32? {
    let path = paths.state + "/engine.lock"
    var file = stat()
    guard stat(path, &file) == 0, let pid = (try? String(contentsOfFile: path, encoding: .utf8)).flatMap({ Int32($0) }) else { return nil }
    return Survivors.holds(pid, file) ? pid : nil
  }
}
