import StopPlan

/// How a replica is told to read its configuration again.
public enum Reload: Equatable, Sendable {
  /// By a signal to its main process.
  case signal(Signal)
  /// By a command, run in the replica's environment.
  case exec(CommandWords)
}

extension Reload: Codable {
  private enum CodingKeys: String, CodingKey { case signal, exec }

  /// Reads the one kind that is there.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    if let signal = try container.signal(.signal) {
      self = .signal(signal)
    } else {
      self = .exec(try container.decode(CommandWords.self, forKey: .exec))
    }
  }

  /// Writes the kind as the key.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    switch self {
    case .signal(let signal): try container.encode(signal, forKey: .signal)
    case .exec(let command): try container.encode(command, forKey: .exec)
    }
  }
}

extension AppReader {
  /// Reads `reload`.
  mutating func readReload(_ field: Field?) -> Reload? {
    let expected = "a mapping such as { signal: HUP } or { exec: [./reload] }"
    guard let field, let fields = reader.fields(field, expected: expected, ReloadKey.self) else { return nil }
    guard let kind = fields.written.first, let value = fields[kind], fields.written.count == 1 else {
      guard !fields.written.isEmpty || fields.lacks(.signal, .exec) else { return nil }
      reader.report("expected one of signal and exec; found \(fields.written.isEmpty ? "none" : "both")", at: field)
      return nil
    }
    switch kind {
    case .signal: return readReloadSignal(value).map { .signal($0) }
    case .exec: return readCommand(value).map { .exec($0) }
    }
  }

  private mutating func readReloadSignal(_ field: Field) -> Signal? {
    let expected = "a signal such as HUP, USR1 or RTMIN+1"
    guard let text = reader.text(field, expected: expected) else { return nil }
    guard let signal = Signal(text) else {
      reader.report(expected: expected, at: field)
      return nil
    }
    guard signal.canBeCaught else {
      reader.report("no program can catch \(signal.name), so it reloads nothing; write another, such as HUP", at: field)
      return nil
    }
    return signal
  }
}
