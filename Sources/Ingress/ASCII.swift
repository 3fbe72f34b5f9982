/// Character classes and comparisons on raw octets (RFC 9110 §5.6, RFC 5234 appendix B).
enum ASCII {
  static let tab: UInt8 = 0x09
  static let lineFeed: UInt8 = 0x0A
  static let carriageReturn: UInt8 = 0x0D
  static let space: UInt8 = 0x20
  static let comma: UInt8 = 0x2C
  static let slash: UInt8 = 0x2F
  static let colon: UInt8 = 0x3A
  static let semicolon: UInt8 = 0x3B

  /// Octets below 0x40 and from 0x40 on that are `tchar` (RFC 9110 §5.6.2), as bits; a test compares them with the RFC's list.
  private static let tokenLow: UInt64 = 0x03FF_6CFA_0000_0000
  private static let tokenHigh: UInt64 = 0x57FF_FFFF_C7FF_FFFE

  /// Whether an octet may stand in a token.
  @inline(__always)
  static func isToken(_ byte: UInt8) -> Bool {
    if byte < 64 { return (tokenLow >> UInt64(byte)) & 1 == 1 }
    if byte < 128 { return (tokenHigh >> UInt64(byte - 64)) & 1 == 1 }
    return false
  }

  /// Whether an octet may stand in a field value: VCHAR, obs-text, SP, HTAB (RFC 9110 §5.5).
  @inline(__always)
  static func isFieldValue(_ byte: UInt8) -> Bool {
    (byte >= 0x20 && byte != 0x7F) || byte == tab
  }

  @inline(__always)
  static func isWhitespace(_ byte: UInt8) -> Bool { byte == space || byte == tab }

  @inline(__always)
  static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }

  @inline(__always)
  static func lowercased(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }

  /// The value of a hexadecimal digit, or nil.
  @inline(__always)
  static func hexValue(_ byte: UInt8) -> UInt64? {
    if isDigit(byte) { return UInt64(byte &- 0x30) }
    let letter = lowercased(byte)
    if letter &- 0x61 < 6 { return UInt64(letter &- 0x61) + 10 }
    return nil
  }

  /// Compares without regard to case.
  ///
  /// - Parameters:
  ///   - bytes: the octets to look at.
  ///   - lowercase: the other side, already in lower case.
  @inline(__always)
  static func equal(_ bytes: some RandomAccessCollection<UInt8>, _ lowercase: StaticString) -> Bool {
    guard bytes.count == lowercase.utf8CodeUnitCount else { return false }
    var expected = lowercase.utf8Start
    for byte in bytes {
      if lowercased(byte) != expected.pointee { return false }
      expected += 1
    }
    return true
  }

  /// A decimal number of at most 18 digits, nothing around it (RFC 9110 §8.6), or nil.
  static func decimal(_ bytes: some RandomAccessCollection<UInt8>) -> UInt64? {
    guard !bytes.isEmpty, bytes.count <= 18 else { return nil }
    var value: UInt64 = 0
    for byte in bytes {
      guard isDigit(byte) else { return nil }
      value = value * 10 + UInt64(byte &- 0x30)
    }
    return value
  }
}

/// The elements of a comma-separated list (RFC 9110 §5.6.1), as ranges of the octets they came from; empty ones are skipped.
struct ListElements: Sequence, IteratorProtocol {
  private let bytes: UnsafeRawBufferPointer
  private var position: Int
  private let end: Int

  init(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) {
    self.bytes = bytes
    position = range.lowerBound
    end = range.upperBound
  }

  mutating func next() -> Range<Int>? {
    while position < end {
      var start = position
      var stop = start
      while stop < end, bytes[stop] != ASCII.comma { stop += 1 }
      position = stop + 1
      while start < stop, ASCII.isWhitespace(bytes[start]) { start += 1 }
      while stop > start, ASCII.isWhitespace(bytes[stop - 1]) { stop -= 1 }
      if start < stop { return start..<stop }
    }
    return nil
  }
}
