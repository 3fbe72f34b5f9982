import Foundation

extension App: Codable {
  private enum CodingKeys: String, CodingKey {
    case name, command, directory, environment = "env", replicas, listen, ready, stop, update, restart, kind, schedule, after, live,
      sidecars
    case exits, reload, logs, notify, user, umask, limits, secrets, container
  }

  /// Reads the name and the command, which must be there, and the rest, which has the defaults of an app without a listener.
  public init(from decoder: any Decoder) throws {
    let keys = try decoder.container(keyedBy: CodingKeys.self)
    self.init(name: try keys.decode(String.self, forKey: .name), command: try keys.decode(CommandWords.self, forKey: .command))
    directory = try keys.value(.directory, or: directory)
    environment = try keys.value(.environment, or: [:])
    replicas = try keys.value(.replicas, or: 1)
    listen = try keys.decodeIfPresent(Listen.self, forKey: .listen)
    ready = try keys.decodeIfPresent(Readiness.self, forKey: .ready)
    live = try keys.decodeIfPresent(Liveness.self, forKey: .live)
    stop = try keys.value(.stop, or: stop)
    sidecars = try keys.value(.sidecars, or: [])
    update = try keys.value(.update, or: update)
    restart = try keys.value(.restart, or: restart)
    exits = try keys.value(.exits, or: exits)
    kind = try keys.value(.kind, or: kind)
    schedule = try keys.decodeIfPresent(String.self, forKey: .schedule)
    after = try keys.value(.after, or: [])
    reload = try keys.decodeIfPresent(Reload.self, forKey: .reload)
    logs = try keys.value(.logs, or: logs)
    notify = try keys.value(.notify, or: notify)
    user = try keys.decodeIfPresent(User.self, forKey: .user)
    umask = try keys.decodeIfPresent(Int.self, forKey: .umask)
    limits = try keys.value(.limits, or: limits)
    secrets = Set(try keys.value(.secrets, or: [String]()))
    container = try keys.decodeIfPresent(Container.self, forKey: .container)
  }

  /// Writes every part. Values of secrets are among them: who keeps it keeps it from others.
  public func encode(to encoder: any Encoder) throws {
    var keys = encoder.container(keyedBy: CodingKeys.self)
    try keys.encode(name, forKey: .name)
    try keys.encode(command, forKey: .command)
    try keys.encode(directory, forKey: .directory)
    try keys.encode(environment, forKey: .environment)
    try keys.encode(replicas, forKey: .replicas)
    try keys.encodeIfPresent(listen, forKey: .listen)
    try keys.encodeIfPresent(ready, forKey: .ready)
    try keys.encodeIfPresent(live, forKey: .live)
    try keys.encode(stop, forKey: .stop)
    try keys.encode(sidecars, forKey: .sidecars)
    try keys.encode(update, forKey: .update)
    try keys.encode(restart, forKey: .restart)
    try keys.encode(exits, forKey: .exits)
    try keys.encode(kind, forKey: .kind)
    try keys.encodeIfPresent(schedule, forKey: .schedule)
    try keys.encode(after, forKey: .after)
    try keys.encodeIfPresent(reload, forKey: .reload)
    try keys.encode(logs, forKey: .logs)
    try keys.encode(notify, forKey: .notify)
    try keys.encodeIfPresent(user, forKey: .user)
    try keys.encodeIfPresent(umask, forKey: .umask)
    try keys.encode(limits, forKey: .limits)
    try keys.encode(secrets.sorted(), forKey: .secrets)
    try keys.encodeIfPresent(container, forKey: .container)
  }
}

extension App {
  /// The app as JSON on one line, its keys sorted: equal apps give equal texts. It has the values of secrets in it.
  public func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }

  /// Reads what `json()` wrote, of this version, an earlier or a later one.
  public init(json: String) throws { self = try JSONDecoder().decode(App.self, from: Data(json.utf8)) }
}
