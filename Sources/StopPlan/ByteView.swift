/// Bytes that somebody else keeps alive and unchanged for as long as they are looked at: an argument, a literal, what a buffer holds.
///
/// A pointer and a count: copying it counts no references, so that reading text costs the Embedded binary next to nothing. Reading
/// beyond the end gives 0, which ends no text of ours by mistake: none of them may hold a NUL.
public struct ByteView: ExpressibleByStringLiteral, @unchecked Sendable {
  private let start: UnsafePointer<UInt8>
  /// How many bytes there are.
  public let count: Int

  /// The bytes from `start` on.
  public init(start: UnsafePointer<UInt8>, count: Int) {
    self.start = start
    self.count = max(0, count)
  }

  /// The bytes of a literal.
  @inline(__always)
  public init(stringLiteral literal: StaticString) {
    start = literal.utf8Start
    count = literal.utf8CodeUnitCount
  }

  /// The bytes of a C string, without its NUL.
  @inline(never)
  public init(_ string: UnsafePointer<CChar>) {
    var count = 0
    while string[count] != 0 { count += 1 }
    start = UnsafeRawPointer(string).assumingMemoryBound(to: UInt8.self)
    self.count = count
  }

  /// Whether there are none.
  public var isEmpty: Bool { count == 0 }

  /// The byte there, 0 beyond the end.
  public subscript(index: Int) -> UInt8 { index >= 0 && index < count ? start[index] : 0 }

  /// The last byte, 0 when there is none.
  public var last: UInt8 { self[count - 1] }

  /// The memory itself, for a system call.
  public var buffer: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: start, count: count) }

  /// The memory as a C string, where a NUL is known to follow.
  public var cString: UnsafePointer<CChar> { UnsafeRawPointer(start).assumingMemoryBound(to: CChar.self) }

  /// All but the first `length` bytes.
  @inline(never)
  public func dropping(_ length: Int) -> ByteView {
    let length = min(max(0, length), count)
    return ByteView(start: start + length, count: count - length)
  }

  /// The first `length` bytes.
  public func prefix(_ length: Int) -> ByteView { ByteView(start: start, count: min(length, count)) }

  /// The offset of the first such byte, or `count`.
  public func offset(of byte: UInt8) -> Int {
    var index = 0
    while index < count, start[index] != byte { index += 1 }
    return index
  }

  /// Splits off what stands before the first such byte, which is dropped, or everything when there is none.
  @inline(never)
  public mutating func take(before byte: UInt8) -> ByteView {
    let length = offset(of: byte)
    defer { self = dropping(length + 1) }
    return prefix(length)
  }

  /// Splits off the bytes at the start that are so.
  @inline(never)
  public mutating func take(while condition: (UInt8) -> Bool) -> ByteView {
    var length = 0
    while length < count, condition(start[length]) { length += 1 }
    defer { self = dropping(length) }
    return prefix(length)
  }

  /// Splits off `prefix` when the bytes begin with it.
  @inline(never)
  public mutating func take(_ prefix: ByteView) -> Bool {
    guard hasPrefix(prefix) else { return false }
    self = dropping(prefix.count)
    return true
  }

  /// Whether the bytes begin with those of `prefix`.
  public func hasPrefix(_ prefix: ByteView) -> Bool {
    guard prefix.count <= count else { return false }
    for index in 0..<prefix.count where start[index] != prefix.start[index] { return false }
    return true
  }

  /// Whether the bytes are the same.
  public static func == (lhs: ByteView, rhs: ByteView) -> Bool { lhs.count == rhs.count && lhs.hasPrefix(rhs) }

  /// Which of these words, which blanks separate, it is, counted from 0; nil when it is none of them.
  @inline(never)
  public func position(among words: ByteView) -> Int? {
    var rest = words
    var position = 0
    while !rest.isEmpty {
      if rest.take(before: UInt8(ascii: " ")) == self { return position }
      position += 1
    }
    return nil
  }

  /// The number that all of it spells in decimal, or nil when it does not or exceeds `limit`.
  @inline(never)
  public func number(limit: Int64 = .max) -> Int64? {
    guard !isEmpty else { return nil }
    var value: Int64 = 0
    for index in 0..<count {
      let digit = start[index] &- UInt8(ascii: "0")
      guard digit <= 9 else { return nil }
      let (tens, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, carried) = tens.addingReportingOverflow(Int64(digit))
      guard !overflow, !carried, sum <= limit else { return nil }
      value = sum
    }
    return value
  }
}

/// ASCII, no locale: the Embedded binary has no Unicode tables.
enum Characters {
  static func isDigit(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "0") <= 9 }
  static func isLetter(_ byte: UInt8) -> Bool { (byte | 0x20) &- UInt8(ascii: "a") < 26 }
  static func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || (byte >= 9 && byte <= 13) }
  static func uppercased(_ byte: UInt8) -> UInt8 { isLetter(byte) ? byte & 0xdf : byte }
}

extension Array where Element == UInt8 {
  /// Appends bytes.
  @inline(never)
  public mutating func append(text: ByteView) { append(contentsOf: text.buffer) }

  /// Appends bytes of another array.
  @inline(never)
  public mutating func append(bytes: [UInt8]) { bytes.withView { append(text: $0) } }

  /// Drops the first `length` bytes.
  @inline(never)
  public mutating func drop(_ length: Int) {
    let old = self
    self = []
    old.withView { append(text: $0.dropping(length)) }
  }

  /// Appends one byte.
  @inline(never)
  public mutating func append(byte: UInt8) { append(byte) }

  /// Appends a whole number in decimal.
  @inline(never)
  public mutating func append(number value: Int64) {
    if value < 0 { append(UInt8(ascii: "-")) }
    append(number: value.magnitude, digits: 1)
  }

  /// Appends a number in decimal, with zeros before it up to that many digits.
  @inline(never)
  public mutating func append(number value: UInt64, digits: Int) {
    if value > 9 || digits > 1 { append(number: value / 10, digits: digits - 1) }
    append(byte: UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value % 10))
  }

  /// Lets `body` look at the bytes.
  public func withView<Result, Failure>(_ body: (ByteView) throws(Failure) -> Result) throws(Failure) -> Result {
    try self[...].withView(body)
  }
}

extension ArraySlice where Element == UInt8 {
  /// Lets `body` look at the bytes.
  public func withView<Result, Failure>(_ body: (ByteView) throws(Failure) -> Result) throws(Failure) -> Result {
    try withUnsafeBufferPointer { (buffer) throws(Failure) -> Result in
      guard let start = buffer.baseAddress else { return try body("") }
      return try body(ByteView(start: start, count: buffer.count))
    }
  }
}
