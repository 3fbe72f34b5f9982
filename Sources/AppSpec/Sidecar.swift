import StopPlan

/// A program beside an app's own in each replica: started and ready before it, stopped after it has ended, within the app's grace.
public struct Sidecar: Equatable, Sendable {
  /// Its name, which no other sidecar of the app has: `[a-z0-9][a-z0-9-]{0,40}`.
  public var name: String
  /// What it runs. A program with a slash is relative to `directory`.
  public var command: CommandWords
  /// The absolute directory that it, its probe and its hook run in; the app's unless written.
  public var directory: String
  /// The variables that are set for it beside those of the app.
  public var environment: [String: Template]
  /// How lastcall knows that it can do its work; nil, the default, takes it for ready when it is started.
  public var ready: Readiness?
  /// How it is stopped, within the app's grace. Its `preStop` runs when the app's does.
  public var stop: Stop

  /// A sidecar.
  public init(
    name: String, command: CommandWords, directory: String, environment: [String: Template] = [:], ready: Readiness? = nil,
    stop: Stop = Stop(grace: .seconds(30))
  ) {
    self.name = name
    self.command = command
    self.directory = directory
    self.environment = environment
    self.ready = ready
    self.stop = stop
  }
}

extension Sidecar: Codable {
  private enum CodingKeys: String, CodingKey { case name, command, directory, environment = "env", ready, stop }

  /// Reads the name and the command, which must be there, and the rest, which has defaults.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    name = try container.decode(String.self, forKey: .name)
    command = try container.decode(CommandWords.self, forKey: .command)
    directory = try container.value(.directory, or: command.directory)
    environment = try container.value(.environment, or: [:])
    ready = try container.decodeIfPresent(Readiness.self, forKey: .ready)
    stop = try container.value(.stop, or: Stop(grace: .seconds(30)))
  }
}

extension App {
  /// The variables of one of the app's sidecars for one replica: the app's, with the sidecar's own in front.
  public func environment(of sidecar: Sidecar, for values: ReplicaValues) -> [String: String] {
    environment(for: values).merging(sidecar.environment.mapValues { $0.text(for: values) }) { $1 }
  }
}

extension AppReader {
  /// Reads `sidecars`. The app's own variables, directory and stop have been read.
  mutating func readSidecars(_ field: Field?, stop: Stop) -> [Sidecar] {
    let expected = "a list such as [{ name: mesh, command: [./mesh] }]"
    guard let field, let items = reader.items(field, expected: expected) else { return [] }
    let outer = (scope, directory, given)
    given.merge(scope.own) { $1 }
    isInSidecar = true
    var sidecars: [Sidecar] = []
    var names: Set<String> = []
    for item in items {
      directory = outer.1
      guard let fields = reader.fields(item, expected: "a mapping such as { name: mesh, command: [./mesh] }", SidecarKey.self) else {
        continue
      }
      let name = readSidecarName(fields, at: item, known: &names)
      if let sidecar = readSidecar(fields, at: item, name: name ?? "", stop: stop), name != nil { sidecars.append(sidecar) }
    }
    (scope, directory, given) = outer
    isInSidecar = false
    return sidecars
  }

  private mutating func readSidecarName(_ fields: Fields<SidecarKey>, at item: Field, known: inout Set<String>) -> String? {
    guard let field = fields[.name] else {
      if fields.lacks(.name) { reader.report("expected a name, as in { name: mesh, command: [./mesh] }", at: item) }
      return nil
    }
    let expected = "a name of at most 41 lower-case letters, digits and dashes that does not begin with a dash"
    guard let name = reader.text(field, expected: expected) else { return nil }
    guard isName(name, longest: 41) else {
      reader.report(expected: expected, at: field)
      return nil
    }
    guard known.insert(name).inserted else {
      reader.report("\(shown(name)) is the name of a sidecar before; give one of them another", at: field)
      return nil
    }
    return name
  }

  private mutating func readSidecar(_ fields: Fields<SidecarKey>, at item: Field, name: String, stop app: Stop) -> Sidecar? {
    let own = readEnvironment(fields[.env])
    if let written = fields[.directory].flatMap({ readDirectory($0) }) { directory = written }
    let ready = readReadiness(fields[.ready])
    let stop = readSidecarStop(fields[.stop], as: app)
    guard let commandField = fields[.command] else {
      if fields.lacks(.command) { reader.report("expected a command, as in { name: mesh, command: [./mesh] }", at: item) }
      return nil
    }
    guard let command = readCommand(commandField) else { return nil }
    return Sidecar(
      name: name, command: command, directory: directory, environment: scope.own.filter { own.contains($0.key) }, ready: ready, stop: stop)
  }
}
