import Foundation
import Glibc

/// A failed test connection.
package struct SocketError: Error, CustomStringConvertible {
  package let description: String

  package init(_ what: String) {
    description = "\(what): \(String(cString: strerror(errno)))"
  }
}

/// A blocking stream socket. Reads and writes give up after ten minutes, so a test fails rather than hangs.
package final class Socket: @unchecked Sendable {
  package let descriptor: CInt
  private var buffer: [UInt8] = []
  private var isClosed = false

  package init(adopting descriptor: CInt) {
    self.descriptor = descriptor
    var limit = timeval(tv_sec: 600, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
  }

  deinit { close() }

  package static func connect(port: Int, receiveBuffer: CInt? = nil) throws -> Socket {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    if var receiveBuffer { setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receiveBuffer, socklen_t(MemoryLayout<CInt>.size)) }
    let connected = Socket(adopting: descriptor)
    var address = loopback(port)
    guard withSockaddr(&address, { Glibc.connect(descriptor, $0, $1) }) == 0 else { throw SocketError("connect to \(port)") }
    return connected
  }

  /// Connects to an IPv4 or IPv6 address.
  package static func connect(host: String, port: Int) throws -> Socket {
    var v6 = sockaddr_in6()
    guard inet_pton(AF_INET6, host, &v6.sin6_addr) == 1 else {
      let connected = Socket(adopting: socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0))
      var v4 = loopback(port)
      guard inet_pton(AF_INET, host, &v4.sin_addr) == 1, withSockaddr(&v4, { Glibc.connect(connected.descriptor, $0, $1) }) == 0
      else { throw SocketError("connect to \(host):\(port)") }
      return connected
    }
    v6.sin6_family = sa_family_t(AF_INET6)
    v6.sin6_port = UInt16(port).bigEndian
    let connected = Socket(adopting: socket(AF_INET6, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0))
    guard withSockaddr(&v6, { Glibc.connect(connected.descriptor, $0, $1) }) == 0 else { throw SocketError("connect to \(host)") }
    return connected
  }

  package static func connect(path: String) throws -> Socket {
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    let connected = Socket(adopting: descriptor)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
    guard withSockaddr(&address, { Glibc.connect(descriptor, $0, $1) }) == 0 else { throw SocketError("connect to \(path)") }
    return connected
  }

  /// A TCP socket on loopback that is bound but does not listen, and its port: connecting to it is refused.
  package static func bound() throws -> (descriptor: CInt, port: Int) {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var address = loopback(0)
    guard withSockaddr(&address, { bind(descriptor, $0, $1) }) == 0 else { throw SocketError("bind") }
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    _ = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) }
    }
    return (descriptor, Int(UInt16(bigEndian: address.sin_port)))
  }

  /// A listening TCP socket on loopback and its port.
  package static func listening() throws -> (descriptor: CInt, port: Int) {
    let (descriptor, port) = try bound()
    guard listen(descriptor, 512) == 0 else { throw SocketError("listen") }
    return (descriptor, port)
  }

  private static func loopback(_ port: Int) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    return address
  }

  package func send(_ text: String) throws { try send(Array(text.utf8)) }

  package func send(_ bytes: [UInt8]) throws {
    var sent = 0
    while sent < bytes.count {
      let count = bytes[sent...].withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      guard count > 0 else { throw SocketError("send") }
      sent += count
    }
  }

  /// Sends what the kernel takes now; the count, or nil when it takes nothing.
  package func sendNow(_ bytes: [UInt8]) -> Int? {
    let count = bytes.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)) }
    return count > 0 ? count : nil
  }

  /// Reads more; false at the end of file.
  private func fill() throws -> Bool {
    var piece = [UInt8](repeating: 0, count: 65536)
    let count = piece.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, 0) }
    guard count >= 0 else { throw SocketError("receive") }
    buffer += piece[..<count]
    return count > 0
  }

  package func read(_ count: Int) throws -> [UInt8] {
    while buffer.count < count {
      guard try fill() else { throw SocketError("the end came after \(buffer.count) of \(count) octets") }
    }
    defer { buffer.removeFirst(count) }
    return Array(buffer[..<count])
  }

  /// Reads to and with a mark.
  package func read(through mark: String) throws -> String {
    let pattern = Array(mark.utf8)
    while true {
      if buffer.count >= pattern.count {
        for start in 0...(buffer.count - pattern.count) where buffer[start..<start + pattern.count].elementsEqual(pattern) {
          let end = start + pattern.count
          defer { buffer.removeFirst(end) }
          return String(decoding: buffer[..<end], as: UTF8.self)
        }
      }
      guard try fill() else { throw SocketError("the end came before \(mark.debugDescription), after \(buffer.count) octets") }
    }
  }

  /// Reads until the peer's FIN; throws on a reset.
  package func readToEnd() throws -> [UInt8] {
    while try fill() {}
    defer { buffer = [] }
    return buffer
  }

  /// Waits for octets; false when the end of file comes instead.
  package func hasMore() throws -> Bool { try !buffer.isEmpty || fill() }

  package func shutdownOutput() { shutdown(descriptor, Int32(SHUT_WR)) }

  /// Closes with a reset.
  package func reset() {
    var now = linger(l_onoff: 1, l_linger: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
    close()
  }

  package func close() {
    if isClosed { return }
    isClosed = true
    _ = Glibc.close(descriptor)
  }
}

