/// A number of bytes as a user writes it: `0`, `512B`, `10MiB`, `64k`.
///
/// KiB, MiB and GiB are powers of 1024, k, M and G of 1000, as Kubernetes' quantities and IEC 80000-13 have them (docker's `k` is 1024).
enum ByteSize {
  private static let units: [(name: String, bytes: Int)] = [
    ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("G", 1_000_000_000), ("M", 1_000_000), ("k", 1000), ("B", 1),
  ]

  /// The number of bytes, at most about 10^18; nil when the text is none.
  static func bytes(_ text: String) -> Int? {
    let unit = units.first { text.hasSuffix($0.name) }
    guard let number = wholeNumber(String(text.dropLast(unit?.name.count ?? 0)), digits: 13) else { return nil }
    let (bytes, overflow) = number.multipliedReportingOverflow(by: unit?.bytes ?? 1)
    return overflow ? nil : bytes
  }

  /// The text with the largest unit that divides it.
  static func text(_ bytes: Int) -> String {
    guard bytes > 0, let unit = units.first(where: { bytes % $0.bytes == 0 }) else { return "\(bytes)" }
    return "\(bytes / unit.bytes)\(unit.name)"
  }
}

extension YAMLReader {
  /// A number of bytes within a range, or 0.
  mutating func size(_ field: Field, in range: ClosedRange<Int>, zero: String) -> Int? {
    let expected =
      "a size of \(ByteSize.text(range.lowerBound)) to \(ByteSize.text(range.upperBound)) (B, KiB, MiB, GiB; k, M, G), or 0 \(zero)"
    guard let scalar = scalar(field, expected: expected) else { return nil }
    guard let bytes = ByteSize.bytes(scalar.text), bytes == 0 || range.contains(bytes) else {
      report(expected: expected, at: field)
      return nil
    }
    return bytes
  }
}
