import Foundation
import Linux

/// Follows the logs of replicas, those too that start meanwhile, over rotation. Woken by inotify(7), so that it costs nothing while nothing
/// is written.
final class LogFollower {
  /// A file that is read on from where it was.
  private struct Tail {
    var file: FileHandle
    var inode: UInt64
    /// The part of a line that has come.
    var rest = Data()
  }

  private let root: String
  private let name: String
  private let notifier: Int32
  private var tails: [String: Tail] = [:]
  private var directories: [Int32: String] = [:]

  /// - Parameters:
  ///   - root: the directory that has one directory for each replica.
  ///   - file: the log's name in it.
  init(root: String, file: String) throws {
    self.root = root
    name = file
    notifier = inotify_init1(Int32(IN_CLOEXEC))
    guard notifier >= 0 else { throw CommandFailure(code: 1, message: "logs cannot be followed: \(SystemError(code: errno))") }
    inotify_add_watch(notifier, root, UInt32(IN_CREATE | IN_MOVED_TO))
  }

  deinit { close(notifier) }

  /// Reads a file that is there; its growth is followed if it is the newest of its replica.
  func take(_ replica: String, _ path: String) -> Data {
    guard let file = FileHandle(forReadingAtPath: path) else { return Data() }
    let text = (try? file.readToEnd()) ?? Data()
    guard path.hasSuffix("/" + name) else { return text }
    let whole = (text.lastIndex(of: UInt8(ascii: "\n")) ?? -1) + 1
    tails[replica] = Tail(file: file, inode: Self.inode(file), rest: text.suffix(from: whole))
    return text.prefix(whole)
  }

  /// What there is of a replica is not shown; what it writes from now on is.
  func skip(_ replica: String) {
    guard let file = FileHandle(forReadingAtPath: root + "/" + replica + "/" + name) else { return }
    _ = try? file.seekToEnd()
    tails[replica] = Tail(file: file, inode: Self.inode(file))
  }

  /// Passes on lines until the process is ended.
  func follow(_ isMeant: (String) -> Bool, each: (LogLine) -> Void) throws {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      for replica in (try? FileManager.default.contentsOfDirectory(atPath: root)) ?? [] where isMeant(replica) {
        watch(replica)
        read(replica, each)
      }
      let count = Glibc.read(notifier, &buffer, buffer.count)
      if count < 0, errno != EINTR { throw CommandFailure(code: 1, message: "logs cannot be followed: \(SystemError(code: errno))") }
    }
  }

  private func watch(_ replica: String) {
    guard !directories.values.contains(replica) else { return }
    let number = inotify_add_watch(notifier, root + "/" + replica, UInt32(IN_MODIFY | IN_CREATE | IN_MOVED_TO))
    if number >= 0 { directories[number] = replica }
  }

  private func read(_ replica: String, _ each: (LogLine) -> Void) {
    while true {
      if tails[replica] == nil, let file = FileHandle(forReadingAtPath: root + "/" + replica + "/" + name) {
        tails[replica] = Tail(file: file, inode: Self.inode(file))
      }
      guard var tail = tails[replica] else { return }
      tail.rest.append((try? tail.file.readToEnd()) ?? Data())
      while let end = tail.rest.firstIndex(of: UInt8(ascii: "\n")) {
        let line = String(decoding: tail.rest[tail.rest.startIndex..<end], as: UTF8.self)
        tail.rest = Data(tail.rest[(end + 1)...])
        if let entry = LogLine(replica: replica, line[...]) { each(entry) }
      }
      tails[replica] = tail
      // After a rotation the old file was read to its end above; the new one is begun.
      guard let newest = FileHandle(forReadingAtPath: root + "/" + replica + "/" + name), Self.inode(newest) != tail.inode else { return }
      tails[replica] = Tail(file: newest, inode: Self.inode(newest))
    }
  }

  private static func inode(_ file: FileHandle) -> UInt64 {
    var information = stat()
    return fstat(file.fileDescriptor, &information) == 0 ? UInt64(information.st_ino) : 0
  }
}
