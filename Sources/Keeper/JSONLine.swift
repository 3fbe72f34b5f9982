import StopPlan

/// Writes one flat JSON object (RFC 8259) on one line. The Embedded binary has no JSON library, and only ever writes.
struct JSONLine {
  private(set) var bytes: [UInt8] = [UInt8(ascii: "{")]

  mutating func field(_ name: StaticString, _ value: Int64) {
    key(name)
    bytes.append(number: value)
  }

  mutating func field(_ name: StaticString, _ value: Bool) {
    key(name)
    bytes.append(text: value ? "true" : "false")
  }

  mutating func field(_ name: StaticString, word: StaticString) {
    key(name)
    bytes.append(UInt8(ascii: "\""))
    bytes.append(text: word)
    bytes.append(UInt8(ascii: "\""))
  }

  mutating func field(_ name: StaticString, text: [UInt8]) {
    key(name)
    bytes.append(UInt8(ascii: "\""))
    appendEscaped(text)
    bytes.append(UInt8(ascii: "\""))
  }

  /// Adds how a process ended: `code`, or `signal` and `core`.
  mutating func field(_ status: ExitStatus) {
    switch status {
    case .code(let code): field("code", Int64(code))
    case .signal(let signal, let core):
      var name: [UInt8] = []
      signal.appendName(to: &name)
      field("signal", text: name)
      field("core", core)
    }
  }

  /// The object, closed, with its newline.
  func line() -> [UInt8] { bytes + [UInt8(ascii: "}"), UInt8(ascii: "\n")] }

  private mutating func key(_ name: StaticString) {
    if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
    bytes.append(UInt8(ascii: "\""))
    bytes.append(text: name)
    bytes.append(text: "\":")
  }

  private mutating func appendEscaped(_ text: [UInt8]) {
    var index = 0
    while index < text.count {
      let byte = text[index]
      if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
        bytes.append(UInt8(ascii: "\\"))
        bytes.append(byte)
      } else if byte < 0x20 || byte == 0x7f {
        bytes.append(text: "\\u00")
        bytes.append(Self.hexadecimal(byte >> 4))
        bytes.append(Self.hexadecimal(byte & 15))
      } else if byte < 0x80 {
        bytes.append(byte)
      } else if let length = Self.sequenceLength(text, at: index) {
        bytes.append(contentsOf: text[index..<(index + length)])
        index += length - 1
      } else {
        bytes.append(text: "\\ufffd")
      }
      index += 1
    }
  }

  private static func hexadecimal(_ value: UInt8) -> UInt8 { value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10 }

  /// The length of the valid UTF-8 sequence that starts there (RFC 3629, section 4), or nil.
  private static func sequenceLength(_ text: [UInt8], at index: Int) -> Int? {
    let first = text[index]
    let length: Int
    switch first {
    case 0xc2...0xdf: length = 2
    case 0xe0...0xef: length = 3
    case 0xf0...0xf4: length = 4
    default: return nil
    }
    guard index + length <= text.count else { return nil }
    for offset in 1..<length where text[index + offset] & 0xc0 != 0x80 { return nil }
    let second = text[index + 1]
    switch first {
    case 0xe0: return second >= 0xa0 ? length : nil
    case 0xed: return second < 0xa0 ? length : nil
    case 0xf0: return second >= 0x90 ? length : nil
    case 0xf4: return second < 0x90 ? length : nil
    default: return length
    }
  }
}
