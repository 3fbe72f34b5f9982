import Foundation

// What an app's variables are: `env`, `envFiles` and `secrets`.

extension AppReader {
  /// Reads the variables of an app: afterwards texts can be expanded.
  mutating func readVariables(_ fields: Fields<AppKey>) {
    given = [:]
    secrets = []
    hasBadEnvFile = false
    if let field = fields[.envFiles] { readEnvFiles(field) }
    readEnvironment(fields[.env])
    if let field = fields[.secrets] { readSecrets(field) }
  }

  /// Reads `env` of an app or of a sidecar: the scope that its texts are expanded in.
  /// - Returns: the names that are written.
  @discardableResult
  mutating func readEnvironment(_ field: Field?) -> Set<String> {
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
    scope = VariableScope(written: written, given: given, environment: environment, available: available, budget: &budget)
    for (name, problem) in scope.problems.sorted(by: { $0.key < $1.key }) {
      if let field = fields[name] { report(problem, at: field) }
    }
    return Set(written.keys)
  }

  /// Notes that a text could not be expanded, unless the reason is noted elsewhere.
  mutating func report(_ problem: ExpansionProblem, at field: Field) {
    switch problem {
    case .reportedElsewhere: return
    // The variable may be in the file that could not be read.
    case .unset where hasBadEnvFile: return
    default: reader.report(problem.message, at: field)
    }
  }

  private func refusal(ofVariable name: String) -> String? {
    if name.isEmpty || name.contains("=") || name.unicodeScalars.contains("\0") {
      return "expected a variable's name, found \(shown(name)); a name is not empty and has no = in it"
    }
    if let variable = ReplicaVariable(rawValue: name), let listen, listen.setVariables.contains(variable) {
      return "\(name) is set by lastcall for each replica under \"via: \(listen.via.rawValue)\"; leave it out"
    }
    return nil
  }

  // MARK: envFiles

  private mutating func readEnvFiles(_ field: Field) {
    guard let items = reader.items(field, expected: "a list of files such as [./web.env]") else {
      hasBadEnvFile = true
      return
    }
    for item in items {
      // A path that could not be read, too, leaves variables unknown.
      if !readEnvFile(item) { hasBadEnvFile = true }
    }
  }

  private mutating func readEnvFile(_ item: Field) -> Bool {
    var (pathField, isOptional, isSecret) = (item, false, false)
    if case .mapping = item.node.value {
      guard let fields = reader.fields(item, expected: "", EnvFileKey.self) else { return false }
      isOptional = fields[.optional].flatMap { reader.flag($0) } ?? false
      isSecret = fields[.secret].flatMap { reader.flag($0) } ?? false
      guard let field = fields[.path] else {
        if fields.lacks(.path) { reader.report("expected a path, as in { path: ./web.env }", at: item) }
        return false
      }
      pathField = field
    }
    let expected = "a file such as ./web.env, or a mapping such as { path: ./web.env, optional: true }"
    guard let text = reader.text(pathField, expected: expected), let path = readPath(text, at: pathField) else { return false }
    guard let bytes = readBytes(path, isOptional: isOptional, at: pathField) else { return false }
    return take(bytes, of: path, isSecret: isSecret, at: pathField)
  }

  /// A path of `envFiles`, which only the environment can be put into: the files come before `env`.
  private mutating func readPath(_ text: String, at field: Field) -> String? {
    guard !text.isEmpty else {
      reader.report("expected a file such as ./web.env, found an empty text", at: field)
      return nil
    }
    var scope = VariableScope(written: [:], environment: environment, available: [], budget: &budget)
    do throws(ExpansionProblem) {
      return absolutePath(try scope.expand(text, budget: &budget).text(for: ReplicaValues()), in: fileDirectory)
    } catch {
      if case .unset(let name, _) = error {
        reader.report("$\(name) is not set in the environment, which is all that can be put into these paths", at: field)
      } else {
        reader.report(error.message, at: field)
      }
      return nil
    }
  }

  /// The file's bytes; none of one that may be missing and is.
  private mutating func readBytes(_ path: String, isOptional: Bool, at field: Field) -> [UInt8]? {
    do throws(FileProblem) {
      return try fileBytes(path, regularOnly: true)
    } catch {
      switch error.code {
      case ENOENT?, ENOTDIR?:
        if isOptional { return [] }
        reader.report("file \(path) does not exist; make it, or write { path: …, optional: true }", at: field)
      case nil: reader.report("file \(path) is larger than 1 MiB; is it an environment file?", at: field)
      case EISDIR?: reader.report("\(path) is a directory; name the file in it", at: field)
      case EINVAL?: reader.report("\(path) is not a file", at: field)
      case let code?: reader.report("file \(path) cannot be read: \(String(cString: strerror(code)))", at: field)
      }
      return nil
    }
  }

  private mutating func take(_ bytes: [UInt8], of path: String, isSecret: Bool, at field: Field) -> Bool {
    func mistake(_ message: String, _ position: Position) -> Mistake {
      Mistake(file: path, position: position, path: field.path, message: message)
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      reader.report(mistake("the file is not UTF-8 text; save it as UTF-8", placeOfBadUTF8(bytes)))
      return false
    }
    let entries: [EnvFile.Entry]
    do throws(EnvFile.Problem) {
      entries = try EnvFile.entries(of: text)
    } catch {
      reader.report(mistake(error.message, error.position))
      return false
    }
    for entry in entries {
      if let message = refusal(ofVariable: entry.name) { reader.report(mistake(message, entry.position)) }
      let template = Template(entry.value)
      if template.byteCount >= VariableScope.maximumLength {
        reader.report(
          mistake("\(entry.name) is longer than 128 KiB, the most that Linux admits (execve(2), MAX_ARG_STRLEN)", entry.position))
      }
      budget -= template.byteCount
      given[entry.name] = template
      if isSecret { secrets.insert(entry.name) }
    }
    guard budget >= 0 else {
      reader.report(ExpansionProblem.tooMuch.message, at: field)
      return false
    }
    return true
  }

  // MARK: secrets

  private mutating func readSecrets(_ field: Field) {
    let names = reader.texts(field, expected: "a list of variables such as [DATABASE_URL]", item: "a variable's name") ?? []
    let known = Set(scope.own.keys).union(given.keys).union(environment.keys)
    for (name, item) in names {
      if !known.contains(name), !scope.isDeclared(name), !hasBadEnvFile {
        let near = nearestName(to: name, among: Set(scope.own.keys).union(given.keys).sorted())
        reader.report(
          "expected a variable of env, envFiles or the environment, found \(shown(name))"
            + (near.map { "; did you mean \"\($0)\"?" } ?? ""),
          at: item)
      }
      secrets.insert(name)
    }
  }
}
