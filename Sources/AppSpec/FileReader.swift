/// Reads the file's outermost part: its name and its apps.
struct FileReader {
  /// How many bytes the file's texts may come to when expanded: it bounds what variables that refer to each other can make of 1 MiB.
  private static let expansionBudget = 16 << 20

  private(set) var reader: YAMLReader
  private let directory: String
  private let environment: [String: String]

  init(file: String, text: String, directory: String, environment: [String: String]) {
    reader = YAMLReader(file: file, text: text)
    self.directory = directory
    self.environment = environment
  }

  /// The name and the apps; nil, or with something missing, when there are mistakes.
  mutating func read(_ root: YAMLNode?) -> (name: String, apps: [App])? {
    let example = "apps: { web: { command: [./server] } }"
    guard let root else {
      reader.report("the file is empty; the least that it can say is \(example)", at: Position(line: 1, column: 1), path: "")
      return nil
    }
    let field = Field(node: root, path: "")
    guard let fields = reader.fields(field, expected: "a mapping such as \(example)", FileKey.self) else { return nil }
    let name = fields[.name].map { readName($0) } ?? nameOfDirectory(at: field)
    guard let appsField = fields[.apps] else {
      if fields.lacks(.apps) { reader.report("expected apps, as in \(example)", at: field) }
      return nil
    }
    let apps = readApps(appsField)
    return name.map { ($0, apps) }
  }

  // MARK: Name

  private mutating func readName(_ field: Field) -> String? {
    let expected = "a name of at most 63 lower-case letters, digits and dashes that does not begin with a dash"
    guard let text = reader.text(field, expected: expected) else { return nil }
    guard isName(text, longest: 63) else {
      reader.report(expected: expected, at: field)
      return nil
    }
    return text
  }

  private mutating func nameOfDirectory(at field: Field) -> String? {
    let last = directory.split(separator: "/").last.map(String.init) ?? ""
    let bytes = last.lowercased().utf8.map { isNameByte($0) ? $0 : UInt8(ascii: "-") }.drop { $0 == UInt8(ascii: "-") }
    guard !bytes.isEmpty else {
      reader.report("the directory \(directory) gives no name; write one, as in name: shop", at: field)
      return nil
    }
    return String(decoding: bytes.prefix(63), as: UTF8.self)
  }

  // MARK: Apps

  private mutating func readApps(_ field: Field) -> [App] {
    guard let entries = reader.entries(field, expected: "a mapping such as { web: { command: [./server] } }") else { return [] }
    if entries.isEmpty { reader.report("expected at least one app, as in { web: { command: [./server] } }", at: field) }
    var apps: [App] = []
    var listeners: [Int: [(app: String, listen: Listen)]] = [:]
    var budget = Self.expansionBudget
    var nodes: [AfterGraph.Node] = []
    for entry in entries {
      if !isName(entry.key, longest: 41) {
        reader.report(
          "expected an app's name of at most 41 lower-case letters, digits and dashes that does not begin with a dash, found \(shown(entry.key))",
          at: entry.keyPosition, path: entry.value.path)
      }
      var appReader = AppReader(reader: reader, budget: budget, directory: directory, environment: environment)
      reader = YAMLReader(file: "", text: "")
      let app = appReader.readApp(entry.value, name: entry.key)
      (reader, budget) = (appReader.reader, appReader.budget)
      nodes.append(.init(name: entry.key, after: appReader.after, isScheduled: app?.schedule != nil))
      if let listen = appReader.listen {
        if let other = listeners[listen.port]?.first(where: { $0.listen.collides(with: listen) }) {
          let path = "\(entry.value.path).listen"
          reader.report(
            "port \(listen.port) is taken by the app \"\(other.app)\"; give one of them another port",
            at: reader.positions["\(path).port"] ?? entry.keyPosition, path: "\(path).port")
        }
        listeners[listen.port, default: []].append((entry.key, listen))
      }
      if let app { apps.append(app) }
    }
    let names = Set(entries.map(\.key))
    for entry in entries {
      guard let other = replicaOwners(of: entry.key).first(where: names.contains) else { continue }
      reader.report(
        "\(entry.key) is what a replica, a sidecar or the proxy of the app \"\(other)\" is named; give one of them another name",
        at: entry.keyPosition, path: entry.value.path)
    }
    for problem in AfterGraph(nodes).problems() { reader.report(problem.message, at: problem.field) }
    return apps
  }
}

/// Whether a text is a name: `[a-z0-9][a-z0-9-]*`, at most so long.
func isName(_ text: String, longest: Int) -> Bool {
  (1...longest).contains(text.utf8.count) && text.utf8.first != UInt8(ascii: "-") && text.utf8.allSatisfy(isNameByte)
}

/// The apps that would name a replica, a sidecar or a proxy so: `web` for `web-2`, `web-2-mesh`, `web-proxy` and `web-proxy-2`.
private func replicaOwners(of name: String) -> [String] {
  let parts = name.split(separator: "-", omittingEmptySubsequences: false)
  return parts.indices.dropFirst().filter { isNumber(parts[$0]) || parts[$0] == "proxy" && parts[($0 + 1)...].allSatisfy(isNumber) }.map {
    parts[..<$0].joined(separator: "-")
  }
}

private func isNumber(_ text: Substring) -> Bool {
  !text.isEmpty && text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
}

private func isNameByte(_ byte: UInt8) -> Bool {
  (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    || byte == UInt8(ascii: "-")
}
