import CLinux
import StopPlan

/// All signals of a process, taken from their default ways: blocked, and read from a descriptor in their order.
public struct Signals: Sendable {
  /// One signal that came.
  public struct Arrival: Equatable, Sendable {
    /// Which.
    public var signal: Signal
    /// What sigqueue(3) attached to it.
    public var value: Int?
    /// Whether the kernel's terminal driver sent it, as for Ctrl-C (si_code SI_KERNEL; sigaction(2)).
    public var fromTerminal: Bool
    /// The sender's pid, 0 when it is in no namespace of ours.
    public var sender: Int32
  }

  /// Readable when a signal is there.
  public let descriptor: Descriptor
  /// The mask that was in force, which programs that are started get back.
  public let inheritedMask: sigset_t
  /// Whether SIGCHLD was ignored, which programs that are started get back.
  public let childrenWereIgnored: Bool

  /// Blocks every signal but the faults and opens the descriptor. From here on none is lost.
  public init() throws(SystemError) {
    var mask = sigset_t()
    descriptor = Descriptor(number: Int32(try check(lc_take_signals(&mask))))
    inheritedMask = mask
    childrenWereIgnored = lc_stop_ignoring_children() != 0
  }

  /// The next signal, or nil when none is there.
  public func next() -> Arrival? {
    var info = signalfd_siginfo()
    let size = MemoryLayout<signalfd_siginfo>.size
    while true {
      let count = lc_read(descriptor.number, &info, UInt(size))
      if count == -Int(EINTR) { continue }
      guard count == size, let signal = Signal(number: Int32(bitPattern: info.ssi_signo)) else { return nil }
      let isQueued = info.ssi_code == SI_QUEUE
      return Arrival(
        signal: signal, value: isQueued ? Int(bitPattern: UInt(info.ssi_ptr)) : nil, fromTerminal: info.ssi_code == lc_si_kernel(),
        sender: Int32(bitPattern: info.ssi_pid))
    }
  }
}
