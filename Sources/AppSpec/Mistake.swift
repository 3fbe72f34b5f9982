/// A place in a text: both numbers begin at 1; columns count Unicode scalars, as YAML's own reader does.
public struct Position: Equatable, Comparable, Hashable, Sendable {
  /// The line.
  public var line: Int
  /// The column.
  public var column: Int

  /// The place at that line and column.
  public init(line: Int, column: Int) {
    self.line = line
    self.column = column
  }

  /// Whether `lhs` comes first in the text.
  public static func < (lhs: Position, rhs: Position) -> Bool {
    (lhs.line, lhs.column) < (rhs.line, rhs.column)
  }
}

/// One thing that is wrong with an app file.
public struct Mistake: Equatable, Sendable, CustomStringConvertible {
  /// The file, as the user named it.
  public var file: String
  /// Where it is; nil when the file as a whole is meant (it is missing, say).
  public var position: Position?
  /// Which field, as in `apps.web.stop.plan`; empty for the file itself.
  public var path: String
  /// What was expected, what was found, and what to do.
  public var message: String

  /// A mistake.
  public init(file: String, position: Position?, path: String, message: String) {
    self.file = file
    self.position = position
    self.path = path
    self.message = message
  }

  /// One line: `lastcall.yaml:7:5: apps.web.replicas: expected …`.
  public var description: String {
    var text = file
    if let position { text += ":\(position.line):\(position.column)" }
    if !path.isEmpty { text += ": \(path)" }
    return text + ": \(message)"
  }
}

/// All that is wrong with an app file.
public struct AppFileError: Error, Equatable, Sendable, CustomStringConvertible {
  /// How many mistakes are kept; a file with more has one cause, and nobody reads on.
  static let limit = 100

  /// The mistakes in the order of the file, at most 100.
  public var mistakes: [Mistake]
  /// How many more there were.
  public var omitted: Int

  /// An error of these mistakes, which it sorts by place, each file for itself; those beyond 100 are counted only.
  public init(_ mistakes: [Mistake]) {
    let start = Position(line: 0, column: 0)
    var files: [String: Int] = [:]
    for mistake in mistakes where files[mistake.file] == nil { files[mistake.file] = files.count }
    let order = mistakes.indices.sorted { left, right in
      let (first, second) = (files[mistakes[left].file] ?? 0, files[mistakes[right].file] ?? 0)
      if first != second { return first < second }
      let (before, after) = (mistakes[left].position ?? start, mistakes[right].position ?? start)
      return before == after ? left < right : before < after
    }
    self.mistakes = order.prefix(Self.limit).map { mistakes[$0] }
    omitted = max(0, mistakes.count - Self.limit)
  }

  /// One line for each mistake.
  public var description: String {
    var lines = mistakes.map(\.description)
    if omitted > 0 { lines.append("and \(omitted) more") }
    return lines.joined(separator: "\n")
  }
}
