/// A command as its program and arguments; never a shell's line.
public struct CommandWords: Equatable, Hashable, Codable, Sendable {
  /// The program: a path when it has a slash, else a name to be looked up in PATH.
  public var program: String
  /// Its arguments, without the program.
  public var arguments: [Template]
  /// The absolute directory that the command runs in, and that a relative path of the program is relative to.
  public var directory: String

  /// A command.
  public init(program: String, arguments: [Template] = [], directory: String) {
    self.program = program
    self.arguments = arguments
    self.directory = directory
  }

  /// Reads the program and the directory, which must be there, and the arguments.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    program = try container.decode(String.self, forKey: .program)
    arguments = try container.value(.arguments, or: [])
    directory = try container.decode(String.self, forKey: .directory)
  }

  /// As a file has it: `[./server, --port, $PORT]`.
  var written: String { CommandWords.list([program.replacing("$", with: "$$")] + arguments.map(\.written)) }

  /// A list as YAML has it on one line.
  static func list(_ words: [String]) -> String { "[\(words.map(quoted).joined(separator: ", "))]" }

  /// A word of such a list, in quotes where YAML would read it otherwise.
  static func quoted(_ text: String) -> String {
    let safe = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./$=:-+%@".utf8)
    let isPlain = text.utf8.allSatisfy(safe.contains) && text.utf8.first.map { !"@%:".utf8.contains($0) } ?? false
    return isPlain ? text : "'\(text.replacing("'", with: "''"))'"
  }

  /// The argument vector for one replica. A program with a slash is an absolute path in it; one without is as it is written.
  public func argv(for values: ReplicaValues) -> [String] {
    let first = program.contains("/") ? absolutePath(program, in: directory) : program
    return [first] + arguments.map { $0.text(for: values) }
  }

  /// The words for one replica as they are written, for where paths are others: in a container.
  public func words(for values: ReplicaValues) -> [String] { [program] + arguments.map { $0.text(for: values) } }

  /// The file that the program is.
  /// - Parameter searchPath: the PATH the command will run with; nil takes the C library's, `/bin:/usr/bin` (execvp(3)).
  public func executable(searchPath: String?) throws(ExecutableError) -> String {
    try resolveExecutable(program, directory: directory, searchPath: searchPath)
  }
}

/// The absolute form of a path: with the directory in front when it is relative. `..` stays, because a symbolic link may precede it.
func absolutePath(_ path: String, in directory: String) -> String {
  if path.hasPrefix("/") { return path }
  var rest = path[...]
  while rest.hasPrefix("./") {
    rest = rest.dropFirst(2)
    while rest.hasPrefix("/") { rest = rest.dropFirst() }
  }
  if rest.isEmpty || rest == "." { return directory }
  return directory.hasSuffix("/") ? directory + rest : "\(directory)/\(rest)"
}
