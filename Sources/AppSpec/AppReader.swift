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
  private var scope: VariableScope
  private var directory: String
  private let environment: [String: String]

  /// - Parameters:
  ///   - reader: where mistakes go; taken back when the app is read.
  ///   - budget: how many bytes the file's texts may still come to when expanded.
  ///   - directory: the file's own.
  ///   - environment: what variables are expanded from after the app's own.
  init(reader: YAMLReader, budget: Int, directory: String, environment: [String: String]) {
    self.reader = reader
    self.budget = budget
    self.directory = directory
    self.environment = environment
    scope = VariableScope(written: [:], environment: [:], available: [], budget: &self.budget)
  }

  /// Reads an app, or nil when it has no command that could be read.
  mutating func readApp(_ field: Field, name: String) -> App? {
    let expected = "a mapping such as { command: [./server] }"
    guard let fields = reader.fields(field, expected: expected, AppKey.self) else { return nil }
    listen = fields[.listen].flatMap { readListen($0) }
    listenIsWrong = fields[.listen] != nil && listen == nil
    readEnvironment(fields[.env])
    if let written = fields[.directory].flatMap({ readDirectory($0) }) { directory = written }
    let replicas = fields[.replicas].flatMap { reader.whole($0, in: 1...10_000) } ?? 1
    let ready = readReadiness(fields[.ready])
    let stop = readStop(fields[.stop])
    let update = readUpdate(fields[.update], replicas: replicas)
    let restart = readRestart(fields[.restart])
    guard let commandField = fields[.command] else {
      if fields.lacks(.command) { reader.report("expected a command, as in command: [./server]", at: field) }
      return nil
    }
    guard let command = readCommand(commandField) else { return nil }
    return App(
      name: name, command: command, directory: directory, environment: scope.own, replicas: replicas, listen: listen, ready: ready,
      stop: stop, update: update, restart: restart)
  }

  // MARK: Commands

  /// Reads a command: a list of words, never a shell's line.
  mutating func readCommand(_ field: Field) -> CommandWords? {
    if case .scalar(let scalar) = field.node.value, !scalar.isNothing {
      reader.report(
        "expected a list of words, found \(shown(scalar.text)); a command is never given to a shell: write \(Self.listForm(scalar.text))",
        at: field)
      return nil
    }
    guard let items = reader.items(field, expected: "a list of words such as [./server, --verbose]") else { return nil }
    var texts: [(String, Field)] = []
    for item in items {
      guard let text = reader.text(item) else { continue }
      texts.append((text, item))
    }
    guard texts.count == items.count else { return nil }
    return makeCommand(texts, at: field)
  }

  /// A command of these words, each with the field that has it.
  mutating func makeCommand(_ words: [(String, Field)], at field: Field) -> CommandWords? {
    let templates = words.map { expanded($0, at: $1) }
    guard let first = templates.first else {
      reader.report("expected a program, found an empty list", at: field)
      return nil
    }
    // An unreadable word has its own mistake; the others are read for theirs.
    guard let program = first, !templates.contains(nil) else { return nil }
    let text = program.text(for: ReplicaValues())
    guard program.variables.isEmpty, !text.isEmpty else {
      let found = text.isEmpty ? "an empty text" : "\(shown(text)), which differs from replica to replica"
      reader.report("expected a program, found \(found)", at: words[0].1)
      return nil
    }
    return CommandWords(program: text, arguments: templates.dropFirst().compactMap(\.self), directory: directory)
  }

  private static func listForm(_ text: String) -> String {
    guard let words = try? Words.split(Array(text.utf8)[...]), !words.isEmpty, text.utf8.count <= 200 else {
      return "[./server, --verbose]"
    }
    let safe = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./$=:-+%@".utf8)
    let items = words.map { word in
      let text = String(decoding: word, as: UTF8.self)
      let isPlain = word.allSatisfy(safe.contains) && word.first.map { !"@%:".utf8.contains($0) } ?? false
      return isPlain ? text : "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
    }
    return "[\(items.joined(separator: ", "))]"
  }

  // MARK: Texts with variables

  private mutating func expanded(_ text: String, at field: Field) -> Template? {
    do throws(ExpansionProblem) {
      return try scope.expand(text, budget: &budget)
    } catch {
      if error != .reportedElsewhere { reader.report(error.message, at: field) }
      return nil
    }
  }

  private mutating func readEnvironment(_ field: Field?) {
    var written: [String: String] = [:]
    var fields: [String: Field] = [:]
    if let field, let entries = reader.entries(field, expected: "a mapping such as { LOG_LEVEL: info }") {
      for entry in entries {
        if let message = refusal(ofVariable: entry.key) {
          reader.report(message, at: entry.keyPosition, path: entry.value.path)
        }
        // A value that could not be read stays declared, so that uses of it are no further mistakes.
        written[entry.key] = reader.text(entry.value, expected: "a text; write '' for an empty one") ?? ""
        fields[entry.key] = entry.value
      }
    }
    let available = listenIsWrong ? Set(ReplicaVariable.allCases) : listen?.replicaVariables ?? []
    scope = VariableScope(written: written, environment: environment, available: available, budget: &budget)
    for (name, problem) in scope.problems.sorted(by: { $0.key < $1.key }) where problem != .reportedElsewhere {
      if let field = fields[name] { reader.report(problem.message, at: field) }
    }
  }

  private func refusal(ofVariable name: String) -> String? {
    if name.isEmpty || name.contains("=") || name.unicodeScalars.contains("\0") {
      return "expected a variable's name, found \(shown(name)); a name is not empty and has no = in it"
    }
    if let variable = ReplicaVariable(rawValue: name), let listen, listen.replicaVariables.contains(variable) {
      return "\(name) is set by lastcall for each replica under \"via: \(listen.via.rawValue)\"; leave it out"
    }
    return nil
  }

  private mutating func readDirectory(_ field: Field) -> String? {
    guard let text = reader.text(field, expected: "a directory such as ./web") else { return nil }
    guard let template = expanded(text, at: field) else { return nil }
    guard template.variables.isEmpty else {
      reader.report("expected one directory for all replicas, found \(shown(text))", at: field)
      return nil
    }
    let path = absolutePath(template.text(for: ReplicaValues()), in: directory)
    guard isDirectory(path) else {
      reader.report("directory \(path) does not exist; make it, or name another", at: field)
      return nil
    }
    return path
  }
}
