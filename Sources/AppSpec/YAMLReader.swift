import StopPlan

/// A value in the file and the path it has there.
struct Field {
  var node: YAMLNode
  var path: String
}

/// The fields of a mapping by their keys, which are an enumeration: only a known key can be asked for.
struct Fields<Key: FieldKey> {
  var path: String
  var position: Position
  fileprivate var values: [Key: Field] = [:]
  fileprivate var misspelt: Set<Key> = []
  fileprivate var hasRefused = false

  /// The field, or nil when it is not written.
  subscript(key: Key) -> Field? { values[key] }

  /// Whether none of these is written, nor anything in place of one that is a mistake already.
  func lacks(_ keys: Key...) -> Bool { lacks(keys) }

  /// Whether none of these is written, nor anything in place of one that is a mistake already.
  func lacks(_ keys: [Key]) -> Bool {
    !hasRefused && keys.allSatisfy { values[$0] == nil && !misspelt.contains($0) }
  }

  /// The keys that are written, in the order in which they are declared.
  var written: [Key] { Key.allCases.filter { values[$0] != nil } }
}

extension Fields {
  /// Remembers a key that is not known.
  /// - Returns: what to say about it.
  fileprivate mutating func refuse(_ key: String) -> String {
    if let message = Key.refused[key] {
      hasRefused = true
      return message
    }
    let known = Key.allCases.map(\.rawValue)
    guard let nearest = nearestName(to: key, among: known) else {
      return "unknown key \(shown(key)); expected one of \(known.joined(separator: ", "))"
    }
    if let meant = Key(rawValue: nearest) { misspelt.insert(meant) }
    return "unknown key \(shown(key)); did you mean \"\(nearest)\"?"
  }
}

/// Typed access to YAML values. What does not fit is noted as a mistake and read as nil, so that one pass finds all mistakes.
struct YAMLReader {
  let file: String
  private(set) var mistakes: [Mistake] = []
  /// Where each field stands, for checks that come after reading.
  private(set) var positions: [String: Position] = [:]

  private let text: String
  private var lines: [Substring.UnicodeScalarView] = []

  /// - Parameters:
  ///   - file: the file's name, for messages.
  ///   - text: what is in it.
  init(file: String, text: String) {
    self.file = file
    self.text = text
  }

  /// Notes a mistake.
  mutating func report(_ message: String, at position: Position, path: String) {
    mistakes.append(Mistake(file: file, position: position, path: path, message: message))
  }

  /// Notes a mistake in another file that this one names.
  mutating func report(_ mistake: Mistake) { mistakes.append(mistake) }

  /// Notes that a field does not fit.
  mutating func report(_ message: String, at field: Field) {
    report(message, at: field.node.position, path: field.path)
  }

  /// Notes that a field is not what was expected.
  mutating func report(expected: String, at field: Field) {
    report("expected \(expected), found \(Self.describe(field.node))", at: field)
  }

  /// Notes a mistake within a scalar's text, at the scalar itself when escapes, folding or an alias keep its characters from the file.
  /// - Parameter offset: how many bytes of the text come before the mistake.
  mutating func report(_ message: String, in scalar: YAMLNode.Scalar, offset: Int, at field: Field) {
    var position = field.node.position
    if let start = start(of: scalar.text, at: position) {
      let before = String(decoding: scalar.text.utf8.prefix(offset), as: UTF8.self)
      position = Position(line: start.line, column: start.column + before.unicodeScalars.count)
    }
    report(message, at: position, path: field.path)
  }

