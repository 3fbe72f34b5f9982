import Foundation

/// What the command line asks an engine, one JSON object a line.
public struct EngineRequest: Codable, Sendable {
  /// What can be asked.
  public enum Operation: String, Codable, Sendable {
    /// The replicas.
    case ps
    /// All that is known of apps.
    case describe
    /// The revisions of apps.
    case history
    /// How far rollouts are; waits for their end.
    case status
    /// Read the file again and carry out what has changed.
    case deploy
    /// Tell what a deploy would change.
    case diff
    /// Replace all replicas.
    case restart
    /// Replace the replicas by those of an earlier revision.
    case undo
    /// Hold, and go on with, the replacement of old replicas by new ones.
    case pause, resume
    /// Change the number of replicas.
    case scale
    /// Stop the replicas, and start them again.
    case stop, start
    /// Send a signal to main processes.
    case kill
    /// Have the programs read their configuration again.
    case reload
    /// Forget an app.
    case rm
    /// Pass on events until the client goes.
    case watch
    /// Stop everything, and the engine.
    case down
  }

  /// The protocol's version that it needs: 2 with several names, of which an engine of version 1 would take the first.
  public var v = 1
  /// What is asked.
  public var op: Operation
  /// The app or replica meant; nil means all.
  public var app: String?
  /// Further ones.
  public var more: [String]?
  /// How many replicas, for scale.
  public var replicas: Int?
  /// Which revision, for undo; nil is the one before.
  public var revision: Int?
  /// The grace in seconds, for stop; it can only be shorter than what is declared.
  public var grace: Double?
  /// For stop: whether it waits for no drain and no hook, and skips to the next signal where a stop is under way.
  public var now: Bool?
  /// The signal, for kill.
  public var signal: String?
  /// The last event that is known, for watch.
  public var after: Int64?
  /// Whether to stop first, for rm.
  public var force: Bool?

  /// A request about these apps or replicas, or about all.
  public init(op: Operation, _ names: [String] = []) {
    self.op = op
    app = names.first
    guard names.count > 1 else { return }
    (v, more) = (2, Array(names.dropFirst()))
  }

  /// The apps or replicas meant; all without any.
  var names: [String] { [app].compactMap { $0 } + (more ?? []) }
}

/// What an engine answers: any number of lines, the last with `end`.
public struct EngineAnswer: Codable, Sendable {
  /// Something that happened meanwhile.
  public var event: EngineEvent?
  /// A line about a wait under way.
  public var progress: String?
  /// A line that was asked for.
  public var line: String?
  /// The replicas, for ps.
  public var rows: [ReplicaRow]?
  /// All that is known of an app, for describe; one answer for each.
  public var description: AppDescription?
  /// The revisions of an app, for history; one answer for each.
  public var history: AppHistory?
  /// Set in the last line: the exit code for the command.
  public var end: Int?
  /// Why it failed, with `end` other than 0.
  public var error: String?

  init(
    event: EngineEvent? = nil, progress: String? = nil, line: String? = nil, rows: [ReplicaRow]? = nil, end: Int? = nil,
    error: String? = nil
  ) {
    self.event = event
    self.progress = progress
    self.line = line
    self.rows = rows
    self.end = end
    self.error = error
  }
}

/// One replica in `lastcall ps`, or one of its sidecars, which follow it; or an app of which nothing runs.
public struct ReplicaRow: Codable, Sendable {
  /// The app's name.
  public var app: String
  /// The replica's; the app's when nothing of it runs.
  public var name: String
  /// Pending, Starting, Ready, Draining, Terminating; Running of a job; of an app of which nothing runs Stopped, Succeeded, Failed, Scheduled,
  /// BackOff or CrashLoop.
  public var state: String
  /// The main process.
  public var pid: Int?
  /// Where it listens.
  public var port: Int?
  /// Requests that the proxy has with it.
  public var inFlight: Int?
  /// Seconds since its start.
  public var age: Int64
  /// What it was started from.
  public var revision: Int?
  /// Its keeper.
  public var keeper: Int?
  /// Of a sidecar, its name in the file.
  public var sidecar: String?
  /// Of a sidecar, how often it was started again beside this replica.
  public var restarts: Int?
  /// While it drains or ends: whether it still passes its readiness check, as `serving` of an EndpointSlice says (KEP-1672).
  public var serving: Bool?
  /// Why it is in that state, in one word (`ShownState`); nil of an engine that does not say.
  public var reason: String?
  /// Its own status, or why it is in that state.
  public var message: String

  init(app: String, name: String, _ state: ShownState, age: Int64 = 0) {
    self.app = app
    self.name = name
    self.age = age
    (self.state, reason, message) = (state.name, state.reason, state.message)
  }
}

/// The revisions of one app.
public struct AppHistory: Codable, Sendable {
  /// One of them.
  public struct Entry: Codable, Sendable {
    /// Counts from 1.
    public var number: Int
    /// When it was made, in seconds since 1970 UTC.
    public var at: Double
    /// Why there is one.
    public var cause: String
    /// What became of it.
    public var outcome: String
    /// What it changed, in the file's words; values that are secret are not shown.
    public var changes: [String]
    /// Whether it is the one that is wanted now.
    public var isCurrent: Bool
  }

  /// The app's name.
  public var app: String
  /// The oldest that is kept first.
  public var revisions: [Entry]
}

/// All that is known of one app.
public struct AppDescription: Codable, Sendable {
  /// How long stops have really taken.
  public struct Stops: Codable, Sendable {
    /// How many were measured.
    public var count: Int
    /// Half of them took no longer, in seconds.
    public var p50: Double
    /// Nearly all took no longer, in seconds.
    public var p99: Double
    /// How many ended by KILL.
    public var killed: Int
    /// What the grace would better be, if anything.
    public var advice: String?
  }

  /// What the hooks of one replica wrote last.
  public struct HookLog: Codable, Sendable {
    /// The replica's name, or its sidecar's.
    public var replica: String
    /// The last lines, the oldest first.
    public var lines: [String]
  }

  /// The app's name.
  public var app: String
  /// Running, Stopped, Pending, CrashLoop, …
  public var state: String
  /// Why, in one word (`ShownState`); nil of an engine that does not say.
  public var reason: String?
  /// Why.
  public var message: String
  /// Whether what is wanted has been reached, or given up; nil of an engine that does not say.
  public var isSettled: Bool?
  /// The revision that is wanted.
  public var revision: Int
  /// How many replicas are wanted.
  public var replicas: Int
  /// What is declared, a line each.
  public var declared: [String]
  /// How many of them are ready.
  public var ready: Int
  /// Its replicas and their sidecars.
  public var rows: [ReplicaRow]
  /// How long stops have really taken; nil when none was measured.
  public var stops: Stops?
  /// What hooks wrote last, of the replicas whose logs are kept.
  public var hooks: [HookLog]
  /// The last events.
  public var events: [EngineEvent]
}
