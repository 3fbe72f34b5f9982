import CLinux
import Foundation
import Linux

/// Where the cgroups of an engine's replicas are (cgroups(7), version 2): whatever a replica's program starts is found there, whichever session it
/// is in and whatever it has closed.
///
/// `LASTCALL_CGROUP` says where: a directory of a cgroup v2, or `own` for the engine's own, which has to be delegated to it (systemd.resource-control(5),
/// Delegate=). Without it there are none.
struct Cgroups: Sendable {
  /// What all of this engine's are in; nil when there are none.
  let directory: String?
  /// Why there are none although the engine's own was to be used; an engine without them works too.
  let problem: String?

  /// - Throws: `EngineError` when the directory that is named cannot be used.
  init(_ paths: EnginePaths, environment: [String: String]) throws(EngineError) {
    guard let wanted = environment["LASTCALL_CGROUP"], !wanted.isEmpty else {
      (directory, problem) = (nil, nil)
      return
    }
    do throws(EngineError) {
      directory = try Self.make(in: wanted == "own" ? try Self.own() : wanted, for: paths)
      problem = nil
    } catch {
      if wanted != "own" {
        throw EngineError("LASTCALL_CGROUP=\(wanted): \(error); expected a directory of a cgroup v2 that we may use, or own")
      }
      (directory, problem) = (nil, "LASTCALL_CGROUP=own: \(error); replicas have no cgroups of their own")
    }
  }

  /// The cgroup of a replica.
  func replica(_ name: String) -> String? { directory.map { $0 + "/" + name } }

  /// Removes what all of them were in, once they are gone.
  func remove() { if let directory { rmdir(directory) } }

  private static func make(in parent: String, for paths: EnginePaths) throws(EngineError) -> String {
    guard parent.hasPrefix("/") else { throw EngineError("it is not an absolute path") }
    guard FileManager.default.fileExists(atPath: parent + "/cgroup.controllers") else { throw EngineError("it is not in a cgroup v2") }
    // The same for all engines of this file, one after another.
    let path = parent + "/lastcall-" + URL(fileURLWithPath: paths.run).lastPathComponent
    guard mkdir(path, 0o755) == 0 || errno == EEXIST else { throw EngineError("\(SystemError(code: errno))") }
    guard access(path + "/cgroup.procs", W_OK) == 0 else { throw EngineError("\(SystemError(code: errno))") }
    return path
  }

  /// The directory of the cgroup that we are in.
  private static func own() throws(EngineError) -> String {
    let lines = (try? String(contentsOfFile: "/proc/self/cgroup", encoding: .utf8))?.split(separator: "\n") ?? []
    let mounts = (try? String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8))?.split(separator: "\n") ?? []
    guard let line = lines.first(where: { $0.hasPrefix("0::/") }) else { throw EngineError("we are in no cgroup v2") }
    for mount in mounts {
      // proc_pid_mountinfo(5): … root mount-point … - type …
      let words = mount.split(separator: " ")
      guard let dash = words.firstIndex(of: "-"), dash > 4, words.count > dash + 1, words[dash + 1] == "cgroup2" else { continue }
      let (path, root) = (String(line.dropFirst(3)), words[3] == "/" ? "" : String(words[3]))
      guard path == root || path.hasPrefix(root + "/") else { continue }
      let below = path.dropFirst(root.utf8.count)
      return String(words[4]) + (below == "/" ? "" : below)
    }
    throw EngineError("no cgroup v2 is mounted")
  }

  // MARK: - One cgroup

  /// The processes in a cgroup and in those below it.
  static func members(of path: String) -> Set<Int32> {
    let text = (try? String(contentsOfFile: path + "/cgroup.procs", encoding: .utf8)) ?? ""
    return below(path).reduce(into: Set(text.split(separator: "\n").compactMap { Int32($0) })) { $0.formUnion(members(of: $1)) }
  }

  /// Removes a cgroup and those below it, as far as they are empty.
  static func remove(_ path: String) {
    for directory in below(path) { remove(directory) }
    rmdir(path)
  }

  private static func below(_ path: String) -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    return names.map { path + "/" + $0 }.filter { directory in
      var information = stat()
      return lstat(directory, &information) == 0 && information.st_mode & S_IFMT == S_IFDIR
    }
  }
}
