import CLinux

/// An open file descriptor. It is a number: whoever opened it says when it is closed.
public struct Descriptor: Equatable, Hashable, Sendable {
  /// The descriptor's number.
  public let number: Int32

  /// The descriptor of that number.
  public init(number: Int32) { self.number = number }

  /// Standard input, output and error.
  public static let input = Descriptor(number: 0)
  public static let output = Descriptor(number: 1)
  public static let error = Descriptor(number: 2)

  /// Closes it; a failure to close tells nothing that could be acted on.
  public func close() { _ = CLinux.close(number) }

  /// Reads at most `count` bytes; none at the end of a file.
  public func read(_ count: Int) throws(SystemError) -> [UInt8] {
    var buffer = [UInt8](repeating: 0, count: count)
    let length = try check(buffer.withUnsafeMutableBytes { lc_read(number, $0.baseAddress, UInt(count)) })
    buffer.removeLast(count - length)
    return buffer
  }

  /// Writes all of it, waiting where it must; a short write on a non-blocking descriptor throws `wouldBlock`.
  public func write(_ bytes: [UInt8]) throws(SystemError) {
    var done = 0
    while done < bytes.count {
      let result = bytes.withUnsafeBytes { lc_write(number, $0.baseAddress?.advanced(by: done), UInt(bytes.count - done)) }
      if result == -Int(EINTR) { continue }
      done += try check(result)
    }
  }

  /// Sends what a socket takes at once.
  /// - Returns: how many bytes it took.
  public func send(_ bytes: ArraySlice<UInt8>) throws(SystemError) -> Int {
    try check(bytes.withUnsafeBytes { lc_send(number, $0.baseAddress, UInt($0.count)) })
  }

  /// Receives what a socket has, at most `count` bytes; none when the peer has ended.
  public func receive(_ count: Int) throws(SystemError) -> [UInt8] {
    var buffer = [UInt8](repeating: 0, count: count)
    let length = try check(buffer.withUnsafeMutableBytes { lc_receive(number, $0.baseAddress, UInt(count)) })
    buffer.removeLast(count - length)
    return buffer
  }

  /// Whether an exec closes it.
  public func setCloseOnExec(_ on: Bool) throws(SystemError) { _ = try check(lc_set_cloexec(number, on ? 1 : 0)) }

  /// Whether reads and writes fail rather than wait. The flag belongs to the open file: all who share it see it.
  public func setNonBlocking(_ on: Bool) throws(SystemError) { _ = try check(lc_set_nonblocking(number, on ? 1 : 0)) }

  /// A close-on-exec copy with a number of at least `least`.
  public func duplicate(above least: Int32) throws(SystemError) -> Descriptor {
    Descriptor(number: Int32(try check(lc_duplicate_above(number, least))))
  }

  /// Takes the exclusive lock of flock(2) without waiting.
  /// - Returns: false when another holds it.
  public func lock() throws(SystemError) -> Bool {
    let result = lc_flock(number, lc_lock_exclusive_now())
    if result == -Int(EWOULDBLOCK) { return false }
    _ = try check(result)
    return true
  }

  /// A pipe, close-on-exec at both ends.
  public static func pipe() throws(SystemError) -> (read: Descriptor, write: Descriptor) {
    var ends: (Int32, Int32) = (-1, -1)
    let result = withUnsafeMutablePointer(to: &ends) { pointer in
      pointer.withMemoryRebound(to: Int32.self, capacity: 2) { lc_pipe($0) }
    }
    _ = try check(result)
    return (Descriptor(number: ends.0), Descriptor(number: ends.1))
  }
}
