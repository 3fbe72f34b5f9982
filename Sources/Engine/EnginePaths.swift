import Foundation
import Linux

/// Where an engine keeps what it needs: the run directory (sockets, locks, logs of replicas) and the state directory (events).
///
/// Both belong to one app file, by its real path: whoever names the file finds its engine, also when the file has become unreadable.
public struct EnginePaths: Sendable {
  /// Sockets, locks and replicas' directories; gone with a reboot.
  public let run: String
  /// What outlives a reboot.
  public let state: String

  /// The engine's control socket.
  public var socket: String { run + "/engine.sock" }
  /// The engine's lock.
  public var lock: String { run + "/engine.lock" }
  /// What outlives the engine: desired state, revisions, replicas, events.
  public var database: String { state + "/state.sqlite" }

  /// The longest path that leaves room for a replica's socket in 107 bytes (unix(7)).
  private static let longestRun = 107 - "/r/12345678901234567890123456789012345678901-123456/control.sock".utf8.count

  /// Where the run directory is when there is no better place.
  private static var fallback: String { "/tmp/lastcall-\(getuid())" }

  /// The directories for an app file.
  ///
  /// - Parameters:
  ///   - file: its path.
  ///   - environment: `LASTCALL_RUN_DIR` and `LASTCALL_STATE_DIR` come first, then `XDG_RUNTIME_DIR` and `XDG_STATE_HOME`.
  public init(file: String, environment: [String: String]) {
    let real = URL(fileURLWithPath: file).resolvingSymlinksInPath().path
    let key = String(format: "%016llx", Self.hash(real))
    let user = getuid()
    func named(_ variable: String) -> String? { environment[variable].flatMap { $0.isEmpty ? nil : $0 } }
    var base = named("LASTCALL_RUN_DIR") ?? (user == 0 ? "/run/lastcall" : named("XDG_RUNTIME_DIR").map { $0 + "/lastcall" })
    if (base ?? "").utf8.count + 1 + key.utf8.count > Self.longestRun { base = nil }
    run = (base ?? Self.fallback) + "/" + key
    let home = environment["HOME"] ?? "/"
    let stateBase =
      named("LASTCALL_STATE_DIR")
      ?? (user == 0 ? "/var/lib/lastcall" : (named("XDG_STATE_HOME") ?? home + "/.local/state") + "/lastcall")
    state = stateBase + "/" + key
  }

  /// The directory of one replica.
  public func replica(_ name: String) -> String { run + "/r/" + name }

  /// Makes the directories, 0700, and refuses what another user could have put there.
  func create() throws(EngineError) {
    // In /tmp somebody else could have made it before, and replace what is in it.
    let fallback = URL(fileURLWithPath: run).deletingLastPathComponent().path
    if fallback == Self.fallback { try Self.createPrivate(fallback) }
    for directory in [run, run + "/r", state] { try Self.createPrivate(directory) }
  }

  /// Lets another user's program go through to a replica's directory, where its notify socket is (0711: nothing can be listed). The sockets and
  /// files in it stay ours alone.
  func letThrough(to replica: String) throws(EngineError) {
    let parent = URL(fileURLWithPath: run).deletingLastPathComponent().path
    for path in [parent, run, run + "/r", self.replica(replica)] {
      var information = stat()
      guard lstat(path, &information) == 0, information.st_mode & S_IFMT == S_IFDIR, information.st_uid == getuid() else { continue }
      if information.st_mode & 0o011 == 0o011 { continue }
      guard chmod(path, information.st_mode & 0o7777 | 0o011) == 0 else {
        throw EngineError("\(path) cannot be opened to the user of \(replica): \(SystemError(code: errno)); set LASTCALL_RUN_DIR")
      }
    }
  }

  /// Makes a directory that is ours alone.
  /// - Throws: `EngineError` when it cannot be made, or another user could have put it there.
  public static func makePrivate(_ path: String) throws { try createPrivate(path) }

  static func createPrivate(_ path: String) throws(EngineError) {
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    } catch {
      throw EngineError("cannot make the directory \(path): \(error.localizedDescription); set LASTCALL_RUN_DIR and LASTCALL_STATE_DIR")
    }
    var information = stat()
    guard lstat(path, &information) == 0, information.st_mode & S_IFMT == S_IFDIR, information.st_uid == getuid() else {
      throw EngineError("\(path) is not a directory of ours; remove it, or set LASTCALL_RUN_DIR and LASTCALL_STATE_DIR")
    }
    // One that was there may be open to others; 0711 is what `letThrough` makes of it.
    if information.st_mode & 0o066 != 0, chmod(path, 0o700) != 0 {
      throw EngineError("\(path) cannot be closed to others: \(SystemError(code: errno)); set LASTCALL_RUN_DIR and LASTCALL_STATE_DIR")
    }
  }

  /// FNV-1a, 64 bits (Fowler, Noll, Vo): enough to tell paths apart, no secret.
  private static func hash(_ text: String) -> UInt64 {
    text.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
  }
}

/// A failure of the engine, in words for its user: what happened, to what, and what to do.
public struct EngineError: Error, CustomStringConvertible, Sendable {
  /// The words.
  public let description: String

  /// A failure in these words.
  public init(_ description: String) { self.description = description }
}
