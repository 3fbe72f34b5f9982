import CLinux
import StopPlan

/// An open file descriptor. It is a number: whoever opened it says when it is closed.
public struct Descriptor: Equatable, Hashable, Sendable {
  /// The descriptor's number.
  public let number: Int32

  /// The descriptor of that number.
  public init(number: Int32) { self.number = number }

  init(_ result: Int) throws(SystemError) { number = Int32(truncatingIfNeeded: try check(result)) }

  /// Standard input.
  public static var input: Descriptor { Descriptor(number: 0) }
  /// Standard output.
  public static var output: Descriptor { Descriptor(number: 1) }
  /// Standard error.
  public static var error: Descriptor { Descriptor(number: 2) }

  /// Closes it; a failure to close tells nothing that could be acted on.
  public func close() { _ = lc_close(number) }

  /// Reads what there is into `buffer`, replacing it; at most as much as it has capacity, none at the end of a file.
  @inline(never)
  public func read(into buffer: inout [UInt8], count: Int) throws(SystemError) { try fill(&buffer, count, lc_read) }

  /// Receives what a socket has, as `read`; none when the peer has ended.
  @inline(never)
  public func receive(into buffer: inout [UInt8], count: Int) throws(SystemError) { try fill(&buffer, count, lc_receive) }

  @inline(never)
  private func fill(
    _ buffer: inout [UInt8], _ count: Int, _ call: @convention(c) (Int32, UnsafeMutableRawPointer?, UInt) -> Int
  ) throws(SystemError) {
    var result = -Int(EINTR)
    buffer = [UInt8](unsafeUninitializedCapacity: count) { memory, length in
      while result == -Int(EINTR) { result = call(number, memory.baseAddress, UInt(count)) }
      length = max(0, result)
    }
    try check(result)
  }

  /// Writes all of it, waiting where it must; a short write on a non-blocking descriptor throws `wouldBlock`.
  @inline(never)
  public func write(_ bytes: ByteView) throws(SystemError) {
    var rest = bytes
    while !rest.isEmpty {
      let result = lc_write(number, rest.buffer.baseAddress, UInt(rest.count))
      if result != -Int(EINTR) { rest = rest.dropping(try check(result)) }
    }
  }

  /// Writes all of it; see `write`.
  @inline(never)
  public func write(_ bytes: [UInt8]) throws(SystemError) {
    try bytes.withView { (view) throws(SystemError) in try write(view) }
  }

  /// Sends what a socket takes at once.
  /// - Returns: how many bytes it took.
  @inline(never)
  public func send(_ bytes: [UInt8]) throws(SystemError) -> Int {
    try check(bytes.withView { lc_send(number, $0.buffer.baseAddress, UInt($0.count)) })
  }

  /// Whether an exec closes it.
  public func setCloseOnExec(_ on: Bool) throws(SystemError) { try check(lc_set_cloexec(number, on ? 1 : 0)) }

  /// Whether reads and writes fail rather than wait. The flag belongs to the open file: all who share it see it.
  public func setNonBlocking(_ on: Bool) throws(SystemError) { try check(lc_set_nonblocking(number, on ? 1 : 0)) }

  /// A close-on-exec copy with a number of at least `least`.
  public func duplicate(above least: Int32) throws(SystemError) -> Descriptor { try Descriptor(lc_duplicate_above(number, least)) }

  #if !hasFeature(Embedded)
    /// Makes `other` a close-on-exec copy; what it was is closed.
    func duplicate(onto other: Descriptor) throws(SystemError) { try check(lc_duplicate_onto(number, other.number)) }
  #endif

  /// Takes the exclusive lock of flock(2) without waiting.
  /// - Returns: false when another holds it.
  public func lock() throws(SystemError) -> Bool {
    let result = lc_lock_now(number)
    if result == -Int(EWOULDBLOCK) { return false }
    try check(result)
    return true
  }

  /// A pipe, close-on-exec at both ends.
  @inline(never)
  public static func pipe() throws(SystemError) -> (read: Descriptor, write: Descriptor) {
    var ends: (Int32, Int32) = (-1, -1)
    let result = withUnsafeMutablePointer(to: &ends) { pointer in
      pointer.withMemoryRebound(to: Int32.self, capacity: 2) { lc_pipe($0) }
    }
    try check(result)
    return (Descriptor(number: ends.0), Descriptor(number: ends.1))
  }
}