private func withSockaddr<Address>(_ address: inout Address, _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt) -> CInt {
  withUnsafePointer(to: &address) { pointer in
    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<Address>.size)) }
  }
}

/// Runs what blocks on a thread of its own.
package func blocking<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
  try await withCheckedThrowingContinuation { continuation in
    Thread.detachNewThread { continuation.resume(with: Result(catching: body)) }
  }
}

/// A message as a test sees it.
package struct Message: Sendable {
  package var start: String
  package var fields: [(name: String, value: String)]
  package var body: [UInt8] = []

  /// The values of a field; the name in lower case.
  package subscript(_ name: String) -> [String] { fields.filter { $0.name == name }.map(\.value) }

  package var text: String { String(decoding: body, as: UTF8.self) }
  package var status: Int { Int(start.split(separator: " ").dropFirst().first ?? "") ?? 0 }
}

extension Socket {
  package func readHead() throws -> Message {
    let lines = try read(through: "\r\n\r\n").split(separator: "\r\n")
    let fields = lines.dropFirst().map { line in
      let parts = line.split(separator: ":", maxSplits: 1)
      return (name: parts[0].lowercased(), value: parts.count > 1 ? parts[1].trimmingCharacters(in: .whitespaces) : "")
    }
    return Message(start: String(lines.first ?? ""), fields: fields)
  }

  /// Reads a message whose body is framed by its head; without framing it has none, or, for a response, the rest.
  package func readMessage(isResponse: Bool, hasNoBody: Bool = false) throws -> Message {
    var message = try readHead()
    if hasNoBody || [204, 304].contains(message.status) { return message }
    if message["transfer-encoding"] == ["chunked"] {
      while true {
        let line = try read(through: "\r\n").split(separator: ";")[0].trimmingCharacters(in: .whitespacesAndNewlines)
        guard let size = Int(line, radix: 16) else { throw SocketError("chunk size \(line)") }
        if size == 0 { break }
        message.body += try read(size)
        _ = try read(2)
      }
      while try read(through: "\r\n") != "\r\n" {}
    } else if let length = message["content-length"].first.flatMap({ Int($0) }) {
      message.body = try read(length)
    } else if isResponse {
      message.body = try readToEnd()
    }
    return message
  }

  package func response(hasNoBody: Bool = false) throws -> Message { try readMessage(isResponse: true, hasNoBody: hasNoBody) }

  package func request() throws -> Message { try readMessage(isResponse: false) }
}

/// An address of this machine that hardly anybody else has: a port of it that was closed is not soon somebody else's.
package func ownLoopbackAddress() -> String {
  "127.\(UInt8.random(in: 1...254)).\(UInt8.random(in: 1...254)).\(UInt8.random(in: 1...254))"
}
