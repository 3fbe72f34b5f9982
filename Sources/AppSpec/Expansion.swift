/// Why a text could not be expanded.
enum ExpansionProblem: Error, Equatable {
  case badDollar
  case unset(String, nearest: String?)
  case noReplicaValue(ReplicaVariable)
  case cycle([String])
  case tooDeep
  case tooLong
  case tooMuch
  /// A variable that it uses could not be expanded, which is reported there.
  case reportedElsewhere

  var message: String {
    switch self {
    case .badDollar: "expected a variable after $, as $NAME or ${NAME}; write $$ for a dollar"
    case .unset(let name, let nearest):
      "$\(name) is not set"
        + (nearest.map { "; did you mean $\($0)?" } ?? "; set it in env or in the environment, or write $$\(name) for the text itself")
    case .noReplicaValue(.port):
      "$PORT is a replica's own port, which it has only under \"listen: { port: 8080, via: proxy }\"; write the port itself, or set PORT in env"
    case .noReplicaValue(.listenPID):
      "$LISTEN_PID is the program's own pid, which nobody knows before it runs; a program under \"via: socket\" finds it in its environment"
    case .noReplicaValue(let variable):
      "$\(variable.rawValue) describes inherited listeners, which a replica has only under \"listen: { port: 8080, via: socket }\""
    case .cycle(let names): "the variables refer to each other: \(names.joined(separator: " → "))"
    case .tooDeep: "the variables refer to each other more than \(VariableScope.maximumDepth) deep"
    case .tooLong: "it is longer than 128 KiB when expanded, the most that Linux admits for one argument (execve(2), MAX_ARG_STRLEN)"
    case .tooMuch: "the file's texts are longer than 16 MiB when expanded"
    case .reportedElsewhere: "a variable in it could not be expanded"
    }
  }
}

/// The pieces of a text: `$NAME` and `${NAME}` are references, `$$` is a dollar; another `$` is a mistake, since a shell would do something there.
enum TextSegment: Equatable {
  case literal(String)
  case reference(String)

  static func split(_ text: String) throws(ExpansionProblem) -> [TextSegment] {
    guard text.utf8.contains(UInt8(ascii: "$")) else { return [.literal(text)] }
    var segments: [TextSegment] = []
    var rest = text.utf8[...]
    while let dollar = rest.firstIndex(of: UInt8(ascii: "$")) {
      segments.append(.literal(String(Substring(rest[..<dollar]))))
      rest = rest[dollar...].dropFirst()
      if rest.first == UInt8(ascii: "$") {
        segments.append(.literal("$"))
        rest = rest.dropFirst()
        continue
      }
      let isBraced = rest.first == UInt8(ascii: "{")
      if isBraced { rest = rest.dropFirst() }
      let name = rest.prefix(while: isNameByte)
      guard let first = name.first, !isDigit(first) else { throw .badDollar }
      rest = rest.dropFirst(name.count)
      if isBraced {
        guard rest.first == UInt8(ascii: "}") else { throw .badDollar }
        rest = rest.dropFirst()
      }
      segments.append(.reference(String(Substring(name))))
    }
    segments.append(.literal(String(Substring(rest))))
    return segments
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    let letter = byte | 0x20
    return isDigit(byte) || byte == UInt8(ascii: "_") || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(letter)
  }
}

/// What variables mean within one app: its own `env` first, then what it is given (by `envFiles`; an app's variables for its sidecars), then what
/// the engine puts in for each replica, then the environment.
struct VariableScope {
  /// The most that Linux admits for one argument or variable, its NUL included: 32 pages (execve(2)).
  static let maximumLength = 131_072
  /// How deep variables may refer to each other; it bounds the recursion.
  static let maximumDepth = 32

  /// The app's own variables, expanded; one that could not be is empty here.
  private(set) var own: [String: Template] = [:]
  /// What is wrong with the app's own variables.
  private(set) var problems: [String: ExpansionProblem] = [:]
  private let written: [String: String]
  private let given: [String: Template]
  private let environment: [String: String]
  private let available: Set<ReplicaVariable>
  private var active: [String] = []

  /// A scope.
  /// - Parameters:
  ///   - written: the app's own variables as they are written; they may refer to each other, and to a variable of the environment of their own name.
  ///   - given: variables that are expanded already.
  ///   - environment: the environment.
  ///   - available: what the engine will put in.
  ///   - budget: how many bytes the file's texts may still come to when expanded.
  init(
    written: [String: String], given: [String: Template] = [:], environment: [String: String], available: Set<ReplicaVariable>,
    budget: inout Int
  ) {
    self.written = written
    self.given = given
    self.environment = environment
    self.available = available
    for name in written.keys.sorted() { _ = value(of: name, budget: &budget) }
  }

  /// Whether the app's own variables have it, expanded or not.
  func isDeclared(_ name: String) -> Bool { written[name] != nil }

  /// The text with its variables expanded.
  mutating func expand(_ text: String, budget: inout Int) throws(ExpansionProblem) -> Template {
    var template = Template("")
    for segment in try TextSegment.split(text) {
      switch segment {
      case .literal(let literal): template.append(literal)
      case .reference(let name): template.append(try resolve(name, budget: &budget))
      }
      guard template.byteCount < Self.maximumLength else { throw .tooLong }
    }
    budget -= template.byteCount
    guard budget >= 0 else { throw .tooMuch }
    return template
  }

  private mutating func resolve(_ name: String, budget: inout Int) throws(ExpansionProblem) -> Template {
    if written[name] != nil, active.last != name {
      if let start = active.firstIndex(of: name) { throw .cycle(active[start...] + [name]) }
      guard let template = value(of: name, budget: &budget) else { throw .reportedElsewhere }
      return template
    }
    if let template = given[name] { return template }
    if let variable = ReplicaVariable(rawValue: name) {
      guard available.contains(variable) else { throw .noReplicaValue(variable) }
      var template = Template("")
      template.append(variable)
      return template
    }
    if let value = environment[name] { return Template(value) }
    throw .unset(name, nearest: nearestName(to: name, among: written.keys.sorted() + given.keys.sorted()))
  }

  private mutating func value(of name: String, budget: inout Int) -> Template? {
    if problems[name] != nil { return nil }
    if let done = own[name] { return done }
    active.append(name)
    defer { active.removeLast() }
    do throws(ExpansionProblem) {
      guard active.count <= Self.maximumDepth else { throw .tooDeep }
      let template = try expand(written[name] ?? "", budget: &budget)
      own[name] = template
      return template
    } catch {
      problems[name] = error
      return nil
    }
  }
}
