import CLinux
import Foundation

/// Which file it is, whatever it is called. The file that a process runs keeps its inode while it runs, and cannot be written to
/// (ETXTBSY), so the same identity means the same program.
struct FileIdentity: Equatable, Sendable {
  private let device: UInt64
  private let inode: UInt64

  /// nil when there is no such file.
  init?(_ path: String) {
    var file = stat()
    guard stat(path, &file) == 0 else { return nil }
    (device, inode) = (UInt64(file.st_dev), UInt64(file.st_ino))
  }
}

/// Decides whether a keeper is asked to become the lastcall-keeper that is installed now: when it runs another file than that, and once for
/// each such file. Whether it can is not for us to know: it asks the other one, which says what state it takes.
struct KeeperUpgrade: Sendable {
  /// The newest version of the control protocol that we speak. Every version has `follow SEQ`, `listeners` and `stop ID DEADLINE -`.
  static let protocolVersion: Int64 = 2

  /// Whether it speaks a newer protocol than we.
  private(set) var isNewer = false
  /// What it calls itself, 0.1.0 or the like.
  private(set) var version = ""
  /// What it was before it was asked; nil when no answer is awaited.
  private(set) var before: String?
  private var asked: FileIdentity?

  /// It has greeted us.
  /// - Returns: whether it is known for the first time to be newer.
  mutating func greeted(protocol spoken: Int64?, version: String?) -> Bool {
    self.version = version ?? ""
    let wasNewer = isNewer
    isNewer = spoken ?? 0 > Self.protocolVersion
    return isNewer && !wasNewer
  }

  /// Decides whether it is asked now.
  ///
  /// - Parameters:
  ///   - running: the file that it runs.
  ///   - installed: the one that replicas are started with now.
  mutating func next(running: FileIdentity?, installed: FileIdentity?) -> Bool {
    guard !isNewer, before == nil, let running, let installed, running != installed, asked != installed else { return false }
    (asked, before) = (installed, version)
    return true
  }

  /// It has become another one, or said why not.
  mutating func answered() { before = nil }
}
