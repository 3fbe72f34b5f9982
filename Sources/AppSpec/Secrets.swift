/// What stands for a secret value wherever something is shown.
let redactedText = "***"

extension App {
  /// Words that make a variable a secret when its name has them, in whatever case.
  private static let secretWords = ["PASSWORD", "PASSWD", "SECRET", "TOKEN", "APIKEY", "API_KEY", "PRIVATE", "CREDENTIAL"]
  /// Shorter pieces of secrets are not looked for in texts: `1` or `on` would black out everything and tell nothing.
  private static let shortestSecret = 4

  /// Whether a variable's value is never shown: its name is in `secrets`, or has one of PASSWORD, PASSWD, SECRET, TOKEN, APIKEY, API_KEY,
  /// PRIVATE, CREDENTIAL in it, in whatever case.
  public func isSecret(_ name: String) -> Bool {
    if secrets.contains(name) { return true }
    let name = name.uppercased()
    return Self.secretWords.contains { name.contains($0) }
  }

  /// The text without the values of secrets: each line of one that has at least four bytes is replaced by `***`.
  /// - Parameter inherited: the environment that replicas inherit, of which those that are secrets are looked for too.
  public func redacted(_ text: String, inherited: [String: String] = [:]) -> String {
    secretPieces(inherited: inherited).redacted(text)
  }

  /// The app's variables for one replica as they may be shown: a secret's value is `***`, and so is one within another value.
  public func redactedEnvironment(for values: ReplicaValues = ReplicaValues()) -> [String: String] {
    redacted().environment(for: values)
  }

  /// The app as it may be shown: each secret value is `***`, wherever it was put in.
  public func redacted() -> App { hiding(secretPieces) }

  /// What is not to be shown of this app.
  var secretPieces: SecretPieces { secretPieces(inherited: [:]) }

  /// The values of its secrets, to be kept out of texts.
  /// - Parameter inherited: the environment that replicas inherit, of which those that are secrets are looked for too.
  public func secretPieces(inherited: [String: String]) -> SecretPieces { SecretPieces(secretTexts(inherited: inherited)) }

  /// The lines of all secret values.
  private func secretTexts(inherited: [String: String]) -> [String] {
    var texts = inherited.filter { isSecret($0.key) }.map(\.value)
    for (name, value) in environment where isSecret(name) { texts += value.literals }
    for sidecar in sidecars {
      for (name, value) in sidecar.environment where isSecret(name) { texts += value.literals }
    }
    return texts.flatMap { $0.split(whereSeparator: \.isNewline).map(String.init) }.filter { $0.utf8.count >= Self.shortestSecret }
  }
}

extension App {
  /// The app without those texts.
  func hiding(_ pieces: SecretPieces) -> App {
    var app = self
    app.environment = hiding(environment, pieces)
    app.command = command.hiding(pieces)
    app.directory = pieces.redacted(directory)
    app.ready?.check.hide(pieces)
    app.live?.check.hide(pieces)
    app.stop.hide(pieces)
    if case .exec(let command)? = reload { app.reload = .exec(command.hiding(pieces)) }
    app.container?.image = pieces.redacted(container?.image ?? "")
    app.container?.command = container?.command.map { $0.hiding(pieces) } ?? []
    app.container?.options = container?.options.map { $0.hiding(pieces) } ?? []
    for index in sidecars.indices {
      app.sidecars[index].environment = hiding(sidecars[index].environment, pieces)
      app.sidecars[index].command = sidecars[index].command.hiding(pieces)
      app.sidecars[index].directory = pieces.redacted(sidecars[index].directory)
      app.sidecars[index].ready?.check.hide(pieces)
      app.sidecars[index].stop.hide(pieces)
    }
    return app
  }

  private func hiding(_ variables: [String: Template], _ pieces: SecretPieces) -> [String: Template] {
    Dictionary(uniqueKeysWithValues: variables.map { ($0, isSecret($0) ? Template(redactedText) : $1.hiding(pieces)) })
  }
}

extension CommandWords {
  func hiding(_ pieces: SecretPieces) -> CommandWords {
    CommandWords(program: pieces.redacted(program), arguments: arguments.map { $0.hiding(pieces) }, directory: pieces.redacted(directory))
  }
}

extension Readiness.Check {
  fileprivate mutating func hide(_ pieces: SecretPieces) {
    if case .exec(let command) = self { self = .exec(command.hiding(pieces)) }
  }
}

extension Template {
  /// The text without those pieces.
  fileprivate func hiding(_ pieces: SecretPieces) -> Template {
    parts.reduce(into: Template("")) { template, part in
      switch part {
      case .text(let text): template.append(pieces.redacted(text))
      case .variable(let variable): template.append(variable)
      }
    }
  }
}

/// Texts that are not to be shown.
public struct SecretPieces: Sendable {
  /// By their first byte, the longest first.
  private var pieces: [UInt8: [[UInt8]]]

  /// These texts.
  init(_ texts: [String]) {
    pieces = Dictionary(grouping: Set(texts).map { Array($0.utf8) }.filter { !$0.isEmpty }) { $0[0] }.mapValues { group in
      group.sorted { $0.count > $1.count }
    }
  }

  /// The pieces of both.
  public func union(_ other: SecretPieces) -> SecretPieces {
    SecretPieces([pieces, other.pieces].flatMap { $0.values.joined() }.map { String(decoding: $0, as: UTF8.self) })
  }

  /// The text with each of them replaced by `***`.
  public func redacted(_ text: String) -> String {
    guard !pieces.isEmpty else { return text }
    var rest = Array(text.utf8)[...]
    var result: [UInt8] = []
    while let byte = rest.first {
      if let piece = pieces[byte]?.first(where: { rest.starts(with: $0) }) {
        result += Array(redactedText.utf8)
        rest = rest.dropFirst(piece.count)
      } else {
        result.append(byte)
        rest = rest.dropFirst()
      }
    }
    return String(decoding: result, as: UTF8.self)
  }
}
