import Foundation
internal import Yams

/// Reads a text as one YAML document, within bounds.
///
/// Yams resolves aliases while it composes and hashes every key, so that a few lines of aliases within keys take it hours ("billion laughs").
/// Hence no alias reaches it: the star of each `*name` is replaced by a private-use character of the same width, and the aliases are resolved
/// here, where what they expand to is counted.
struct YAMLDocument {
  /// The deepest nesting of lists and mappings; an app file needs 6.
  static let maximumDepth = 32
  /// The most values a document may have when its aliases are expanded.
  static let maximumCount = 100_000

  /// Why a text is not a document.
  struct Problem: Error, Equatable {
    var position: Position
    var message: String
  }

  private struct Converted {
    var node: YAMLNode
    var count: Int
    var height: Int
  }

  private let marker: Unicode.Scalar
  private var anchors: [String: Converted] = [:]

  /// The document's root, or nil when there is nothing in the text but comments.
  static func root(of text: String) throws(Problem) -> YAMLNode? {
    // libyaml takes a byte order mark for content when it is told the encoding.
    let text = text.unicodeScalars.first == "\u{FEFF}" ? String(text.unicodeScalars.dropFirst()) : text
    let used = Set(text.unicodeScalars.lazy.filter { (0xE000...0xF8FF).contains($0.value) })
    guard let marker = (0xE000...0xF8FF).lazy.compactMap({ Unicode.Scalar($0) }).first(where: { !used.contains($0) }) else {
      throw Problem(position: Position(line: 1, column: 1), message: "the text uses all of Unicode's private-use characters")
    }
    var document = YAMLDocument(marker: marker)
    do {
      // Without rules for implicit types keys are compared as texts: `3` and "3" are one key, and no regular expression runs for each.
      let parser = try Parser(yaml: maskingAliases(in: text, by: marker), resolver: .basic, encoding: .utf8)
      guard let root = try parser.singleRoot() else { return nil }
      // A node refers to its anchor weakly: the parser owns it.
      return try withExtendedLifetime(parser) { try document.convert(root, depth: 0).node }
    } catch let problem as Problem {
      throw problem
    } catch {
      throw document.problem(from: error, in: text)
    }
  }

  private init(marker: Unicode.Scalar) { self.marker = marker }

  private static func maskingAliases(in text: String, by marker: Unicode.Scalar) -> String {
    var masked = String.UnicodeScalarView()
    var pendingStar = false
    for scalar in text.unicodeScalars {
      if pendingStar { masked.append(isAnchorCharacter(scalar) ? marker : "*") }
      pendingStar = scalar == "*"
      if !pendingStar { masked.append(scalar) }
    }
    if pendingStar { masked.append("*") }
    return String(masked)
  }

