import Linux
import StopPlan

/// What only a keeper of a replica has to tell.
extension KeeperEvent {
  /// A log cannot be written, or can be again.
  static func log(_ log: LogFile) -> KeeperEvent {
    var event = KeeperEvent(log.failure == nil ? "logResumed" : log.blocks ? "logBlocked" : "logDropped")
    event.json.field("log", text: log.name)
    if let failure = log.failure {
      event.json.field("reason", failure)
    } else {
      event.json.field("lines", log.saidDropped)
    }
    return event
  }

  /// Lines that are lost at the end, since their log could not be written.
  static func logLost(_ log: LogFile) -> KeeperEvent {
    var event = KeeperEvent("logDropped")
    event.json.field("log", text: log.name)
    event.json.field("lines", log.unwritten)
    return event
  }

  static func plain(_ name: ByteView) -> KeeperEvent { KeeperEvent(name) }

  /// An event with one number of its own.
  static func number(_ name: ByteView, _ field: ByteView, _ value: Int64) -> KeeperEvent {
    var event = KeeperEvent(name)
    event.json.field(field, value)
    return event
  }

  /// A descriptor of the program's is stored, refused, or no longer stored.
  static func descriptor(_ name: ByteView, _ stored: ByteView, count: Int) -> KeeperEvent {
    var event = KeeperEvent(name)
    event.json.field("name", text: stored)
    event.json.field("stored", Int64(count))
    return event
  }
}
