/// How a process ended: by its own exit code, or by a signal.
public enum ExitStatus: Equatable, Hashable, Sendable {
  /// It exited with a code, 0 to 255.
  case code(UInt8)
  /// A signal ended it; `core` says whether a core was dumped.
  case signal(Signal, core: Bool)

  /// Decodes the status of wait(2). Returns nil for a status that is not an end (stopped, continued).
  public init?(waitStatus: Int32) {
    let low = waitStatus & 0x7f
    if low == 0 {
      self = .code(UInt8(truncatingIfNeeded: waitStatus >> 8))
    } else if low != 0x7f, let signal = Signal(number: low) {
      self = .signal(signal, core: waitStatus & 0x80 != 0)
    } else {
      return nil
    }
  }

  /// What a shell would report, and what our own process exits with: the code, or 128 plus the signal's number.
  public var shellCode: UInt8 {
    switch self {
    case .code(let code): code
    case .signal(let signal, _): UInt8(truncatingIfNeeded: 128 + signal.number)
    }
  }

  /// Whether it exited by itself with code 0.
  public var isSuccess: Bool { self == .code(0) }
}
