import Foundation

/// What the command line asks an engine, one JSON object a line.
public struct EngineRequest: Codable, Sendable {
  /// The protocol's version.
  public var v = 1
  /// ps, restart, stop, events or down.
  public var op: String
  /// The app meant; nil means all.
  public var app: String?

  /// A request.
  public init(op: String, app: String? = nil) {
    self.op = op
    self.app = app
  }
}

/// What an engine answers: any number of lines, the last with `end`.
public struct EngineAnswer: Codable, Sendable {
  /// Something that happened meanwhile.
  public var event: EngineEvent?
  /// A line about a wait under way.
  public var progress: String?
  /// The replicas, for ps.
  public var rows: [ReplicaRow]?
  /// Set in the last line: the exit code for the command.
  public var end: Int?
  /// Why it failed, with `end` other than 0.
  public var error: String?

  init(event: EngineEvent? = nil, progress: String? = nil, rows: [ReplicaRow]? = nil, end: Int? = nil, error: String? = nil) {
    self.event = event
    self.progress = progress
    self.rows = rows
    self.end = end
    self.error = error
  }
}

/// One replica in `lastcall ps`.
public struct ReplicaRow: Codable, Sendable {
  /// The app's name.
  public var app: String
  /// The replica's.
  public var name: String
  /// Starting, Ready or Terminating.
  public var state: String
  /// The main process.
  public var pid: Int?
  /// Where it listens.
  public var port: Int?
  /// Requests that the proxy has with it.
  public var inFlight: Int?
  /// Seconds since its start.
  public var age: Int64
  /// Its own status, or why it is not ready.
  public var message = ""

  init(app: String, name: String, state: String, age: Int64) {
    self.app = app
    self.name = name
    self.state = state
    self.age = age
  }
}
