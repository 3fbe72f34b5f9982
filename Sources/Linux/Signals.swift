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
  public let inheritedMask: UInt64
  /// Whether SIGCHLD was ignored, which programs that are started get back.
  public let childrenWereIgnored: Bool

  /// Blocks every signal, in the normal build but the faults, and opens the descriptor. From here on none is lost.
  public init() throws(SystemError) {
    var mask: UInt64 = 0
    descriptor = try Descriptor(lc_take_signals(&mask))
    inheritedMask = mask
    childrenWereIgnored = lc_stop_ignoring_children() != 0
  }

  /// The next signal, or nil when none is there.
  @inline(never)
  public func next() -> Arrival? {
    var arrival = lc_arrival()
    var result = -Int(EINTR)
    while result == -Int(EINTR) { result = lc_next_signal(descriptor.number, &arrival) }
    return result > 0 ? Self.read(arrival) : nil
  }

  /// Waits for the next signal and nothing else, which takes one system call.
  /// - Returns: nil when none came until then.
  @inline(never)
  public func wait(until moment: Instant) -> Arrival? {
    var arrival = lc_arrival()
    let left = moment == .never ? -1 : max(0, (moment - Clock.now).nanoseconds)
    return lc_wait_signal(left, &arrival) > 0 ? Self.read(arrival) : nil
  }

  private static func read(_ arrival: lc_arrival) -> Arrival? {
    guard let signal = Signal(number: arrival.signal) else { return nil }
    return Arrival(
      signal: signal, value: arrival.is_queued != 0 ? arrival.value : nil, fromTerminal: arrival.from_kernel != 0, sender: arrival.sender)
  }
}
