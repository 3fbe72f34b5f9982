import Linux
import StopPlan

/// Writes one flat JSON object (RFC 8259) on one line. The Embedded binary has no JSON library, and only ever writes.
struct JSONLine {
  private(set) var bytes: [UInt8] = []

  @inline(never)
  mutating func field(_ name: ByteView, _ value: Int64) {
    key(name)
    bytes.append(number: value)
  }

  @inline(never)
  mutating func field(_ name: ByteView, _ value: Bool) {
    key(name)
    bytes.append(text: value ? "true" : "false")
  }

  /// Adds text of which nothing is known.
  @inline(never)
  mutating func field(_ name: ByteView, text: ByteView) {
    key(name)
    quote()
    var rest = text
    while !rest.isEmpty { rest = rest.dropping(appendEscaped(rest)) }
    quote()
  }

  /// Adds a signal by its name.
  @inline(never)
  mutating func field(_ name: ByteView, _ signal: Signal) {
    key(name)
    quote()
    signal.appendName(to: &bytes)
    quote()
  }

  /// Adds a moment of the wall clock.
  @inline(never)
  mutating func field(_ name: ByteView, wall: Int64) {
    key(name)
    quote()
    Clock.appendTimestamp(wall, to: &bytes)
    quote()
  }

  /// Adds a failure in words.
  @inline(never)
  mutating func field(_ name: ByteView, _ error: SystemError) {
    key(name)
    quote()
    error.append(to: &bytes)
    quote()
  }

  /// Adds how a process ended: `code`, or `signal` and `core`.
  @inline(never)
  mutating func field(_ status: ExitStatus) {
    switch status {
    case .code(let code): field("code", Int64(code))
    case .signal(let signal, let core):
      field("signal", signal)
      field("core", core)
    }
  }

  /// Adds the fields of another object that is not closed.
  @inline(never)
  mutating func fields(of other: JSONLine) {
    bytes.append(text: ",")
    other.bytes.withView { bytes.append(text: $0.dropping(1)) }
  }

  /// Closes the object, with its newline.
  @inline(never)
  mutating func close() { bytes.append(text: "}\n") }

  @inline(never)
  private mutating func key(_ name: ByteView) {
    bytes.append(text: bytes.isEmpty ? "{\"" : ",\"")
    bytes.append(text: name)
    bytes.append(text: "\":")
  }

  @inline(never)
  private mutating func quote() { bytes.append(text: "\"") }

  /// Adds the character at the start of the text.
  /// - Returns: its length.
  private mutating func appendEscaped(_ text: ByteView) -> Int {
    let byte = text[0]
    if byte < 0x20 || byte == 0x7f {
      bytes.append(text: "\\u00")
      bytes.append(byte: Self.hexadecimal(byte >> 4))
      bytes.append(byte: Self.hexadecimal(byte & 15))
      return 1
    }
    if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { bytes.append(text: "\\") }
    let length = Self.sequenceLength(text)
    bytes.append(text: length == 0 ? "\\ufffd" : text.prefix(length))
    return max(1, length)
  }

  private static func hexadecimal(_ value: UInt8) -> UInt8 { value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10 }

  /// The length of the valid UTF-8 sequence at the start (RFC 3629, section 4), or 0.
  private static func sequenceLength(_ text: ByteView) -> Int {
    let first = text[0]
    let second = text[1]
    if first < 0x80 { return 1 }
    let length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2
    guard first >= 0xc2, first <= 0xf4 else { return 0 }
    for index in 1..<length where text[index] & 0xc0 != 0x80 { return 0 }
    // Overlong forms, surrogates, and what is beyond U+10FFFF.
    if first == 0xe0, second < 0xa0 { return 0 }
    if first == 0xed, second >= 0xa0 { return 0 }
    if first == 0xf0, second < 0x90 { return 0 }
    if first == 0xf4, second >= 0x90 { return 0 }
    return length
  }
}
