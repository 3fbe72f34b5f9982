import Foundation
import Linux
import StopPlan

/// Keepers by what they were called with: their run directory. So they are found when somebody has deleted that and its sockets with it.
enum LivingKeepers {
  /// All that live below an app file's run directory, by their replicas' names. Looks at every process there is.
  static func find(_ paths: EnginePaths) -> [String: ProcessIdentity] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    var found: [String: ProcessIdentity] = [:]
    for pid in names.compactMap({ Int32($0) }) {
      guard let record = ProcessRecord(pid: pid), !record.isZombie, let directory = directory(of: pid) else { continue }
      let name = URL(fileURLWithPath: directory).lastPathComponent
      // The same process still, and one of our user's: another user's could call itself so.
      guard directory == paths.replica(name), isOurs(pid), ProcessRecord(pid: pid)?.identity == record.identity else { continue }
      found[name] = record.identity
    }
    return found
  }

  /// Those whose directory is gone, so that nobody can reach them there.
  static func lost(_ paths: EnginePaths) -> [String: ProcessIdentity] {
    find(paths).filter { !FileManager.default.fileExists(atPath: paths.replica($0.key)) }
  }

  private static func directory(of pid: Int32) -> String? {
    let words = ProcessTree.read(pid, "cmdline", limit: 512).split(separator: 0, maxSplits: 2)
    guard words.count > 1, words[0].elementsEqual("lastcall-keeper".utf8) else { return nil }
    return String(decoding: words[1], as: UTF8.self)
  }

  private static func isOurs(_ pid: Int32) -> Bool {
    var process = stat()
    return stat("/proc/\(pid)", &process) == 0 && process.st_uid == getuid()
  }
}

extension ProcessIdentity {
  /// Waits for the end of exactly that process, which need not be a child of ours (pidfd_open(2)).
  func untilEnded() async {
    guard let handle = ProcessHandle(self) else { return }
    await withCheckedContinuation { continuation in
      Thread.detachNewThread {
        var entry = pollfd(fd: handle.descriptor.number, events: Int16(POLLIN), revents: 0)
        while poll(&entry, 1, -1) < 0, errno == EINTR {}
        handle.descriptor.close()
        continuation.resume()
      }
    }
  }
}
