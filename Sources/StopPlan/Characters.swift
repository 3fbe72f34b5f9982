/// Byte-wise reading of our small texts (signals, plans, words): ASCII, no locale, no Unicode tables in the Embedded binary.
enum Characters {
  static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }

  static func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || (byte >= 9 && byte <= 13) }

  static func isLetter(_ byte: UInt8) -> Bool {
    let upper = uppercased(byte)
    return upper >= UInt8(ascii: "A") && upper <= UInt8(ascii: "Z")
  }

  static func uppercased(_ byte: UInt8) -> UInt8 {
    byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "z") ? byte - 32 : byte
  }

  /// The number that the whole of `text` spells in decimal, or nil when it does not or exceeds `limit`.
  static func number(_ text: ArraySlice<UInt8>, limit: Int64 = .max) -> Int64? {
    guard !text.isEmpty else { return nil }
    var value: Int64 = 0
    for byte in text {
      guard isDigit(byte) else { return nil }
      let (tens, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, carried) = tens.addingReportingOverflow(Int64(byte - UInt8(ascii: "0")))
      guard !overflow, !carried, sum <= limit else { return nil }
      value = sum
    }
    return value
  }

  static func equal(_ text: ArraySlice<UInt8>, _ word: StaticString) -> Bool {
    guard text.count == word.utf8CodeUnitCount else { return false }
    return startsWith(text, word)
  }

  static func startsWith(_ text: ArraySlice<UInt8>, _ word: StaticString) -> Bool {
    let length = word.utf8CodeUnitCount
    guard text.count >= length else { return false }
    for offset in 0..<length where text[text.startIndex + offset] != word.utf8Start[offset] { return false }
    return true
  }
}

extension Array where Element == UInt8 {
  /// Appends the bytes of a literal.
  public mutating func append(text: StaticString) {
    append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  /// Appends a whole number in decimal.
  public mutating func append(number value: Int64) {
    var digits: [UInt8] = []
    var rest = value.magnitude
    repeat {
      digits.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10))
      rest /= 10
    } while rest > 0
    if value < 0 { append(UInt8(ascii: "-")) }
    append(contentsOf: digits.reversed())
  }
}
