import StopPlan

/// One app as a user declares it, defaults filled in: a command, its replicas, and how they are reached, watched, stopped and replaced.
///
/// It says nothing of where it was written, so that two revisions are equal when they mean the same.
public struct App: Equatable, Sendable {
  /// Its name: `[a-z0-9][a-z0-9-]{0,40}`.
  public var name: String
  /// What every replica runs. A program with a slash is relative to `directory`.
  public var command: CommandWords
  /// The absolute directory that the command, the probes and the hooks run in; the file's own unless written.
  public var directory: String
  /// The variables that are set beside those of the environment.
  public var environment: [String: Template]
  /// How many run, 1…10000; 1 unless written.
  public var replicas: Int
  /// Where it is reached; nil for an app that accepts no connections through lastcall.
  public var listen: Listen?
  /// How lastcall knows that a replica can do its work. Unless written: its own port accepts connections under `via: proxy`; otherwise nil, and
  /// a replica counts as ready when it has lived for `update.settle`.
  public var ready: Readiness?
  /// How replicas are stopped.
  public var stop: Stop
  /// How replicas are replaced.
  public var update: Update
  /// What happens when a replica ends by itself.
  public var restart: Restart

  /// The argument vector of a replica with that port of its own (`via: proxy`), or with none.
  public func command(port: Int?) -> [String] { command.argv(for: ReplicaValues(port: port)) }

  /// The app's own variables for one replica.
  public func environment(for values: ReplicaValues) -> [String: String] { environment.mapValues { $0.text(for: values) } }

  /// The commands that it names, each by the field that names it.
  var commands: [(path: String, command: CommandWords)] {
    var all = [(path: "command", command: command)]
    if case .exec(let probe)? = ready?.check { all.append(("ready.exec", probe)) }
    if case .exec(let hook)? = stop.preStop { all.append(("stop.preStop.exec", hook)) }
    return all + stop.hooks.map { ("stop.plan", $0) }
  }
}
