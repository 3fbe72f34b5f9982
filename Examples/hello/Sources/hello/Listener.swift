import Glibc

/// A listening TCP socket: one that was inherited, or an own one.
struct Listener: Sendable {
  /// Why there is none.
  enum Failure: Error, CustomStringConvertible {
    case inherited(Int32, String)
    case address(String)
    case port(String)
    case taken(String, UInt16)
    case system(String, Int32)

    var description: String {
      switch self {
      case .inherited(let descriptor, let reason):
        "descriptor \(descriptor), named by LISTEN_FDS, \(reason); hand over a listening TCP socket or unset LISTEN_FDS"
      case .address(let host): "HOST=\(host) is no IPv4 address; set it to one such as 127.0.0.1"
      case .port(let port): "PORT=\(port) is no port; set it to a number from 1 to 65535"
      case .taken(let host, let port): "port \(port) of \(host) is taken by another program; stop that or set PORT to a free one"
      case .system(let call, let code): "\(call) failed: \(String(cString: strerror(code)))"
      }
    }
  }

  /// The first descriptor that is handed over (sd_listen_fds(3), SD_LISTEN_FDS_START).
  static let firstInherited: Int32 = 3

  let descriptor: Int32
  /// Whether others hold it too, as far as one can know: it was inherited.
  let isShared: Bool
  /// For the log.
  let name: String

  /// Takes the listener from LISTEN_FDS, else binds HOST:PORT. Call it before there are other threads: it changes the environment.
  static func take() throws(Failure) -> Listener {
    if let inherited = try inherit() { return inherited }
    return try bindOwn(host: variable("HOST") ?? "127.0.0.1", port: variable("PORT") ?? "8080")
  }

  private static func inherit() throws(Failure) -> Listener? {
    let count = variable("LISTEN_FDS").flatMap { Int32($0) }
    let names = variable("LISTEN_FDNAMES")
    let isForUs = variable("LISTEN_PID").flatMap { Int32($0) } == getpid()
    for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] { unsetenv(name) }
    guard isForUs, let count, (1...1024).contains(count) else { return nil }
    for descriptor in firstInherited..<(firstInherited + count) {
      guard fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0 else { throw .inherited(descriptor, "is not open") }
    }
    guard option(SO_TYPE) == Int32(SOCK_STREAM.rawValue), option(SO_ACCEPTCONN) == 1 else {
      throw .inherited(firstInherited, "is no listening stream socket")
    }
    let name = names?.split(separator: ":", omittingEmptySubsequences: false).first.map(String.init) ?? "unnamed"
    return Listener(descriptor: firstInherited, isShared: true, name: "inherited listener \(name)")
  }

  private static func bindOwn(host: String, port text: String) throws(Failure) -> Listener {
    guard let port = UInt16(text), port > 0 else { throw .port(text) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    guard inet_pton(AF_INET, host == "localhost" ? "127.0.0.1" : host, &address.sin_addr) == 1 else { throw .address(host) }
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw .system("socket", errno) }
    var one: Int32 = 1
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
    let bound = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
    // With SO_REUSEADDR two may bind as long as none listens: only listen(2) tells for sure.
    guard bound == 0, listen(descriptor, SOMAXCONN) == 0 else {
      let code = errno
      close(descriptor)
      throw code == EADDRINUSE ? .taken(host, port) : .system("bind to \(host):\(port)", code)
    }
    return Listener(descriptor: descriptor, isShared: false, name: "http://\(host):\(port)")
  }

  private static func option(_ name: Int32) -> Int32? {
    var value: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    return getsockopt(firstInherited, SOL_SOCKET, name, &value, &length) == 0 ? value : nil
  }
}

/// An environment variable; nil when it is unset or empty.
func variable(_ name: String) -> String? {
  guard let value = getenv(name) else { return nil }
  let text = String(cString: value)
  return text.isEmpty ? nil : text
}
