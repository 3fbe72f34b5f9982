import Glibc

/// Nanoseconds of CLOCK_MONOTONIC.
func monotonicNow() -> UInt64 {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

/// A TCP connection to the target. It is closed when it is let go of.
final class ClientSocket {
  /// Why a connection was not made.
  enum ConnectFailure: Error {
    case refused(Int32)
    case reset(Int32)
    case timedOut
    case local(String, Int32)

    var failure: FailureClass {
      switch self {
      case .refused: .refused
      case .reset: .resetBeforeResponse
      case .timedOut: .connectTimeout
      case .local: .localError
      }
    }

    var detail: String {
      switch self {
      case .refused(let code), .reset(let code): "connect: \(errnoText(code))"
      case .timedOut: "connect: not made within the time limit"
      case .local(let call, let code): "\(call): \(errnoText(code))"
      }
    }
  }

  /// What the server did to the connection while no request was under way.
  enum IdleState: Equatable {
    case open
    case closed
    case reset
    /// Bytes nobody asked for, but for a status 408, which a server may send before it closes an idle connection.
    case unsolicited
  }

  private let descriptor: Int32
  /// The client's own port.
  let localPort: Int

  private init(descriptor: Int32, localPort: Int) {
    self.descriptor = descriptor
    self.localPort = localPort
  }

  deinit {
    close(descriptor)
  }

  /// Connects.
  /// - Parameters:
  ///   - target: where to.
  ///   - milliseconds: how long it may take.
  ///   - receiveBuffer: the size of the receive buffer in bytes where a slow reader is meant to hold the server up.
  static func connect(to target: Endpoint, milliseconds: Int32, receiveBuffer: Int32?) throws(ConnectFailure) -> ClientSocket {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
    guard descriptor >= 0 else { throw .local("socket", errno) }
    var keep = false
    defer { if !keep { close(descriptor) } }
    var one: Int32 = 1
    setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
    if var size = receiveBuffer {
      setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
    }
    var remote = sockaddr_in()
    remote.sin_family = sa_family_t(AF_INET)
    remote.sin_port = target.port.bigEndian
    remote.sin_addr.s_addr = target.address
    let result = withSocketAddress(&remote) { Glibc.connect(descriptor, $0, $1) }
    if result != 0 {
      if errno != EINPROGRESS { throw failure(errno) }
      try awaitConnected(descriptor, milliseconds)
    }
    var local = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let named = withSocketAddress(&local) { address, _ in getsockname(descriptor, address, &length) }
    guard named == 0 else { throw .local("getsockname", errno) }
    // A connect to an ephemeral port nobody listens on can meet itself (simultaneous open, RFC 9293 section 3.5).
    if local.sin_port == remote.sin_port, local.sin_addr.s_addr == remote.sin_addr.s_addr { throw .refused(ECONNREFUSED) }
    keep = true
    return ClientSocket(descriptor: descriptor, localPort: Int(UInt16(bigEndian: local.sin_port)))
  }

  private static func awaitConnected(_ descriptor: Int32, _ milliseconds: Int32) throws(ConnectFailure) {
    var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    guard pollOnce(&entry, milliseconds) != 0 else { throw .timedOut }
    var code: Int32 = 0
    var size = socklen_t(MemoryLayout<Int32>.size)
    guard getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size) == 0 else { throw .local("getsockopt", errno) }
    if code != 0 { throw failure(code) }
  }

  private static func failure(_ code: Int32) -> ConnectFailure {
    switch code {
    case ECONNREFUSED: .refused(code)
    case ECONNRESET, EPIPE: .reset(code)
    case ETIMEDOUT: .timedOut
    default: .local("connect", code)
    }
  }

  /// Looks at the idle connection without waiting.
  func idleState() -> IdleState {
    var bytes = [UInt8](repeating: 0, count: 16)
    let count = bytes.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, Int32(MSG_PEEK)) }
    if count == 0 { return .closed }
    if count < 0 { return errno == EAGAIN || errno == EINTR ? .open : .reset }
    let text = String(decoding: bytes.prefix(count), as: UTF8.self)
    return text.hasPrefix("HTTP/1.1 408") || text.hasPrefix("HTTP/1.0 408") ? .closed : .unsolicited
  }

  /// Which of reading and writing can go on.
  struct Readiness {
    var readable = false
    var writable = false
    var isNone: Bool { !readable && !writable }
  }

  /// Waits until bytes (or an end, or an error) can be read, or written if `writing`; none of both after `milliseconds`.
  func wait(writing: Bool, milliseconds: Int32) -> Readiness {
    var entry = pollfd(fd: descriptor, events: Int16(POLLIN) | (writing ? Int16(POLLOUT) : 0), revents: 0)
    guard Self.pollOnce(&entry, milliseconds) != 0 else { return Readiness() }
    let found = Int32(entry.revents)
    return Readiness(readable: found & (POLLIN | POLLHUP | POLLERR) != 0, writable: writing && found & POLLOUT != 0)
  }

  /// Sends what the kernel takes now; nil when that is nothing.
  func send(_ bytes: ArraySlice<UInt8>) -> Exchange.Event? {
    let count = bytes.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    if count >= 0 { return .sent(count) }
    return errno == EAGAIN || errno == EINTR ? nil : .sendFailed(errno)
  }

  /// Reads what is there, at most `limit` bytes; nil when that is nothing.
  func receive(into buffer: inout [UInt8], limit: Int) -> Exchange.Event? {
    let count = buffer.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, min(limit, $0.count), 0) }
    if count > 0 { return .received(buffer[..<count]) }
    if count == 0 { return .endOfStream }
    return errno == EAGAIN || errno == EINTR ? nil : .receiveFailed(errno)
  }

  /// poll(2) on one descriptor, begun anew after a signal; 0 when the time is over.
  private static func pollOnce(_ entry: inout pollfd, _ milliseconds: Int32) -> Int32 {
    let end = monotonicNow() + UInt64(max(0, milliseconds)) * 1_000_000
    while true {
      let now = monotonicNow()
      let left = end > now ? Int32((end - now + 999_999) / 1_000_000) : 0
      let result = poll(&entry, 1, left)
      if result >= 0 || errno != EINTR { return result }
    }
  }

  private static func withSocketAddress<Result>(
    _ address: inout sockaddr_in, _ body: (UnsafeMutablePointer<sockaddr>, socklen_t) -> Result
  ) -> Result {
    withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
  }
}
