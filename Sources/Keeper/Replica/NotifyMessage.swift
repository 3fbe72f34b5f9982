import StopPlan

/// What a program says of itself by sd_notify(3): newline-separated assignments in one datagram.
struct NotifyMessage {
  var isReady = false
  var isStopping = false
  /// At most 512 bytes of what it says of itself.
  var status: ByteView?

  init(_ datagram: ByteView) {
    var rest = datagram
    while !rest.isEmpty {
      var line = rest.take(before: UInt8(ascii: "\n"))
      if line == "READY=1" { isReady = true }
      if line == "STOPPING=1" { isStopping = true }
      if line.take("STATUS=") { status = line.prefix(512) }
    }
  }
}