  /// What libyaml takes for the name of an anchor.
  private static func isAnchorCharacter(_ scalar: Unicode.Scalar) -> Bool {
    scalar.isASCII && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil || scalar == "_" || scalar == "-")
  }

  // MARK: Nodes

  private mutating func convert(_ node: Node, depth: Int) throws -> Converted {
    let position = Position(line: node.mark?.line ?? 1, column: node.mark?.column ?? 1)
    guard depth <= Self.maximumDepth else { throw tooDeep(position) }
    let converted: Converted
    switch node {
    case .scalar(let scalar):
      if let alias = aliasName(scalar) {
        guard node.anchor == nil, scalar.tag.rawValue.isEmpty else {
          throw Problem(position: position, message: "a YAML alias takes neither an anchor nor a tag")
        }
        return try expand(alias, at: position, depth: depth)
      }
      try checkTag(scalar.tag.rawValue, at: position)
      let isPlain = scalar.style == .plain && scalar.tag.rawValue.isEmpty
      let value = YAMLNode.Scalar(text: unmasked(scalar.string), isPlain: isPlain)
      converted = Converted(node: YAMLNode(value: .scalar(value), position: position), count: 1, height: 0)
    case .sequence(let sequence):
      try checkTag(sequence.tag.rawValue, at: position)
      converted = try convert(sequence, at: position, depth: depth)
    case .mapping(let mapping):
      try checkTag(mapping.tag.rawValue, at: position)
      converted = try convert(mapping, at: position, depth: depth)
    case .alias:
      throw Problem(position: position, message: "expected a value, found an alias")
    }
    guard converted.count <= Self.maximumCount else { throw tooMany(position) }
    if let anchor = node.anchor { anchors[anchor.rawValue] = converted }
    return converted
  }

  private mutating func convert(_ sequence: Node.Sequence, at position: Position, depth: Int) throws -> Converted {
    var items: [YAMLNode] = []
    var (count, height) = (1, 0)
    for item in sequence {
      let converted = try convert(item, depth: depth + 1)
      items.append(converted.node)
      count += converted.count
      height = max(height, converted.height + 1)
      guard count <= Self.maximumCount else { throw tooMany(position) }
    }
    return Converted(node: YAMLNode(value: .sequence(items), position: position), count: count, height: height)
  }

  private mutating func convert(_ mapping: Node.Mapping, at position: Position, depth: Int) throws -> Converted {
    var entries: [YAMLNode.Entry] = []
    var (count, height) = (1, 0)
    for (key, value) in mapping {
      let keyPosition = Position(line: key.mark?.line ?? position.line, column: key.mark?.column ?? position.column)
      guard case .scalar(let name) = key, aliasName(name) == nil else {
        throw Problem(position: keyPosition, message: "expected a key, found a list, a mapping or an alias in its place")
      }
      try checkTag(name.tag.rawValue, at: keyPosition)
      if name.string == "<<", name.style == .plain {
        throw Problem(
          position: keyPosition, message: "merge keys (<<) are not supported; write the fields out, or use an alias for a whole value")
      }
      let converted = try convert(value, depth: depth + 1)
      entries.append(.init(key: unmasked(name.string), keyPosition: keyPosition, value: converted.node))
      count += converted.count + 1
      height = max(height, converted.height + 1)
      guard count <= Self.maximumCount else { throw tooMany(position) }
    }
    return Converted(node: YAMLNode(value: .mapping(entries), position: position), count: count, height: height)
  }

  private func checkTag(_ tag: String, at position: Position) throws {
    if tag.isEmpty || tag == Tag.Name.str.rawValue || tag == Tag.Name.nonSpecific.rawValue { return }
    throw Problem(position: position, message: "YAML tags (\(shown(tag))) are not supported; write the value without it")
  }

  // MARK: Aliases

  private func aliasName(_ scalar: Node.Scalar) -> String? {
    guard scalar.style == .plain, scalar.string.unicodeScalars.first == marker else { return nil }
    return String(scalar.string.unicodeScalars.dropFirst())
  }

  private func expand(_ name: String, at position: Position, depth: Int) throws -> Converted {
    guard var target = anchors[name] else {
      let text = shown("*" + unmasked(name))
      throw Problem(
        position: position, message: "\(text) is a YAML alias, and there is no such anchor before it; quote the text if no alias is meant")
    }
    guard depth + target.height <= Self.maximumDepth else { throw tooDeep(position) }
    target.node.position = position
    return target
  }

  private func unmasked(_ text: String) -> String {
    guard text.unicodeScalars.contains(marker) else { return text }
    var scalars = String.UnicodeScalarView()
    for scalar in text.unicodeScalars { scalars.append(scalar == marker ? "*" : scalar) }
    return String(scalars)
  }

  // MARK: Problems

  private func tooDeep(_ position: Position) -> Problem {
    Problem(position: position, message: "lists and mappings are nested more than \(Self.maximumDepth) deep")
  }

  private func tooMany(_ position: Position) -> Problem {
    Problem(position: position, message: "the file has more than \(Self.maximumCount) values, its aliases expanded")
  }

  private func problem(from error: any Error, in text: String) -> Problem {
    switch error as? YamlError {
    case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _):
      // libyaml's own bound of 1000, which keeps Yams' recursion within its stack.
      if problem.hasPrefix("Maximum nesting level") { return tooDeep(bounded(mark)) }
      let place = context.map { " \($0.text) that begins at \($0.mark.line):\($0.mark.column)" } ?? ""
      let hint = Self.hint(for: context?.mark ?? mark, in: text)
      return Problem(position: bounded(mark), message: "this is not YAML: \(problem)\(place)\(hint)")
    case .composer(_, let problem, let mark, _):
      let message = problem == "but found another document" ? "expected one YAML document, found another" : "this is not YAML: \(problem)"
      return Problem(position: bounded(mark), message: message)
    case .reader(let problem, let offset, _, let masked):
      return Problem(position: Self.position(of: offset ?? 0, in: masked), message: "this is not YAML: \(problem)")
    case .duplicatedKeysInMapping(let keys, let context):
      let names = keys.map { shown(unmasked($0)) }.joined(separator: ", ")
      return Problem(position: bounded(context.mark), message: "\(names) is written more than once in this mapping; keep one")
    default:
      return Problem(position: Position(line: 1, column: 1), message: "this is not YAML: \(error)")
    }
  }

  /// A schedule begins with one of these, which mean something else to YAML.
  private static func hint(for mark: Mark, in text: String) -> String {
    guard mark.line >= 1, mark.column >= 1, mark.column <= 10_000 else { return "" }
    let line = text.unicodeScalars.split(separator: "\n", maxSplits: mark.line, omittingEmptySubsequences: false).dropFirst(mark.line - 1)
      .first
    guard let first = line?.dropFirst(mark.column - 1).first, "*@`".unicodeScalars.contains(first) else { return "" }
    return "; put a text that begins with \(first) in quotes"
  }

  private func bounded(_ mark: Mark) -> Position { Position(line: max(1, mark.line), column: max(1, mark.column)) }

  private static func position(of offset: Int, in text: String) -> Position {
    var position = Position(line: 1, column: 1)
    for scalar in text.prefix(offset).unicodeScalars {
      position = scalar == "\n" ? Position(line: position.line + 1, column: 1) : Position(line: position.line, column: position.column + 1)
    }
    return position
  }
}

/// A text as messages show it: in quotes, on one line, cut after 60 characters.
func shown(_ text: String) -> String {
  var result = ""
  for scalar in text.unicodeScalars.prefix(60) {
    let isControl = scalar.value < 32 || scalar.value == 127
    result += isControl ? scalar.escaped(asASCII: true) : String(scalar)
  }
  if text.unicodeScalars.count > 60 { result += "…" }
  return "\"\(result)\""
}
