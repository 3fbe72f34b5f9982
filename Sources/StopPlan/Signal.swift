/// A Linux signal, 1 to 64, by its number on the generic ABI (x86, Arm, RISC-V, POWER, s390).
///
/// Numbers and default actions are those of signal(7).
public struct Signal: Equatable, Hashable, Comparable, Sendable {
  /// In one byte, so that what holds a signal stays small.
  private let byte: UInt8

  /// The number on the generic ABI, 1 to 64.
  public var number: Int32 { Int32(byte) }

  /// The signal with that number, or nil when it is outside 1…64.
  public init?(number: Int32) {
    guard number >= 1, number <= 64 else { return nil }
    byte = UInt8(truncatingIfNeeded: number)
  }

  private init(known number: UInt8) { byte = number }

  /// Terminal gone, or "read your configuration again".
  public static let hup = Signal(known: 1)
  /// Interrupt from the keyboard (Ctrl-C).
  public static let int = Signal(known: 2)
  /// Quit from the keyboard; nginx's graceful stop.
  public static let quit = Signal(known: 3)
  /// Ends a process at once; cannot be caught.
  public static let kill = Signal(known: 9)
  /// User-defined signal 1.
  public static let usr1 = Signal(known: 10)
  /// User-defined signal 2.
  public static let usr2 = Signal(known: 12)
  /// Write to a pipe without readers.
  public static let pipe = Signal(known: 13)
  /// Please stop.
  public static let term = Signal(known: 15)
  /// A child ended, stopped or continued.
  public static let chld = Signal(known: 17)
  /// Continue a stopped process.
  public static let cont = Signal(known: 18)
  /// Stops a process; cannot be caught.
  public static let stop = Signal(known: 19)
  /// Stop from the keyboard (Ctrl-Z).
  public static let tstp = Signal(known: 20)
  /// Read from the terminal by a background process.
  public static let ttin = Signal(known: 21)
  /// Write to the terminal by a background process.
  public static let ttou = Signal(known: 22)
  /// Urgent data on a socket; ignored by default.
  public static let urg = Signal(known: 23)
  /// The terminal's size changed.
  public static let winch = Signal(known: 28)

  /// The first real-time signal a program may use: 34, since the C library's threads keep 32 and 33 (signal(7), nptl(7)).
  public static let realTimeMinimum: Int32 = 34
  /// The last real-time signal.
  public static let realTimeMaximum: Int32 = 64

  /// Whether the signal queues and may carry a value: 32 to 64 (signal(7), "Real-time signals").
  public var isRealTime: Bool { number >= 32 }

  /// Whether a program can catch, block or ignore it; KILL and STOP cannot be.
  public var canBeCaught: Bool { self != .kill && self != .stop }

  /// Whether the kernel sends it for a program's own fault, so that forwarding it would be wrong: ILL, TRAP, ABRT, BUS, FPE, SEGV, SYS.
  public var isFault: Bool {
    switch number {
    case 4, 5, 6, 7, 8, 11, 31: true
    default: false
    }
  }

  /// The lower number first.
  public static func < (lhs: Signal, rhs: Signal) -> Bool { lhs.number < rhs.number }

  /// What happens to a process that does nothing about a signal (signal(7), "Signal dispositions").
  public enum DefaultAction: Equatable, Sendable {
    /// The process ends.
    case terminate
    /// The process ends with a core dump.
    case core
    /// Nothing.
    case ignore
    /// The process stops.
    case stop
    /// A stopped process goes on.
    case `continue`
  }

  /// What happens to a process that does nothing about this signal.
  public var defaultAction: DefaultAction {
    guard number <= 31 else { return .terminate }
    switch SignalTable.action(number) {
    case UInt8(ascii: "C"): return .core
    case UInt8(ascii: "I"): return .ignore
    case UInt8(ascii: "S"): return .stop
    case UInt8(ascii: "R"): return .continue
    default: return .terminate
    }
  }
}

/// A set of signals.
public struct SignalSet: Equatable, Sendable, ExpressibleByArrayLiteral {
  /// Bit n-1 is set when signal n is in it, as in /proc/PID/status.
  public var mask: UInt64

  /// The signals of a mask.
  public init(mask: UInt64) { self.mask = mask }

  /// These signals.
  @inline(__always)
  public init(arrayLiteral signals: Signal...) {
    mask = 0
    for signal in signals { insert(signal) }
  }

  /// Whether the signal is in it.
  public func contains(_ signal: Signal) -> Bool { mask & Self.bit(signal) != 0 }

  /// Adds the signal.
  public mutating func insert(_ signal: Signal) { mask |= Self.bit(signal) }

  private static func bit(_ signal: Signal) -> UInt64 { 1 &<< UInt64(truncatingIfNeeded: signal.number - 1) }
}
