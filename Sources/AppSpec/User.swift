/// Whom a replica runs as.
public struct User: Equatable, Sendable {
  /// The user: a name, or a number.
  public var name: String
  /// The group: a name, or a number; nil is the user's own (passwd(5)).
  public var group: String?

  /// A user.
  public init(_ name: String, group: String? = nil) {
    self.name = name
    self.group = group
  }

  /// As a file has it: `www-data`, `1000:1000`.
  public var written: String { group.map { "\(name):\($0)" } ?? name }

  /// A user `name` or `name:group`; nil when a part is neither a name of useradd(8) nor a number of 0…4294967294.
  public init?(_ text: String) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    guard parts.count <= 2, let name = parts.first, parts.allSatisfy(Self.isName) else { return nil }
    self.init(name, group: parts.count == 2 ? parts[1] : nil)
  }

  private static func isName(_ text: String) -> Bool {
    if number(text) != nil { return true }
    guard let first = text.utf8.first, text.utf8.count <= 255 else { return false }
    let letters = UInt8(ascii: "a")...UInt8(ascii: "z")
    guard letters.contains(first | 0x20) || first == UInt8(ascii: "_") else { return false }
    return text.utf8.allSatisfy {
      letters.contains($0 | 0x20) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || "_-.".utf8.contains($0)
    }
  }

  /// The user's number, when it is written as one.
  public var number: UInt32? { Self.number(name) }

  /// 4294967295 is -1, which means "no change" to setuid's relatives (setreuid(2)).
  static func number(_ text: String) -> UInt32? {
    wholeNumber(text, digits: 10).flatMap { UInt32(exactly: $0) }.flatMap { $0 == .max ? nil : $0 }
  }
}

extension User: Codable {
  /// Reads the text that a file has.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    guard let user = User(text) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "expected a user, found \(shown(text))")
    }
    self = user
  }

  /// Writes the text that a file has.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(written)
  }
}

extension AppReader {
  /// Reads `user`.
  mutating func readUser(_ field: Field?) -> User? {
    let expected = "a user such as www-data, 1000 or www-data:adm"
    guard let field, let text = reader.text(field, expected: expected) else { return nil }
    guard let user = User(text) else {
      reader.report(expected: expected, at: field)
      return nil
    }
    return user
  }

  /// Reads `umask`: octal, as umask(1) takes it.
  mutating func readUmask(_ field: Field?) -> Int? {
    let expected = "three octal digits such as \"027\""
    guard let field, let text = reader.text(field, expected: expected) else { return nil }
    let digits = text.utf8.count == 4 && text.hasPrefix("0") ? String(text.dropFirst()) : text
    guard digits.utf8.count == 3, let mask = Int(digits, radix: 8), mask >= 0, wholeNumber(digits) != nil else {
      reader.report(expected: expected, at: field)
      return nil
    }
    return mask
  }
}
