/// An image that each replica is a container of.
public struct Container: Equatable, Sendable {
  /// What runs containers.
  public enum Runtime: String, CaseIterable, Codable, Sendable {
    /// podman(1).
    case podman
  }

  /// The image, as the runtime knows it: `nginx`, `localhost/shop:1.2`.
  public var image: String
  /// What runs it.
  public var runtime: Runtime
  /// What is written after the image: the words of `command`; none takes the image's own command.
  public var command: [Template]
  /// Further arguments of the runtime's `run`, before the image (`podman:`).
  public var options: [Template]

  /// A container of an image.
  public init(image: String, runtime: Runtime = .podman, command: [Template] = [], options: [Template] = []) {
    self.image = image
    self.runtime = runtime
    self.command = command
    self.options = options
  }
}

extension Container: Codable {
  private enum CodingKeys: String, CodingKey { case image, runtime, command, options = "podman" }

  /// Reads the image, which must be there, and the rest, which has defaults.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    image = try container.decode(String.self, forKey: .image)
    runtime = try container.value(.runtime, or: .podman)
    command = try container.value(.command, or: [])
    options = try container.value(.options, or: [])
  }
}

extension AppReader {
  /// Reads `image`, `runtime` and `podman`, and `command` as what runs in the container.
  mutating func readContainer(_ fields: Fields<AppKey>) -> Container? {
    let runtime = fields[.runtime].flatMap { reader.word($0, Container.Runtime.self) }
    let options = fields[.podman].flatMap { readOptions($0) } ?? []
    guard let imageField = fields[.image] else {
      if let field = fields[.runtime] ?? fields[.podman], fields.lacks(.image) {
        reader.report("there is no image that podman would run; write one, as in image: localhost/shop, or leave this out", at: field)
      }
      return nil
    }
    let image = readImage(imageField)
    if fields[.runtime] == nil, fields.lacks(.runtime) {
      reader.report("an image is run by a container runtime; write \"runtime: podman\" too", at: imageField)
      return nil
    }
    let command = fields[.command].map { readContainerCommand($0) } ?? []
    guard let image, let runtime, let command else { return nil }
    return Container(image: image, runtime: runtime, command: command, options: options)
  }

  private mutating func readImage(_ field: Field) -> String? {
    let expected = "an image's name such as nginx or localhost/shop:1.2"
    guard let text = reader.text(field, expected: expected), let template = expanded(text, at: field) else { return nil }
    let name = template.text(for: ReplicaValues())
    // A name that began with a dash would be an option of podman's.
    let isName =
      template.variables.isEmpty && (1...512).contains(name.utf8.count) && !name.hasPrefix("-")
      && name.utf8.allSatisfy { $0 > 32 && $0 < 127 }
    guard isName else {
      reader.report(expected: expected, at: field)
      return nil
    }
    return name
  }

  private mutating func readContainerCommand(_ field: Field) -> [Template]? {
    guard let words = readWords(field) else { return nil }
    return makeTemplates(words)
  }

  private mutating func readOptions(_ field: Field) -> [Template]? {
    let expected = "a list of podman run's arguments such as [--memory=1g]"
    return reader.texts(field, expected: expected, item: "a text").flatMap { makeTemplates($0) }
  }
}
