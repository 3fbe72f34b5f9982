import CLinux
import StopPlan

/// What a process does about signals, as /proc/PID/status shows it.
public struct SignalDispositions: Equatable, Sendable {
  /// Bit n-1 is set when signal n is ignored.
  public var ignored: UInt64
  /// Bit n-1 is set when signal n is caught.
  public var caught: UInt64

  /// The dispositions of `pid`, or nil when it is gone.
  public init?(pid: Int32) {
    guard let text = try? ProcessTree.file(pid, "/status").read(limit: 8192) else { return nil }
    guard let ignored = Self.mask(after: "SigIgn:\t", in: text), let caught = Self.mask(after: "SigCgt:\t", in: text) else { return nil }
    self.ignored = ignored
    self.caught = caught
  }

  /// Whether the signal is ignored.
  public func ignores(_ signal: Signal) -> Bool { ignored & (1 << UInt64(signal.number - 1)) != 0 }

  private static func mask(after key: StaticString, in text: [UInt8]) -> UInt64? {
    let length = key.utf8CodeUnitCount
    var index = 0
    while index + length + 16 <= text.count {
      var matches = true
      for offset in 0..<length where text[index + offset] != key.utf8Start[offset] {
        matches = false
        break
      }
      if matches { return hexadecimal(text[(index + length)..<(index + length + 16)]) }
      index += 1
    }
    return nil
  }

  private static func hexadecimal(_ digits: ArraySlice<UInt8>) -> UInt64? {
    var value: UInt64 = 0
    for digit in digits {
      switch digit {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): value = value << 4 | UInt64(digit - UInt8(ascii: "0"))
      case UInt8(ascii: "a")...UInt8(ascii: "f"): value = value << 4 | UInt64(digit - UInt8(ascii: "a") + 10)
      default: return nil
      }
    }
    return value
  }
}
