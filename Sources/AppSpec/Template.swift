/// What is known only of one replica, and left in the texts for the engine to put in.
public enum ReplicaVariable: String, CaseIterable, Hashable, Sendable {
  /// The replica's own port, under `via: proxy`.
  case port = "PORT"
  /// How many listeners the replica inherits, under `via: socket` (sd_listen_fds(3)).
  case listenFDs = "LISTEN_FDS"
  /// The process they are meant for (sd_listen_fds(3)).
  case listenPID = "LISTEN_PID"
  /// Their names, separated by colons (sd_listen_fds_with_names(3)).
  case listenFDNames = "LISTEN_FDNAMES"
}

/// The values of the variables that differ from replica to replica.
public struct ReplicaValues: Equatable, Sendable {
  private var values: [ReplicaVariable: String]

  /// The values by their variables.
  public init(_ values: [ReplicaVariable: String] = [:]) { self.values = values }

  /// The values of a replica under `via: proxy` with its own port, or of one without.
  public init(port: Int?) {
    values = port.map { [.port: String($0)] } ?? [:]
  }

  /// A variable's value, or nil when the replica has none.
  public subscript(variable: ReplicaVariable) -> String? {
    get { values[variable] }
    set { values[variable] = newValue }
  }
}

/// A text in which everything is expanded but what differs from replica to replica.
public struct Template: Equatable, Hashable, Sendable {
  /// A piece of the text.
  enum Part: Equatable, Hashable, Sendable {
    case text(String)
    case variable(ReplicaVariable)
  }

  private(set) var parts: [Part] = []
  private(set) var byteCount = 0

  /// A text without variables.
  public init(_ text: String) { append(text) }

  /// The replica's variables that the text uses.
  public var variables: Set<ReplicaVariable> {
    Set(parts.compactMap { if case .variable(let variable) = $0 { variable } else { nil } })
  }

  /// The text for one replica. A variable that the replica has no value for is left as it is written; a file that was read has none such
  /// when the values are those of its `via`.
  public func text(for values: ReplicaValues) -> String {
    var text = ""
    for part in parts {
      switch part {
      case .text(let piece): text += piece
      case .variable(let variable): text += values[variable] ?? "$\(variable.rawValue)"
      }
    }
    return text
  }

  mutating func append(_ text: String) {
    guard !text.isEmpty else { return }
    byteCount += text.utf8.count
    if case .text(let last)? = parts.last {
      parts[parts.count - 1] = .text(last + text)
    } else {
      parts.append(.text(text))
    }
  }

  mutating func append(_ variable: ReplicaVariable) {
    byteCount += variable.rawValue.utf8.count + 1
    parts.append(.variable(variable))
  }

  mutating func append(_ other: Template) {
    for part in other.parts {
      switch part {
      case .text(let text): append(text)
      case .variable(let variable): append(variable)
      }
    }
  }
}

extension Template {
  /// The text as a file would have it: `$$` for a dollar, `${PORT}` for a replica's variable.
  var written: String {
    parts.reduce(into: "") { text, part in
      switch part {
      case .text(let piece): text += piece.replacing("$", with: "$$")
      case .variable(let variable): text += "${\(variable.rawValue)}"
      }
    }
  }

  /// What is the same for every replica.
  var literals: [String] { parts.compactMap { if case .text(let piece) = $0 { piece } else { nil } } }
}

extension Template: Codable {
  /// Reads the text form that a file has. Another variable than a replica's own is an error: nothing is expanded here.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    self.init("")
    do throws(ExpansionProblem) {
      for segment in try TextSegment.split(text) {
        switch segment {
        case .literal(let literal): append(literal)
        case .reference(let name):
          guard let variable = ReplicaVariable(rawValue: name) else { throw .unset(name, nearest: nil) }
          append(variable)
        }
      }
    } catch {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: error.message)
    }
  }

  /// Writes the text form that a file has.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(written)
  }
}
