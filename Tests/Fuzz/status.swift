import Linux
import StopPlan

@testable import Keeper

// What a program says of itself by sd_notify(3), as it comes out: in a JSON line, kept for clients, and in a person's words.

func check(_ input: [UInt8]) {
  let message = input.withExactView { datagram -> (isReady: Bool, isStopping: Bool, status: [UInt8]?) in
    let message = NotifyMessage(datagram)
    return (message.isReady, message.isStopping, message.status?.bytes)
  }
  let lines = input.parts(separatedBy: "\n")
  require(message.isReady == lines.contains(Array("READY=1".utf8)), "READY=1 is a line")
  require(message.isStopping == lines.contains(Array("STOPPING=1".utf8)), "STOPPING=1 is a line")
  let said = lines.last { $0.starts(with: Array("STATUS=".utf8)) }.map { Array($0.dropFirst(7).prefix(512)) }
  require(message.status == said, "the last STATUS= counts")
  checkEvent(message.status ?? input)
}

private func checkEvent(_ text: [UInt8]) {
  let line = text.withExactView { text in
    var json = JSONLine()
    json.field("seq", 1)
    json.field("at", wall: 1_795_309_104_000_000_001)
    json.fields(of: KeeperEvent.notifyStatus(text).json)
    json.close()
    return json.bytes
  }
  require(line.suffix(2) == Array("}\n".utf8) && line.dropLast().allSatisfy { $0 >= 0x20 && $0 != 0x7f }, "an event is one line")
  require(Array(line.text.utf8) == line, "an event is UTF-8")
  let escaped = field("status", of: line)
  let meant = unescaped(escaped)
  require(meant != nil, "\(escaped.text) is a JSON string")
  if Array(text.text.utf8) == text { require(meant == text, "the text is what it was") }
  var ring = EventRing()
  ring.keep(line)
  require(ring.lines(after: 0) == line && ring.lines(after: 1) == [], "the event is kept under its number")
  var words: [UInt8] = []
  line.withExactView { Narration.append($0, at: Instant(nanoseconds: 0), to: &words) }
  require(words == Array("notify status status ".utf8) + escaped, "\(words.text) says the status")
}

/// What stands in a field's quotes.
private func field(_ name: String, of line: [UInt8]) -> [UInt8] {
  let key = Array(",\"\(name)\":\"".utf8)
  guard let start = line.indices.first(where: { line[$0...].starts(with: key) }) else { return [] }
  return Array(line[(start + key.count)...].dropLast(3))
}

/// The bytes that a JSON string's inside means (RFC 8259, section 7), or nil when it is none of those that we write.
private func unescaped(_ text: [UInt8]) -> [UInt8]? {
  var bytes: [UInt8] = []
  var rest = text[...]
  while let byte = rest.popFirst() {
    guard byte == UInt8(ascii: "\\") else {
      if byte == UInt8(ascii: "\"") { return nil }
      bytes.append(byte)
      continue
    }
    switch rest.popFirst() {
    case UInt8(ascii: "\""): bytes.append(UInt8(ascii: "\""))
    case UInt8(ascii: "\\"): bytes.append(UInt8(ascii: "\\"))
    case UInt8(ascii: "u"):
      guard rest.count >= 4, let value = UInt32(Array(rest.prefix(4)).text, radix: 16), let scalar = Unicode.Scalar(value) else {
        return nil
      }
      bytes += Array(String(Character(scalar)).utf8)
      rest = rest.dropFirst(4)
    default: return nil
    }
  }
  return bytes
}
