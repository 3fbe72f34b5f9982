import StopPlan

/// Reads one app. Each part of it is read in the file that declares the part.
struct AppReader {
  var reader: YAMLReader
  /// How many bytes the file's texts may still come to when expanded.
  var budget: Int
  /// The app's listener, known to what is read after it.
  private(set) var listen: Listen?
  /// Whether `listen` is written and could not be read: what depends on it is not judged.
  private(set) var listenIsWrong = false
  /// What the app waits for, with the places of the names.
  private(set) var after: [(name: String, field: Field)] = []
  /// Whether a sidecar is being read, which has no port of its own.
  var isInSidecar = false
  /// The variables of `envFiles`; for a sidecar, the app's.
  var given: [String: Template] = [:]
  /// The variables that the file names as secrets.
  var secrets: Set<String> = []
  /// Whether a file of `envFiles` could not be read: what is not set may be in it.
  var hasBadEnvFile = false
  /// What the texts being read are expanded from.
  var scope: VariableScope
  /// What the commands being read run in.
  var directory: String
  /// The file's own directory, which relative paths are relative to.
  let fileDirectory: String
  /// What variables are expanded from after the app's own.
  let environment: [String: String]

  /// - Parameters:
  ///   - reader: where mistakes go; taken back when the app is read.
  ///   - budget: how many bytes the file's texts may still come to when expanded.
  ///   - directory: the file's own.
  ///   - environment: what variables are expanded from after the app's own.
  init(reader: YAMLReader, budget: Int, directory: String, environment: [String: String]) {
    self.reader = reader
    self.budget = budget
    self.directory = directory
    fileDirectory = directory
    self.environment = environment
    scope = VariableScope(written: [:], environment: [:], available: [], budget: &self.budget)
  }

  /// Reads an app, or nil when it has no command that could be read.
  mutating func readApp(_ field: Field, name: String) -> App? {
    let expected = "a mapping such as { command: [./server] }"
    guard let fields = reader.fields(field, expected: expected, AppKey.self) else { return nil }
    listen = fields[.listen].flatMap { readListen($0) }
    listenIsWrong = fields[.listen] != nil && listen == nil
    readVariables(fields)
    if let written = fields[.directory].flatMap({ readDirectory($0) }) { directory = written }
    var app = App(name: name, command: CommandWords(program: "", directory: directory))
    app.environment = given.merging(scope.own) { $1 }
    app.secrets = secrets
    app.listen = listen
    app.ready = readReadiness(fields[.ready])
    app.live = readLiveness(fields[.live])
    app.stop = readStop(fields[.stop])
    readWork(fields, into: &app)
    app.sidecars = readSidecars(fields[.sidecars], stop: app.stop)
    app.reload = readReload(fields[.reload])
    app.logs = readLogs(fields[.logs])
    app.notify = readNotify(fields[.notify])
    app.user = readUser(fields[.user])
    app.umask = readUmask(fields[.umask])
    app.limits = readLimits(fields[.limits])
    return readProgram(fields, at: field, into: app)
  }

  /// What kind of work it is, and how many do it, when and how long.
  private mutating func readWork(_ fields: Fields<AppKey>, into app: inout App) {
    // A kind that could not be read has its own mistake, and what depends on it is not judged.
    let kind = fields[.kind].map { reader.word($0, App.Kind.self) } ?? (fields.lacks(.kind) ? .service : nil)
    app.kind = kind ?? .service
    if kind == .job { checkJob(fields) }
    app.schedule = readSchedule(fields[.schedule], kind: kind)
    after = readAfter(fields[.after])
    app.after = after.map(\.name)
    app.replicas = readReplicas(fields[.replicas], kind: kind)
    app.update = readUpdate(fields[.update], replicas: app.replicas)
    app.restart = readRestart(fields[.restart], kind: kind)
    app.exits = readExits(fields[.exits])
  }

