import Foundation
import Testing

@testable import LastCall

/// The programs that are built beside the tests.
enum TestProgram {
  static var runsUnderThreadSanitizer: Bool { dlsym(nil, "__tsan_init") != nil }

  static func path(_ name: String) throws -> String {
    let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    return URL(fileURLWithPath: own).deletingLastPathComponent().appendingPathComponent(name).path
  }
}

/// A program whose standard output is read, with nothing else of this process's descriptors.
///
/// Foundation's `Process` crashes in a process with more than a thousand descriptors, which all tests together have: `run()` reads
/// /proc/self/fd and copies each `dirent` as if it were 280 bytes long, beyond the end of the buffer (swift-corelibs-foundation 6.3).
struct ReadProgram: Sendable {
  let pid: pid_t
  private let output: Int32

  init(_ words: [String], environment: [String: String]) throws {
    var ends: [Int32] = [-1, -1]
    try #require(pipe(&ends) == 0)
    _ = fcntl(ends[0], F_SETFD, FD_CLOEXEC)
    var actions = posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    var (none, all) = (sigset_t(), sigset_t())
    posix_spawn_file_actions_init(&actions)
    posix_spawnattr_init(&attributes)
    sigemptyset(&none)
    sigfillset(&all)
    defer {
      posix_spawn_file_actions_destroy(&actions)
      posix_spawnattr_destroy(&attributes)
      close(ends[1])
    }
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
    for descriptor in 3..<Int32(getdtablesize()) where fcntl(descriptor, F_GETFD) == 0 {
      posix_spawn_file_actions_addclose(&actions, descriptor)
    }
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &all)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    let arguments = words.map { strdup($0) }
    let variables = environment.map { strdup("\($0.key)=\($0.value)") }
    defer { for text in arguments + variables { free(text) } }
    var pid: pid_t = 0
    let code = posix_spawn(&pid, words[0], &actions, &attributes, arguments + [nil], variables + [nil])
    try #require(code == 0, "\(words[0]): \(String(cString: strerror(code)))")
    self.pid = pid
    output = ends[0]
  }

  /// Waits for its first byte.
  func firstByte() async {
    _ = await besideThePool { [output] in
      var byte: UInt8 = 0
      return read(output, &byte, 1)
    }
  }

  /// Waits for its end: its exit code, or 1000 and the signal.
  func ending() async -> Int32 {
    let status = await besideThePool { [pid] in
      var status: Int32 = 0
      while waitpid(pid, &status, 0) < 0, errno == EINTR {}
      return status
    }
    close(output)
    return status & 0x7f == 0 ? status >> 8 & 0xff : 1_000 + status & 0x7f
  }
}

/// Runs what blocks, or takes long, on a thread of its own: each of the concurrency pool's that does is missing to every other test.
func besideThePool<R: Sendable>(_ body: @escaping @Sendable () -> R) async -> R {
  await withCheckedContinuation { continuation in
    Thread.detachNewThread { continuation.resume(returning: body()) }
  }
}
