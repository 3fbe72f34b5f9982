import Foundation
import Testing

@testable import AppSpec

/// Each key of a file that has all of them is made wrong, and the mistake is where it was made and names the field.
@Suite struct EveryKeyTests {
  /// A key of the full file.
  struct Line: CustomTestStringConvertible, Sendable {
    var number: Int
    /// The column of the key.
    var column: Int
    var key: String
    var value: String
    var path: String
    var parent: String
    /// The number of the line after its value.
    var end: Int
    var testDescription: String { path }
  }

  static let lines = fullFile.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)

  /// The keys with their paths, by indentation and dashes, which is all the YAML that the file uses.
  static let keys: [Line] = {
    var keys: [Line] = []
    // What is open: a key by its column, an item of a list by the column of its dash, which is not that of any key.
    var open: [(column: Int, path: String)] = []
    var items: [String: Int] = [:]
    for (index, line) in lines.enumerated() {
      let dash = line.prefix { $0 == " " }.count
      let isItem = line.dropFirst(dash).hasPrefix("- ")
      let column = dash + (isItem ? 3 : 1)
      open.removeAll { $0.column >= dash + 1 }
      if isItem, let list = open.last?.path {
        open.append((dash + 1, "\(list)[\(items[list, default: 0])]"))
        items[list, default: 0] += 1
      }
      let parent = open.last?.path ?? ""
      let key = String(line.dropFirst(column - 1).prefix { $0 != ":" })
      let value = line.dropFirst(column + key.count).drop { $0 == " " }
      let path = parent.isEmpty ? key : "\(parent).\(key)"
      var end = index + 1
      while end < lines.count, lines[end].prefix(while: { $0 == " " }).count >= column { end += 1 }
      keys.append(Line(number: index + 1, column: column, key: key, value: String(value), path: path, parent: parent, end: end))
      open.append((column, path))
    }
    return keys
  }()

  @Test func theFileIsRight() {
    #expect(mistakes(fullFile).isEmpty)
  }

  @Test func everyKeyIsInTheFile() {
    func keys(under isParent: (String) -> Bool) -> Set<String> { Set(Self.keys.filter { isParent($0.parent) }.map(\.key)) }
    func expect<Key: FieldKey>(_: Key.Type, under isParent: (String) -> Bool) {
      #expect(keys(under: isParent) == Set(Key.allCases.map(\.rawValue)), "\(Key.self)")
    }
    expect(FileKey.self) { $0.isEmpty }
    expect(AppKey.self) { $0.hasPrefix("apps.") && !$0.dropFirst(5).contains(".") }
    expect(ListenKey.self) { $0.hasSuffix(".listen") }
    expect(ReadyKey.self) { $0.hasSuffix(".ready") }
    expect(ReadyHTTPKey.self) { $0.hasSuffix("ready.http") }
    expect(LiveKey.self) { $0.hasSuffix(".live") }
    expect(ReadyHTTPKey.self) { $0.hasSuffix("live.http") }
    expect(StopKey.self) { $0.hasSuffix(".stop") && !$0.contains("[") }
    expect(PreStopKey.self) { $0.hasSuffix(".preStop") && !$0.contains("[") }
    expect(PreStopHTTPKey.self) { $0.hasSuffix("preStop.http") && !$0.contains("[") }
    expect(SidecarKey.self) { $0.hasSuffix("]") && $0.contains("sidecars") }
    expect(SidecarStopKey.self) { $0.hasSuffix(".stop") && $0.contains("[") }
    expect(PreStopKey.self) { $0.hasSuffix(".preStop") && $0.contains("[") }
    expect(EnvFileKey.self) { $0.hasSuffix("]") && $0.contains("envFiles") }
    expect(UpdateKey.self) { $0.hasSuffix(".update") }
    expect(RestartKey.self) { $0.hasSuffix(".restart") }
    expect(ReloadKey.self) { $0.hasSuffix(".reload") }
    expect(LogsKey.self) { $0.hasSuffix(".logs") }
    expect(NotifyKey.self) { $0.hasSuffix(".notify") }
    expect(LimitsKey.self) { $0.hasSuffix(".limits") }
  }

  @Test(arguments: keys)
  func aKeyOfTheWrongType(_ key: Line) {
    for wrong in ["[[[]]]", "{ zzzzzzzz: [{}] }", "", "\"\\0\""] {
      // A mapping of which any name is a key is right as one.
      if wrong.hasPrefix("{"), key.path == "apps" { continue }
      let head = String(repeating: " ", count: key.column - 1)
      let dash = Self.lines[key.number - 1].contains("- ") ? String(Self.lines[key.number - 1].prefix(key.column - 1)) : head
      let changed = Self.lines[..<(key.number - 1)] + ["\(dash)\(key.key): \(wrong)"] + Self.lines[key.end...]
      let error = #expect(throws: AppFileError.self, "\(wrong)") { try read(changed.joined(separator: "\n")) }
      let found = error?.mistakes.contains { $0.position?.line == key.number && $0.path.hasPrefix(key.path) }
      #expect(found == true, "\(wrong): \(error.map(\.description) ?? "")")
    }
  }

  @Test(arguments: keys.filter { $0.parent != "apps" && !$0.parent.hasSuffix(".env") })
  func aKeyOfTheWrongName(_ key: Line) {
    var changed = Self.lines
    let line = changed[key.number - 1]
    changed[key.number - 1] = line.prefix(key.column - 1) + key.key + "zzzzzzzzzzzz" + line.dropFirst(key.column - 1 + key.key.count)
    let error = #expect(throws: AppFileError.self) { try read(changed.joined(separator: "\n")) }
    let name = "\(key.key)zzzzzzzzzzzz"
    let path = key.parent.isEmpty ? name : "\(key.parent).\(name)"
    let mistake = error?.mistakes.first { $0.path == path }
    #expect(mistake?.position == Position(line: key.number, column: key.column))
    let expected = key.parent.hasSuffix(".exits") ? "expected an exit code of 0 to 255" : "unknown key \"\(name)\""
    #expect(mistake?.message.hasPrefix(expected) == true)
  }

  /// What a key of a number, a length of time or a size says of it, below and above all ranges.
  @Test(arguments: keys.filter { $0.value.first?.isNumber == true })
  func aKeyOutOfRange(_ key: Line) {
    for wrong in ["-1", "99999999999999999999", "99999999999999999999h"] {
      var changed = Self.lines
      changed[key.number - 1] = changed[key.number - 1].prefix(key.column - 1) + "\(key.key): \(wrong)"
      let error = #expect(throws: AppFileError.self, "\(wrong)") { try read(changed.joined(separator: "\n")) }
      let mistake = error?.mistakes.first { $0.path.hasPrefix(key.path) }
      #expect(
        mistake?.position == Position(line: key.number, column: key.column + key.key.count + 2), "\(wrong): \(mistake.debugDescription)")
      #expect(mistake?.message.contains("expected") == true, "\(wrong): \(mistake.debugDescription)")
    }
  }
}
