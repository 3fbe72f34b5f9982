import Foundation
import GRDB
import Linux
import Rollout

/// The tables, and what each change does to them.
enum StateSchema {
  /// How many revisions of an app are kept, as a Deployment's revisionHistoryLimit (kubernetes, apps/v1: 10).
  static let revisionLimit = 10
  /// How many events are kept.
  static let eventLimit = 100_000
  /// How many stops' lengths are kept, of all apps.
  static let stopLimit = 10_000

  static func open(_ path: String) throws -> DatabaseQueue {
    var configuration = Configuration()
    configuration.prepareDatabase { database in
      try database.execute(sql: "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
    }
    // The command line reads while an engine writes.
    configuration.busyMode = .timeout(10)
    let directory = URL(fileURLWithPath: path).deletingLastPathComponent().path
    var file = stat()
    guard lstat(directory, &file) == 0, file.st_mode & S_IFMT == S_IFDIR else {
      throw EngineError("\(directory) is not a directory of ours; remove it, or set LASTCALL_STATE_DIR")
    }
    for suffix in ["", "-wal", "-shm"] {
      guard lstat(path + suffix, &file) == 0, file.st_mode & S_IFMT != S_IFREG else { continue }
      throw EngineError("\(path + suffix) is not a file of ours; remove it")
    }
    try makePrivate(path)
    do {
      let queue = try DatabaseQueue(path: path, configuration: configuration)
      // What a newer version has made of it is not ours to guess.
      if try queue.read(migrator.hasBeenSuperseded) {
        throw EngineError("\(path) was written by a newer version of lastcall; use that one, or set LASTCALL_STATE_DIR")
      }
      try migrator.migrate(queue)
      return queue
    } catch let error as DatabaseError where [.SQLITE_NOTADB, .SQLITE_CORRUPT].contains(error.resultCode) {
      throw EngineError(
        """
        \(path) is damaged (\(error.message ?? "not a database")); move it away together with \(path)-wal and \(path)-shm: what runs is found by the \
        run directory then, and replaced by what the file says
        """)
    }
  }

  /// SQLite gives what it makes beside the database (-wal, -shm) the database's own mode (os_unix.c, findCreateFileMode).
  private static func makePrivate(_ path: String) throws {
    let descriptor = try Path(string: path).open(O_RDWR | O_CREAT | O_NOFOLLOW)
    defer { descriptor.close() }
    var file = stat()
    if fstat(descriptor.number, &file) == 0, file.st_uid == getuid(), file.st_mode & 0o077 != 0 { fchmod(descriptor.number, 0o600) }
  }

  private static var migrator: DatabaseMigrator {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("1 events") { database in
      try database.create(table: "event") { table in
        table.autoIncrementedPrimaryKey("id")
        table.column("at", .double).notNull()
        table.column("app", .text).notNull().indexed()
        table.column("replica", .text)
        table.column("kind", .text).notNull()
        table.column("reason", .text).notNull()
        table.column("message", .text).notNull()
      }
    }
    migrator.registerMigration("2 state") { database in
      try database.alter(table: "event") { $0.add(column: "key", .text) }
      try database.create(index: "event_key", on: "event", columns: ["key"], options: .unique)
      try database.create(table: "app") { table in
        table.primaryKey("name", .text)
        table.column("record", .text).notNull()
      }
      try database.create(table: "revision") { table in
        table.column("app", .text).notNull()
        table.column("number", .integer).notNull()
        table.column("record", .text).notNull()
        table.primaryKey(["app", "number"])
      }
      try database.create(table: "replica") { table in
        table.primaryKey("name", .text)
        table.column("record", .text).notNull()
      }
      try database.create(table: "stop") { table in
        table.autoIncrementedPrimaryKey("id")
        table.column("app", .text).notNull().indexed()
        table.column("seconds", .double).notNull()
        table.column("killed", .boolean).notNull()
      }
    }
    return migrator
  }

  /// - Returns: the event, when the change is one that was not there.
  static func apply(_ change: StateChange, to database: Database) throws -> EngineEvent? {
    switch change {
    case .event(let event):
      try run(
        database, "INSERT OR IGNORE INTO event (at, app, replica, kind, reason, message, key) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [event.at, event.app, event.replica, event.kind.rawValue, event.reason, event.message, event.key])
      guard database.changesCount > 0 else { return nil }
      let id = database.lastInsertedRowID
      if id % 1_000 == 0 { try run(database, "DELETE FROM event WHERE id <= ?", [id - Int64(eventLimit)]) }
      var kept = event
      kept.id = id
      return kept
    case .app(let record):
      try run(database, "INSERT OR REPLACE INTO app (name, record) VALUES (?, ?)", [record.name, try encode(record)])
    case .appGone(let name):
      try run(database, "DELETE FROM app WHERE name = ?", [name])
    case .revision(let record): try keep(record, database)
    case .outcome(let app, let number, let outcome):
      guard var record = try revisions(database, of: app).first(where: { $0.number == number }) else { return nil }
      record.outcome = outcome
      try keep(record, database)
    case .replica(let record):
      try run(database, "INSERT OR REPLACE INTO replica (name, record) VALUES (?, ?)", [record.name, try encode(record)])
    case .replicaGone(let name): try run(database, "DELETE FROM replica WHERE name = ?", [name])
    case .stop(let stop):
      try run(database, "INSERT INTO stop (app, seconds, killed) VALUES (?, ?, ?)", [stop.app, stop.seconds, stop.wasKilled])
      let id = database.lastInsertedRowID
      if id % 100 == 0 { try run(database, "DELETE FROM stop WHERE id <= ?", [id - Int64(stopLimit)]) }
    }
    return nil
  }

  /// The last stops of an app.
  static func stops(_ database: Database, of app: String) throws -> [StopRecord] {
    try Row.fetchAll(database, sql: "SELECT * FROM stop WHERE app = ? ORDER BY id DESC LIMIT 1000", arguments: [app]).map {
      StopRecord(app: app, seconds: $0["seconds"], wasKilled: $0["killed"])
    }
  }

  private static func keep(_ record: RevisionRecord, _ database: Database) throws {
    try run(
      database, "INSERT OR REPLACE INTO revision (app, number, record) VALUES (?, ?, ?)", [record.app, record.number, try encode(record)])
    try run(database, "DELETE FROM revision WHERE app = ? AND number <= ?", [record.app, record.number - revisionLimit])
  }

  static func events(_ database: Database, after id: Int64, limit: Int, of name: String?) throws -> [(id: Int64, event: EngineEvent)] {
    let rows = try Row.fetchAll(
      database, sql: "SELECT * FROM event WHERE id > ? AND (? IS NULL OR app = ? OR replica = ?) ORDER BY id DESC LIMIT ?",
      arguments: [id, name, name, name, limit])
    return rows.reversed().map { row in
      var event = EngineEvent(
        app: row["app"], replica: row["replica"], kind: EngineEvent.Kind(rawValue: row["kind"]) ?? .normal, reason: row["reason"],
        message: row["message"])
      event.at = row["at"]
      event.id = row["id"]
      return (row["id"], event)
    }
  }

  /// - Parameter app: whose; nil means all.
  static func revisions(_ database: Database, of app: String?) throws -> [RevisionRecord] {
    let sql = "SELECT record FROM revision WHERE ? IS NULL OR app = ? ORDER BY number"
    return try String.fetchAll(database, sql: sql, arguments: [app, app])
      .compactMap { decode($0) }
  }

  static func apps(_ database: Database) throws -> [AppRecord] {
    try String.fetchAll(database, sql: "SELECT record FROM app").compactMap { decode($0) }
  }

  static func replicas(_ database: Database) throws -> [ReplicaRecord] {
    try String.fetchAll(database, sql: "SELECT record FROM replica").compactMap { decode($0) }
  }

  private static func run(_ database: Database, _ sql: String, _ arguments: StatementArguments) throws {
    try database.cachedStatement(sql: sql).execute(arguments: arguments)
  }

  private static func encode(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }

  private static func decode<Value: Decodable>(_ text: String) -> Value? {
    try? JSONDecoder().decode(Value.self, from: Data(text.utf8))
  }
}
