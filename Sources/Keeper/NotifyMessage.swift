import StopPlan

/// What a program says of itself by sd_notify(3): newline-separated assignments in one datagram.
struct NotifyMessage: Equatable {
  var isReady = false
  var isStopping = false
  var status: [UInt8]?

  init(_ datagram: [UInt8]) {
    for line in datagram.split(separator: UInt8(ascii: "\n")) {
      if equals(line, "READY=1") { isReady = true }
      if equals(line, "STOPPING=1") { isStopping = true }
      if line.count >= 7, equals(line.prefix(7), "STATUS=") { status = Array(line.dropFirst(7).prefix(512)) }
    }
  }
}

private func equals(_ text: ArraySlice<UInt8>, _ literal: StaticString) -> Bool {
  guard text.count == literal.utf8CodeUnitCount else { return false }
  for offset in 0..<text.count where text[text.startIndex + offset] != literal.utf8Start[offset] { return false }
  return true
}
