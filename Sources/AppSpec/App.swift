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

  /// What kind of work it is; a service unless written.
  public var kind = Kind.service
  /// When a job runs: the text of five cron fields or an @word, checked; nil runs it once.
  public var schedule: String?
  /// The apps that it waits for: services until they are ready, jobs until they are done.
  public var after: [String] = []
  /// How lastcall knows that a replica still works; nil, the default, trusts that one that runs does.
  public var live: Liveness?
  /// Programs beside each replica, in the order in which they are started.
  public var sidecars: [Sidecar] = []
  /// What an end means, before `restart.policy` is asked.
  public var exits = Exits()
  /// How a replica is told to read its configuration again; nil when it cannot be told.
  public var reload: Reload?
  /// What becomes of a replica's output.
  public var logs = Logs()
  /// What a replica may ask for by sd_notify(3).
  public var notify = Notify()
  /// Whom replicas run as; nil is lastcall's own user.
  public var user: User?
  /// The bits that new files do not get (umask(2)), 0…0o777; nil is lastcall's own.
  public var umask: Int?
  /// What a replica's processes may use at most.
  public var limits = Limits()
  /// The variables whose values are never shown, beside those whose names say so (`isSecret`).
  public var secrets: Set<String> = []
  /// The image that each replica is a container of; `command` is then only the runtime's program.
  public var container: Container?

  /// The argument vector of a replica with that port of its own (`via: proxy`), or with none.
  public func command(port: Int?) -> [String] { command.argv(for: ReplicaValues(port: port)) }

  /// The app's own variables for one replica.
  public func environment(for values: ReplicaValues) -> [String: String] { environment.mapValues { $0.text(for: values) } }

  /// The commands of this machine that it names, each by the field that names it. A container's are the image's.
  var commands: [(path: String, command: CommandWords)] {
    var all = container == nil ? ownCommands : [(path: "runtime", command: command)]
    for (index, sidecar) in sidecars.enumerated() {
      let path = "sidecars[\(index)]"
      all.append(("\(path).command", sidecar.command))
      if case .exec(let probe)? = sidecar.ready?.check { all.append(("\(path).ready.exec", probe)) }
      all += sidecar.stop.commands.map { ("\(path).\($0.path)", $0.command) }
    }
    return all
  }

  private var ownCommands: [(path: String, command: CommandWords)] {
    var all = [(path: "command", command: command)]
    if case .exec(let probe)? = ready?.check { all.append(("ready.exec", probe)) }
    if case .exec(let probe)? = live?.check { all.append(("live.exec", probe)) }
    if case .exec(let command)? = reload { all.append(("reload.exec", command)) }
    return all + stop.commands
  }
}

extension Stop {
  fileprivate var commands: [(path: String, command: CommandWords)] {
    var all: [(path: String, command: CommandWords)] = []
    if case .exec(let hook)? = preStop { all.append(("stop.preStop.exec", hook)) }
    return all + hooks.map { ("stop.plan", $0) }
  }
}

extension App {
  /// An app of which nothing but its command is said: the defaults of one without a listener.
  public init(name: String, command: CommandWords) {
    self.init(
      name: name, command: command, directory: command.directory, environment: [:], replicas: 1, listen: nil, ready: nil,
      stop: Stop(grace: .seconds(30)), update: Update(surge: .count(0), unavailable: .count(1)), restart: Restart())
  }
}
