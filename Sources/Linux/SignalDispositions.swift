import StopPlan

/// What a process does about signals, as /proc/PID/status shows it.
public struct SignalDispositions: Equatable, Sendable {
  /// The signals it ignores.
  public var ignored: SignalSet
  /// The signals it catches.
  public var caught: SignalSet

  /// The dispositions of `pid`, or nil when it is gone.
  @inline(never)
  public init?(pid: Int32) {
    ignored = []
    caught = []
    var found = 0
    ProcessTree.read(pid, "status", limit: 16_384).withView { text in
      var rest = text
      while !rest.isEmpty {
        var line = rest.take(before: UInt8(ascii: "\n"))
        if line.take("SigIgn:\t") {
          ignored.mask = Self.hexadecimal(line)
          found += 1
        } else if line.take("SigCgt:\t") {
          caught.mask = Self.hexadecimal(line)
          found += 1
        }
      }
    }
    guard found == 2 else { return nil }
  }

  @inline(never)
  private static func hexadecimal(_ digits: ByteView) -> UInt64 {
    var value: UInt64 = 0
    for index in 0..<digits.count {
      let digit = digits[index]
      value = value << 4 | UInt64(digit <= UInt8(ascii: "9") ? digit & 15 : (digit & 15) + 9)
    }
    return value
  }
}
