import Linux
import StopPlan

/// Tells a person what the JSON line of an event says.
enum Narration {
  /// Appends an event's words: `signalled 12 TERM sleep`, `stop began on TERM, 7.9 s left`.
  static func append(_ line: ByteView, at now: Instant, to text: inout [UInt8]) {
    var rest = line.dropping(1)
    while !rest.isEmpty, rest[0] != UInt8(ascii: "}") {
      let key = quoted(&rest)
      rest = rest.dropping(1)
      let isText = rest[0] == UInt8(ascii: "\"")
      let value = isText ? quoted(&rest) : rest.take { $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: "}") }
      if rest[0] == UInt8(ascii: ",") { rest = rest.dropping(1) }
      switch key.position(among: "seq at event pid sent name deadline step") {
      case 0, 1: break
      case 2: appendWords(value, to: &text)
      case 6:
        text.append(text: ", ")
        let left = max(0, (value.number() ?? 0) - now.nanoseconds) / 100_000_000
        text.append(number: left / 10)
        text.append(text: ".")
        text.append(number: left % 10)
        text.append(text: " s left")
      case let position:
        text.append(text: " ")
        if position == nil {
          text.append(text: key)
          text.append(text: " ")
        }
        text.append(text: value)
      }
    }
  }

  /// Splits off a text in quotes; ours hold escapes only for what a person need not see exactly.
  private static func quoted(_ rest: inout ByteView) -> ByteView {
    rest = rest.dropping(1)
    var length = 0
    while length < rest.count, rest[length] != UInt8(ascii: "\"") { length += rest[length] == UInt8(ascii: "\\") ? 2 : 1 }
    defer { rest = rest.dropping(length + 1) }
    return rest.prefix(length)
  }

  /// `stopBegan` as `stop began`.
  private static func appendWords(_ name: ByteView, to text: inout [UInt8]) {
    for byte in name.buffer {
      let isCapital = byte &- UInt8(ascii: "A") < 26
      if isCapital { text.append(byte: UInt8(ascii: " ")) }
      text.append(byte: isCapital ? byte | 0x20 : byte)
    }
  }
}
