import Foundation
import GRDB

/// The events of one app file, in SQLite: WAL, synchronous=FULL, so that what was said to have happened is still there after a crash.
public final class EventLog: Sendable {
  private let database: DatabaseQueue

  /// Opens or makes the log at `path`.
  public init(path: String) throws {
    var configuration = Configuration()
    configuration.prepareDatabase { database in
      try database.execute(sql: "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
    }
    database = try DatabaseQueue(path: path, configuration: configuration)
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
    try migrator.migrate(database)
  }

  /// Adds an event.
  func append(_ event: EngineEvent) throws {
    try database.write { database in
      try database.execute(
        sql: "INSERT INTO event (at, app, replica, kind, reason, message) VALUES (?, ?, ?, ?, ?, ?)",
        arguments: [event.at, event.app, event.replica, event.kind.rawValue, event.reason, event.message])
    }
  }

  /// The last `limit` events, oldest first; of one app, or all when nil.
  public func last(_ limit: Int, app: String?) throws -> [EngineEvent] {
    try database.read { database in
      let rows = try Row.fetchAll(
        database,
        sql: "SELECT * FROM event WHERE ? IS NULL OR app = ? OR replica = ? ORDER BY id DESC LIMIT ?", arguments: [app, app, app, limit])
      return rows.reversed().map { row in
        var event = EngineEvent(
          app: row["app"], replica: row["replica"], kind: EngineEvent.Kind(rawValue: row["kind"]) ?? .normal, reason: row["reason"],
          message: row["message"])
        event.at = row["at"]
        return event
      }
    }
  }
}