  /// Where `text` stands in the file: at the scalar's place, or after its quote.
  private mutating func start(of text: String, at position: Position) -> Position? {
    if lines.isEmpty { lines = self.text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false) }
    // Counting columns takes their number in time, for each mistake again.
    guard !text.isEmpty, position.line <= lines.count, position.column <= 10_000 else { return nil }
    let rest = lines[position.line - 1].dropFirst(position.column - 1)
    for skipped in 0...1 where rest.dropFirst(skipped).starts(with: text.unicodeScalars) {
      return Position(line: position.line, column: position.column + skipped)
    }
    return nil
  }

  // MARK: Mappings and lists

  /// The entries of a mapping whose keys the user chooses.
  mutating func entries(_ field: Field, expected: String) -> [(key: String, keyPosition: Position, value: Field)]? {
    guard case .mapping(let entries) = field.node.value else {
      report(expected: expected, at: field)
      return nil
    }
    return entries.map { entry in
      let value = Field(node: entry.value, path: Self.path(field.path, entry.key))
      positions[value.path] = entry.value.position
      return (entry.key, entry.keyPosition, value)
    }
  }

  /// The fields of a mapping whose keys are known; another key is a mistake that names the nearest.
  mutating func fields<Key: FieldKey>(_ field: Field, expected: String, _: Key.Type = Key.self) -> Fields<Key>? {
    guard let entries = entries(field, expected: expected) else { return nil }
    var fields = Fields<Key>(path: field.path, position: field.node.position)
    for entry in entries {
      if let key = Key(rawValue: entry.key) {
        fields.values[key] = entry.value
      } else {
        report(fields.refuse(entry.key), at: entry.keyPosition, path: entry.value.path)
      }
    }
    return fields
  }

  /// The items of a list.
  mutating func items(_ field: Field, expected: String) -> [Field]? {
    guard case .sequence(let nodes) = field.node.value else {
      report(expected: expected, at: field)
      return nil
    }
    return nodes.enumerated().map { index, node in
      let item = Field(node: node, path: "\(field.path)[\(index)]")
      positions[item.path] = node.position
      return item
    }
  }

  // MARK: Scalars

  /// The scalar, when the field is one and is not nothing.
  mutating func scalar(_ field: Field, expected: String) -> YAMLNode.Scalar? {
    guard case .scalar(let scalar) = field.node.value, !scalar.isNothing else {
      report(expected: expected, at: field)
      return nil
    }
    guard !scalar.text.unicodeScalars.contains("\0") else {
      report("expected \(expected), found a NUL byte in it", at: field)
      return nil
    }
    return scalar
  }

  /// A text as it is written: numbers and booleans are texts too.
  mutating func text(_ field: Field, expected: String = "a text") -> String? {
    scalar(field, expected: expected)?.text
  }

  /// A whole number within a range.
  mutating func whole(_ field: Field, in range: ClosedRange<Int>) -> Int? {
    let expected = "a whole number of \(range.lowerBound) to \(range.upperBound)"
    guard let scalar = scalar(field, expected: expected) else { return nil }
    guard let number = wholeNumber(scalar.text), range.contains(number) else {
      report(expected: expected, at: field)
      return nil
    }
    guard scalar.isPlain else {
      report("expected \(expected), found the text \(shown(scalar.text)); remove the quotes", at: field)
      return nil
    }
    return number
  }

  /// A boolean: `true` or `false`, as YAML 1.2 has them.
  mutating func flag(_ field: Field) -> Bool? {
    let expected = "true or false"
    guard let scalar = scalar(field, expected: expected) else { return nil }
    guard scalar.isPlain, scalar.text == "true" || scalar.text == "false" else {
      report(expected: expected, at: field)
      return nil
    }
    return scalar.text == "true"
  }

  /// A list of texts.
  mutating func texts(_ field: Field, expected: String, item: String) -> [(text: String, field: Field)]? {
    guard let items = items(field, expected: expected) else { return nil }
    return items.compactMap { field in text(field, expected: item).map { ($0, field) } }
  }

  /// A length of time within a range.
  mutating func span(_ field: Field, in range: ClosedRange<TimeSpan>) -> TimeSpan? {
    let expected = "a length of time of \(range.lowerBound.written) to \(range.upperBound.written)"
    guard let scalar = scalar(field, expected: expected) else { return nil }
    guard let span = TimeSpan(scalar.text), range.contains(span) else {
      report(expected: expected, at: field)
      return nil
    }
    return span
  }

  /// One of a few words.
  mutating func word<Word: RawRepresentable<String> & CaseIterable>(_ field: Field, _: Word.Type = Word.self) -> Word? {
    let known = Word.allCases.map(\.rawValue)
    let expected = known.count == 1 ? known[0] : known.dropLast().joined(separator: ", ") + " or " + (known.last ?? "")
    guard let scalar = scalar(field, expected: expected) else { return nil }
    if let word = Word(rawValue: scalar.text) { return word }
    let hint = nearestName(to: scalar.text, among: known).map { "; did you mean \"\($0)\"?" } ?? ""
    report("expected \(expected), found \(Self.describe(field.node))\(hint)", at: field)
    return nil
  }

  // MARK: Words for messages

  static func describe(_ node: YAMLNode) -> String {
    switch node.value {
    case .scalar(let scalar): scalar.isNothing ? (scalar.text.isEmpty ? "nothing" : "YAML's null (\(scalar.text))") : shown(scalar.text)
    case .sequence: "a list"
    case .mapping: "a mapping"
    }
  }

  private static func path(_ parent: String, _ key: String) -> String {
    let isSimple =
      !key.isEmpty && key.utf8.count <= 64 && key.unicodeScalars.allSatisfy { $0.isASCII && $0 > " " && $0 != "." && $0 != ":" }
    let name = isSimple ? key : shown(key)
    return parent.isEmpty ? name : "\(parent).\(name)"
  }
}

/// The number that the whole text spells in decimal digits, of which there are at most so many (and never more than 18, so that it fits).
func wholeNumber(_ text: String, digits: Int = 9) -> Int? {
  guard (1...min(digits, 18)).contains(text.utf8.count), text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
  else {
    return nil
  }
  return Int(text)
}
