import CLinux
import CListener
import Foundation
import Linux
import StopPlan

/// A TCP socket that is bound and listens, to be inherited. Closing it is for whoever made it.
struct ListeningSocket: Sendable {
  let descriptor: Descriptor
  let host: String
  let port: Int

  /// Listens at an IP address and a port; port 0 takes any free one.
  init(host: String, port: Int) throws(EngineError) {
    self.host = host
    self.port = port
    var hints = addrinfo()
    hints.ai_flags = AI_NUMERICHOST | AI_PASSIVE
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var found: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(host, String(port), &hints, &found) == 0, let address = found else {
      throw EngineError("\(host) is not an IP address to listen at")
    }
    defer { freeaddrinfo(address) }
    let number = socket(address.pointee.ai_family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard number >= 0 else { throw EngineError("cannot make a socket: \(SystemError(code: errno))") }
    descriptor = Descriptor(number: number)
    var on: Int32 = 1
    setsockopt(number, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
    guard bind(number, address.pointee.ai_addr, address.pointee.ai_addrlen) == 0, listen(number, 4096) == 0 else {
      let reason = SystemError(code: errno)
      let isTaken = errno == EADDRINUSE
      descriptor.close()
      let remedy = isTaken ? "another program listens there; stop it (ss -ltnp shows it), or change the port" : "change host or port"
      throw EngineError("cannot listen on \(host):\(port): \(reason); \(remedy)")
    }
  }

  /// A socket that was listened on before; nil when it is none that listens at that port.
  init?(_ descriptor: Descriptor, host: String, port: Int) {
    var listens: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    guard getsockopt(descriptor.number, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) == 0, listens == 1 else { return nil }
    var address = sockaddr_storage()
    length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let bound: UInt16? = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        guard getsockname(descriptor.number, $0, &length) == 0 else { return nil }
        return $0.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { UInt16(bigEndian: $0.pointee.sin6_port) }
      }
    }
    // sin_port and sin6_port are at the same place (ip(7), ipv6(7)).
    guard let bound, Int(bound) == port else { return nil }
    self.descriptor = descriptor
    self.host = host
    self.port = port
  }

  /// Takes no new connection, and waits until those that are queued were accepted by whoever still does: the last close of a
  /// listener resets what is in its queue.
  ///
  /// - Parameter limit: how long; nobody may be there to accept.
  func drainQueue(by limit: Instant) async {
    guard lc_take_no_more(descriptor.number) == 0 else { return }
    while lc_queued(descriptor.number) > 0, Clock.now < limit {
      try? await TaskThreads.sleep(.milliseconds(2))
    }
  }
}
