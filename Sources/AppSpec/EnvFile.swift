/// The text of an environment file: what docker, compose, systemd and a shell that sources it agree about, and mistakes where they do not.
///
///     # a comment, on a line of its own; blank lines mean nothing
///     LOG_LEVEL=info
///     export GREETING="two words\n"
///     KEY='as it is, $ and \ too,
///     over two lines'
///
/// A name is of letters, digits, `_`, `.` and `-`. Nothing is expanded in a value. Without quotes a value is what follows the `=`, without the
/// blanks around it; within double quotes `\n`, `\r`, `\t`, `\"`, `\\` and `\$` are escapes; within single quotes nothing is. Refused, because
/// programs read them differently: a name without `=`, a name twice, ` #` in a value without quotes, text after a closing quote but a comment.
struct EnvFile {
  /// One variable and where it stands.
  struct Entry: Equatable {
    var name: String
    var value: String
    var position: Position
  }

  /// What is wrong with the text, and where. No value is quoted in it: it may be a secret.
  struct Problem: Error, Equatable {
    var message: String
    var position: Position
  }

  private let scalars: [Unicode.Scalar]
  private var index = 0
  private var position = Position(line: 1, column: 1)

  /// The variables in their order.
  static func entries(of text: String) throws(Problem) -> [Entry] {
    var file = EnvFile(text)
    var entries: [Entry] = []
    var lines: [String: Int] = [:]
    while let entry = try file.next() {
      if let line = lines[entry.name] {
        throw Problem(message: "\(entry.name) is set on line \(line) already; keep one", position: entry.position)
      }
      lines[entry.name] = entry.position.line
      entries.append(entry)
    }
    return entries
  }

  private init(_ text: String) {
    var scalars = Array(text.unicodeScalars)
    if scalars.first == "\u{FEFF}" { scalars.removeFirst() }
    self.scalars = scalars
  }

  private var current: Unicode.Scalar? { index < scalars.count ? scalars[index] : nil }

  private mutating func advance() {
    position = current == "\n" ? Position(line: position.line + 1, column: 1) : Position(line: position.line, column: position.column + 1)
    index += 1
  }

  private mutating func skip(while matches: (Unicode.Scalar) -> Bool) {
    while let scalar = current, matches(scalar) { advance() }
  }

  private static func isBlank(_ scalar: Unicode.Scalar) -> Bool { scalar == " " || scalar == "\t" || scalar == "\r" }

  private static func isName(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "a"..."z", "A"..."Z", "0"..."9", "_", ".", "-": true
    default: false
    }
  }

  // MARK: Lines

  private mutating func next() throws(Problem) -> Entry? {
    skipToText()
    guard current != nil else { return nil }
    var start = position
    var name = readName()
    if name == "export", let scalar = current, Self.isBlank(scalar) {
      skip(while: Self.isBlank)
      start = position
      name = readName()
    }
    guard let first = name.unicodeScalars.first, !("0"..."9").contains(first), current == "=" else {
      throw Problem(
        message: "expected NAME=VALUE, the name of letters, digits, _, . and -, and no blank before the =; a comment begins with #",
        position: start)
    }
    advance()
    skip(while: Self.isBlank)
    let value = current == "\"" || current == "'" ? try readQuoted() : try readPlain()
    guard !value.unicodeScalars.contains("\0") else {
      throw Problem(message: "\(name) has a NUL byte in it, which no variable can", position: start)
    }
    return Entry(name: name, value: value, position: start)
  }

  private mutating func skipToText() {
    while let scalar = current {
      if Self.isBlank(scalar) || scalar == "\n" {
        advance()
      } else if scalar == "#" {
        skip { $0 != "\n" }
      } else {
        return
      }
    }
  }

  private mutating func readName() -> String {
    let start = index
    skip(while: Self.isName)
    return Self.text(scalars[start..<index])
  }

  private mutating func readPlain() throws(Problem) -> String {
    let start = index
    while let scalar = current, scalar != "\n" {
      if scalar == "#", index == start || Self.isBlank(scalars[index - 1]) {
        throw Problem(
          message: "some programs take this # for a comment, others for a part of the value; put the value in quotes, or the comment on a "
            + "line of its own", position: position)
      }
      advance()
    }
    var end = index
    while end > start, Self.isBlank(scalars[end - 1]) { end -= 1 }
    return Self.text(scalars[start..<end])
  }

  private mutating func readQuoted() throws(Problem) -> String {
    let (quote, start) = (current, position)
    var value = String.UnicodeScalarView()
    advance()
    while let scalar = current, scalar != quote {
      if scalar == "\\", quote == "\"" {
        advance()
        value.append(try readEscape())
      } else {
        value.append(scalar)
      }
      advance()
    }
    guard current != nil else { throw Problem(message: "expected the quote to be closed, found the file's end", position: start) }
    advance()
    let hasBlank = current.map(Self.isBlank) ?? false
    skip(while: Self.isBlank)
    guard current == nil || current == "\n" || (hasBlank && current == "#") else {
      throw Problem(message: "expected the line's end after the closing quote", position: position)
    }
    skip { $0 != "\n" }
    return String(value)
  }

  private func readEscape() throws(Problem) -> Unicode.Scalar {
    switch current {
    case "n": return "\n"
    case "r": return "\r"
    case "t": return "\t"
    case let scalar? where "\"\\$`".unicodeScalars.contains(scalar): return scalar
    default:
      throw Problem(
        message: "expected \\n, \\r, \\t, \\\", \\\\ or \\$ within double quotes; use single quotes for a text as it is", position: position
      )
    }
  }

  private static func text(_ scalars: ArraySlice<Unicode.Scalar>) -> String {
    var view = String.UnicodeScalarView()
    view.append(contentsOf: scalars)
    return String(view)
  }
}
