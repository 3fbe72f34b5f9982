import StopPlan

/// What an end means, for ends that `restart.policy` alone would take wrongly. What is written here goes before the policy.
public struct Exits: Equatable, Sendable {
  /// How a main process ended.
  public enum Cause: Hashable, Sendable {
    /// With that code, 0…255.
    case code(Int)
    /// By that signal.
    case signal(Signal)
  }

  /// What an end means.
  public enum Meaning: String, CaseIterable, Codable, Sendable {
    /// The work is done: it is not started again.
    case done
    /// It wants to be started again: at once, without back-off, and it is no failure.
    case restart
    /// It can never work as it is configured: a failure, and it is not started again.
    case stop
    /// An ordinary failure, whatever the code: the policy decides.
    case fail
  }

  /// The meanings that are written; none unless written.
  public var meanings: [Cause: Meaning]

  /// These meanings.
  public init(_ meanings: [Cause: Meaning] = [:]) { self.meanings = meanings }

  /// What such an end means, or nil when only the policy says.
  public func meaning(of status: ExitStatus) -> Meaning? {
    switch status {
    case .code(let code): meanings[.code(Int(code))]
    case .signal(let signal, _): meanings[.signal(signal)]
    }
  }

  /// The causes, codes first, each by its number.
  var causes: [Cause] { meanings.keys.sorted { $0.order < $1.order } }
}

extension Exits.Cause {
  /// As a file has it: `75`, `SIGKILL`.
  var written: String {
    switch self {
    case .code(let code): "\(code)"
    case .signal(let signal): "SIG\(signal.name)"
    }
  }

  fileprivate var order: Int {
    switch self {
    case .code(let code): code
    case .signal(let signal): 256 + Int(signal.number)
    }
  }

  /// A code of 0…255, or a signal's name with or without SIG.
  init?(_ text: String) {
    if let code = wholeNumber(text) {
      guard code <= 255 else { return nil }
      self = .code(code)
    } else if let signal = Signal(text) ?? Self.numbered(text) {
      self = .signal(signal)
    } else {
      return nil
    }
  }

  /// `SIG32` and `SIG33`, which have no name of their own.
  private static func numbered(_ text: String) -> Signal? {
    guard text.hasPrefix("SIG"), let number = wholeNumber(String(text.dropFirst(3))) else { return nil }
    return Signal(number: Int32(number))
  }
}

extension Exits: Codable {
  /// Reads an object of causes and meanings.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    var meanings: [Cause: Meaning] = [:]
    for (name, meaning) in try container.decode([String: Meaning].self) {
      guard let cause = Cause(name) else {
        throw DecodingError.dataCorruptedError(in: container, debugDescription: "expected an exit code or a signal, found \(shown(name))")
      }
      meanings[cause] = meaning
    }
    self.init(meanings)
  }

  /// Writes an object of causes and meanings.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(Dictionary(uniqueKeysWithValues: meanings.map { ($0.key.written, $0.value) }))
  }
}

extension AppReader {
  /// Reads `exits`.
  mutating func readExits(_ field: Field?) -> Exits {
    var exits = Exits()
    let expected = "a mapping such as { 0: done, 75: restart, 78: stop }"
    guard let field, let entries = reader.entries(field, expected: expected) else { return exits }
    for entry in entries {
      let meaning = reader.word(entry.value, Exits.Meaning.self)
      guard let cause = Exits.Cause(entry.key) else {
        reader.report(
          "expected an exit code of 0 to 255 or a signal such as SIGKILL, found \(shown(entry.key))", at: entry.keyPosition,
          path: entry.value.path)
        continue
      }
      if exits.meanings[cause] != nil {
        reader.report("\(shown(entry.key)) is written before, in another form; keep one", at: entry.keyPosition, path: entry.value.path)
      }
      exits.meanings[cause] = meaning ?? .fail
    }
    return exits
  }
}
