import CLinux
import Foundation
import Linux
import StopPlan

/// What a replica has in the run directory, and what can be told of it from there alone.
struct ReplicaDirectory: Sendable {
  let path: String

  init(_ path: String) { self.path = path }

  var lock: String { path + "/lock" }
  var socket: String { path + "/control.sock" }
  var keeperLog: String { path + "/keeper.log" }

  var exists: Bool { FileManager.default.fileExists(atPath: path) }

  /// Whether the keeper's control socket can be found there.
  var hasSocket: Bool { FileManager.default.fileExists(atPath: socket) }

  /// What a later engine finds when the newest of the database is lost.
  private var intent: String { path + "/replica.json" }

  /// Whether something of the replica lives: its lock is held by whoever inherited it.
  var isHeld: Bool {
    guard let descriptor = try? Path(string: lock).open(O_RDWR | O_NOFOLLOW) else { return false }
    defer { descriptor.close() }
    return (try? descriptor.lock()) == false
  }

  /// Makes the directory anew and takes the lock, which the keeper and its program inherit.
  /// - Throws: `EngineError` when something of an earlier replica of that name lives.
  func take(for record: ReplicaRecord) throws -> Descriptor {
    if isHeld { throw EngineError("\(record.name) still runs from before; lastcall cannot start it twice") }
    if exists { try? FileManager.default.removeItem(atPath: path) }
    try EnginePaths.createPrivate(path)
    let descriptor = try Path(string: lock).open(O_RDWR | O_CREAT | O_NOFOLLOW)
    do {
      guard try descriptor.lock() else { throw EngineError("\(record.name) still runs from before; lastcall cannot start it twice") }
      let file = try Path(string: intent).open(O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW)
      defer { file.close() }
      try file.write(Array(try JSONEncoder().encode(record)))
      return descriptor
    } catch {
      descriptor.close()
      throw error
    }
  }

  /// What was to be started here.
  func record() -> ReplicaRecord? { read(intent) }

  /// How the program ended, in the keeper's own words; nil when the keeper was killed, or has not ended.
  func exit() -> KeeperMessage? { read(path + "/exit.json") }

  /// Which processes the keeper and the program are.
  func processes() -> ReplicaProcesses? { read(path + "/process.json") }

  /// Says that podman may have a container of it from now on (`ContainerCommand.name`), whoever looks after it next.
  func noteContainer() throws { try Path(string: path + "/container").open(O_WRONLY | O_CREAT | O_NOFOLLOW).close() }

  /// Whether podman may have a container of it.
  var hasContainer: Bool { FileManager.default.fileExists(atPath: path + "/container") }

  /// Why podman could not run its container, in its own words, which are the last that the replica's log has of it.
  func podmansWords() -> String? {
    guard let file = FileHandle(forReadingAtPath: path + "/log"), let end = try? file.seekToEnd() else { return nil }
    try? file.seek(toOffset: end > 65_536 ? end - 65_536 : 0)
    let text = String(decoding: (try? file.readToEnd()) ?? Data(), as: UTF8.self)
    return text.components(separatedBy: " stderr F Error: ").dropFirst().last?.split(separator: "\n").first.map(String.init)
  }

  private func read<Value: Decodable>(_ file: String) -> Value? {
    FileManager.default.contents(atPath: file).flatMap { try? JSONDecoder().decode(Value.self, from: $0) }
  }

  /// The last line of what the keeper said on its standard error.
  func lastWords() -> String? {
    guard let text = try? String(contentsOfFile: keeperLog, encoding: .utf8) else { return nil }
    return text.split(separator: "\n").last.map { String($0.hasPrefix("lastcall-init: ") ? $0.dropFirst(15) : $0) }
  }
}

/// What a keeper writes right after it has started the program (process.json).
struct ReplicaProcesses: Decodable, Sendable {
  var keeper: Int32
  var keeperStart: UInt64
  var main: Int32
  var mainStart: UInt64

  /// The keeper, if it lives.
  var livingKeeper: ProcessIdentity? {
    let identity = ProcessIdentity(pid: keeper, startTime: keeperStart)
    guard let record = ProcessRecord(pid: keeper), record.identity == identity, !record.isZombie else { return nil }
    return identity
  }
}