  /// The command or the image, without which there is no app.
  private mutating func readProgram(_ fields: Fields<AppKey>, at field: Field, into app: App) -> App? {
    var app = app
    app.container = readContainer(fields)
    if fields[.image] != nil {
      guard let container = app.container else { return nil }
      app.command = CommandWords(program: container.runtime.rawValue, directory: directory)
      return app
    }
    guard let commandField = fields[.command] else {
      if fields.lacks(.command, .image, .runtime, .podman) { reader.report("expected a command, as in command: [./server]", at: field) }
      return nil
    }
    guard let command = readCommand(commandField) else { return nil }
    app.command = command
    return app
  }

  // MARK: Commands

  /// Reads a command: a list of words, never a shell's line.
  mutating func readCommand(_ field: Field) -> CommandWords? { readWords(field).flatMap { makeCommand($0, at: field) } }

  /// Reads the words of a command as they are written.
  mutating func readWords(_ field: Field) -> [(text: String, field: Field)]? {
    if case .scalar(let scalar) = field.node.value, !scalar.isNothing {
      reader.report(
        "expected a list of words, found \(shown(scalar.text)); a command is never given to a shell: write \(Self.listForm(scalar.text))",
        at: field)
      return nil
    }
    guard let items = reader.items(field, expected: "a list of words such as [./server, --verbose]") else { return nil }
    let words = items.compactMap { item in reader.text(item).map { (text: $0, field: item) } }
    return words.count == items.count ? words : nil
  }

  /// The words with their variables expanded, or nil when one cannot be.
  mutating func makeTemplates(_ words: [(text: String, field: Field)]) -> [Template]? {
    let templates = words.map { expanded($0.text, at: $0.field) }
    return templates.contains(nil) ? nil : templates.compactMap(\.self)
  }

  /// A command of these words, each with the field that has it.
  mutating func makeCommand(_ words: [(text: String, field: Field)], at field: Field) -> CommandWords? {
    let templates = words.map { expanded($0.text, at: $0.field) }
    guard let first = templates.first else {
      reader.report("expected a program, found an empty list", at: field)
      return nil
    }
    // An unreadable word has its own mistake; the others are read for theirs.
    guard let program = first, !templates.contains(nil) else { return nil }
    let text = program.text(for: ReplicaValues())
    guard program.variables.isEmpty, !text.isEmpty else {
      let found = text.isEmpty ? "an empty text" : "\(shown(text)), which differs from replica to replica"
      reader.report("expected a program, found \(found)", at: words[0].field)
      return nil
    }
    return CommandWords(program: text, arguments: templates.dropFirst().compactMap(\.self), directory: directory)
  }

  private static func listForm(_ text: String) -> String {
    guard let words = try? Words.split(Array(text.utf8)[...]), !words.isEmpty, text.utf8.count <= 200 else {
      return "[./server, --verbose]"
    }
    return CommandWords.list(words.map { String(decoding: $0, as: UTF8.self) })
  }

  // MARK: Texts with variables

  /// The text with its variables expanded.
  mutating func expanded(_ text: String, at field: Field) -> Template? {
    do throws(ExpansionProblem) {
      return try scope.expand(text, budget: &budget)
    } catch {
      report(error, at: field)
      return nil
    }
  }

  /// Reads `directory` of an app or a sidecar.
  mutating func readDirectory(_ field: Field) -> String? {
    guard let text = reader.text(field, expected: "a directory such as ./web") else { return nil }
    guard let template = expanded(text, at: field) else { return nil }
    guard template.variables.isEmpty else {
      reader.report("expected one directory for all replicas, found \(shown(text))", at: field)
      return nil
    }
    let path = absolutePath(template.text(for: ReplicaValues()), in: fileDirectory)
    guard isDirectory(path) else {
      reader.report("directory \(path) does not exist; make it, or name another", at: field)
      return nil
    }
    return path
  }
}
