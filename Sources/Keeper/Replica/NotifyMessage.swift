import StopPlan

/// What a program says of itself by sd_notify(3): newline-separated assignments in one datagram.
struct NotifyMessage {
  var isReady = false
  var isReloading = false
  /// When it was told to reload, in microseconds of the monotonic clock; 0 when it does not say.
  var monotonic: Int64 = 0
  var isStopping = false
  /// The status, at most 512 bytes of it.
  var status: ByteView?
  /// The errno of a failure.
  var failure: Int64?
  var mainPid: Int64?
  var isAlive = false
  /// Whether it wants to be treated as one that has not said in time that it lives.
  var hasFailed = false
  /// How often it will say that it lives, in microseconds.
  var watchdog: Int64?
  /// How much longer it needs from now on, in microseconds.
  var addition: Int64?
  var stores = false
  var removes = false
  var name: ByteView = ""
  /// Whether a stored descriptor is dropped when its other end is gone.
  var isPolled = true

  init(_ datagram: ByteView) {
    var rest = datagram
    while !rest.isEmpty {
      var value = rest.take(before: UInt8(ascii: "\n"))
      let name = value.take(before: UInt8(ascii: "="))
      switch name.position(
        among:
          """
          READY RELOADING STOPPING STATUS ERRNO MAINPID WATCHDOG WATCHDOG_USEC EXTEND_TIMEOUT_USEC FDSTORE FDSTOREREMOVE FDNAME FDPOLL \
          MONOTONIC_USEC
          """)
      {
      case 0: isReady = value == "1"
      case 1: isReloading = value == "1"
      case 2: isStopping = value == "1"
      case 3: status = value.prefix(512)
      case 4: failure = value.number(limit: 4095)
      case 5: mainPid = value.number(limit: Int64(Int32.max))
      case 6:
        isAlive = value == "1"
        hasFailed = value == "trigger"
      case 7: watchdog = value.number(limit: Self.longest)
      case 8: addition = value.number(limit: Self.longest)
      case 9: stores = value == "1"
      case 10: removes = value == "1"
      case 11: self.name = Self.isName(value) ? value : ""
      case 12: isPolled = !(value == "0")
      case 13: monotonic = value.number() ?? 0
      default: break
      }
    }
  }

  /// A year: what is longer is a mistake.
  private static var longest: Int64 { 31_536_000_000_000 }

  /// As sd_pid_notify_with_fds(3) has it: ASCII without control characters and colons, at most 255 of them.
  private static func isName(_ text: ByteView) -> Bool {
    for byte in text.buffer where byte < 0x20 || byte > 0x7e || byte == UInt8(ascii: ":") { return false }
    return text.count <= 255
  }
}
