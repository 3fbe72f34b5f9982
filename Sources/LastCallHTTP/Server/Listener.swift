import Foundation

/// A listening stream socket: one that was inherited, or an own one.
public struct Listener: Sendable {
  /// Why there is none.
  public enum Failure: Error, CustomStringConvertible {
    /// A descriptor that LISTEN_FDS names is of no use; the reason.
    case inherited(Int32, String)
    /// The text is no IPv4 or IPv6 address.
    case address(String)
    /// The path is empty or longer than a socket's path can be.
    case path(String)
    /// Another program listens there.
    case taken(String)
    /// A system call failed; its name and errno.
    case system(String, Int32)

    /// What is wrong and what helps.
    public var description: String {
      switch self {
      case .inherited(let descriptor, let reason):
        "descriptor \(descriptor), named by LISTEN_FDS, \(reason); hand over a listening stream socket or unset LISTEN_FDS"
      case .address(let host): "\(host) is no IPv4 or IPv6 address"
      case .path(let path): "\(path.debugDescription) cannot be the path of a socket; it may have 1 to \(longestPath) bytes"
      case .taken(let name): "\(name) is taken by another program; stop that one or choose another address"
      case .system(let call, let code): "\(call) failed: \(String(cString: strerror(code)))"
      }
    }
  }

  /// The first descriptor that is handed over (sd_listen_fds(3), SD_LISTEN_FDS_START).
  public static let firstInherited: Int32 = 3

  /// The socket. Whoever accepts on it closes it.
  public let descriptor: Int32
  /// Whether others hold it too, as far as one can know: it was inherited.
  public let isShared: Bool
  /// The name in LISTEN_FDNAMES, or the address; for the log.
  public let name: String
  /// The file of an own unix socket; it is removed when the listener is closed.
  let ownPath: String?

  /// Takes all listeners that LISTEN_FDS hands to this process, in order; none when it hands over none. The second time there are none.
  ///
  /// Call it before there are other threads: it removes LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES from the environment.
  public static func inherited() throws(Failure) -> [Listener] {
    let count = variable("LISTEN_FDS").flatMap { Int32($0) }
    let names = variable("LISTEN_FDNAMES")?.split(separator: ":", omittingEmptySubsequences: false) ?? []
    let isForUs = variable("LISTEN_PID").flatMap { Int32($0) } == getpid()
    for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] { unsetenv(name) }
    guard isForUs, let count, (1...1024).contains(count) else { return [] }
    for descriptor in firstInherited..<(firstInherited + count) {
      guard fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0 else { throw .inherited(descriptor, "is not open") }
    }
    var listeners: [Listener] = []
    for (index, descriptor) in (firstInherited..<(firstInherited + count)).enumerated() {
      let name = index < names.count ? String(names[index]) : "unnamed"
      listeners.append(try adopt(descriptor, name: "inherited listener \(name)"))
    }
    return listeners
  }

  /// Takes a listening stream socket that others may hold too.
  public static func adopt(_ descriptor: Int32, name: String) throws(Failure) -> Listener {
    guard option(SO_TYPE, of: descriptor) == streamSocket, option(SO_ACCEPTCONN, of: descriptor) == 1 else {
      throw .inherited(descriptor, "is no listening stream socket")
    }
    return Listener(descriptor: descriptor, isShared: true, name: name, ownPath: nil)
  }

  /// Listens on a TCP port.
  ///
  /// - Parameters:
  ///   - host: An IPv4 or IPv6 address, or `localhost` for 127.0.0.1. `::` takes IPv4 too, where the system is set so.
  ///   - port: The port; 0 for any free one, see ``port``.
  public static func bind(host: String, port: UInt16) throws(Failure) -> Listener {
    var v4 = sockaddr_in()
    v4.sin_family = sa_family_t(AF_INET)
    v4.sin_port = port.bigEndian
    if inet_pton(AF_INET, host == "localhost" ? "127.0.0.1" : host, &v4.sin_addr) == 1 {
      return try bind(&v4, AF_INET, name: "http://\(host):\(port)")
    }
    var v6 = sockaddr_in6()
    v6.sin6_family = sa_family_t(AF_INET6)
    v6.sin6_port = port.bigEndian
    guard inet_pton(AF_INET6, host, &v6.sin6_addr) == 1 else { throw .address(host) }
    return try bind(&v6, AF_INET6, name: "http://[\(host)]:\(port)")
  }

  /// Listens on a unix socket. A file that a program left there when it died is replaced.
  public static func bind(path: String) throws(Failure) -> Listener {
    let bytes = Array(path.utf8)
    guard (1...longestPath).contains(bytes.count), !bytes.contains(0) else { throw .path(path) }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    if isLeftOver(&address) { unlink(path) }
    return try bind(&address, AF_UNIX, name: "unix:\(path)", path: path)
  }

  /// The port it listens on; nil for a unix socket.
  public var port: UInt16? {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    return withUnsafeMutablePointer(to: &storage) { pointer -> UInt16? in
      let isNamed = pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) == 0 }
      guard isNamed else { return nil }
      switch Int32(pointer.pointee.ss_family) {
      case AF_INET: return pointer.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { UInt16(bigEndian: $0.pointee.sin_port) }
      case AF_INET6: return pointer.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { UInt16(bigEndian: $0.pointee.sin6_port) }
      default: return nil
      }
    }
  }

  /// Closes it. Never shutdown(2): it would end the listener of everyone who shares it.
  func release() {
    removeFile()
    close(descriptor)
  }

  /// Nobody finds an own unix socket any more; who is in its queue stays there.
  func removeFile() { if let ownPath { unlink(ownPath) } }

  private static func bind<Address>(
    _ address: inout Address, _ family: Int32, name: String, path: String? = nil
  ) throws(Failure) -> Listener {
    let descriptor = socket(family, newStreamSocket, 0)
    guard descriptor >= 0 else { throw .system("socket", errno) }
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    var one: Int32 = 1
    if path == nil { setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size)) }
    let bound = withSocketAddress(&address) { systemBind(descriptor, $0, $1) }
    // With SO_REUSEADDR two may bind as long as none listens: only listen(2) tells for sure.
    guard bound == 0, listen(descriptor, SOMAXCONN) == 0 else {
      let code = errno
      close(descriptor)
      throw code == EADDRINUSE ? .taken(name) : .system("bind to \(name)", code)
    }
    return Listener(descriptor: descriptor, isShared: false, name: name, ownPath: path)
  }

  /// Whether a socket's file is there and nobody listens on it.
  private static func isLeftOver(_ address: inout sockaddr_un) -> Bool {
    let descriptor = socket(AF_UNIX, newStreamSocket, 0)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    return withSocketAddress(&address) { connect(descriptor, $0, $1) } != 0 && errno == ECONNREFUSED
  }

  private static func option(_ name: Int32, of descriptor: Int32) -> Int32? {
    var value: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    return getsockopt(descriptor, SOL_SOCKET, name, &value, &length) == 0 ? value : nil
  }
}

#if canImport(Glibc) || canImport(Musl)
  private let streamSocket = Int32(SOCK_STREAM.rawValue)
  /// With the flag from the start no child of another thread inherits it.
  private let newStreamSocket = streamSocket | Int32(SOCK_CLOEXEC.rawValue)
#else
  private let streamSocket = SOCK_STREAM
  private let newStreamSocket = streamSocket
#endif

/// unix(7): the path ends in a zero byte.
private let longestPath = MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1

private func systemBind(_ descriptor: Int32, _ address: UnsafePointer<sockaddr>, _ length: socklen_t) -> Int32 {
  bind(descriptor, address, length)
}

private func withSocketAddress<Address>(_ address: inout Address, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
  withUnsafePointer(to: &address) { pointer in
    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<Address>.size)) }
  }
}

/// An environment variable; nil when it is unset or empty.
private func variable(_ name: String) -> String? {
  guard let value = getenv(name) else { return nil }
  let text = String(cString: value)
  return text.isEmpty ? nil : text
}
