import Wire
import Foundation
import Glibc
import Synchronization

@testable import Ingress

/// A real server: one thread accepts, one serves each connection, as its script says.
final class Backend: Sendable {
  let port: Int
  private let listener: Listener
  private let counts = Mutex((connections: 0, requests: 0))

  /// - Parameter serve: handles one connection, given with its number from 0; it is closed when that returns or throws.
  convenience init(_ serve: @escaping @Sendable (Backend, Socket, Int) throws -> Void) throws {
    let (listener, port) = try Socket.listening()
    self.init(listener, port, serve)
  }

  private init(_ listener: CInt, _ port: Int, _ serve: @escaping @Sendable (Backend, Socket, Int) throws -> Void) {
    self.port = port
    let owner = Listener(listener)
    self.listener = owner
    Thread.detachNewThread { [weak self] in
      defer { owner.close() }
      while let socket = owner.accept(), let self {
        let number = self.counts.withLock { counts in
          defer { counts.connections += 1 }
          return counts.connections
        }
        Thread.detachNewThread {
          try? serve(self, socket, number)
          socket.close()
        }
      }
    }
  }

  deinit { stop() }

  /// A server that keeps connections and answers each request with what `respond` returns, as octets.
  static func http(_ respond: @escaping @Sendable (Message) throws -> String) throws -> Backend {
    let (listener, port) = try Socket.listening()
    return http(listener, port, respond)
  }

  /// The same on a socket that listens already.
  static func http(_ listener: CInt, _ port: Int, _ respond: @escaping @Sendable (Message) throws -> String) -> Backend {
    Backend(listener, port) { backend, socket, _ in
      while try socket.hasMore() {
        let request = try socket.request()
        backend.count()
        try socket.send(try respond(request))
      }
    }
  }

  func count() { counts.withLock { $0.requests += 1 } }

  var connections: Int { counts.withLock { $0.connections } }
  var requests: Int { counts.withLock { $0.requests } }
  var address: ReplicaAddress { .inet(host: "127.0.0.1", port: port) }

  /// Stops listening; connections go on.
  func stop() { listener.stop() }
}

/// A listening descriptor that is closed once, by the thread that accepts on it: its number may be another's at once.
private final class Listener: Sendable {
  private let descriptor: CInt
  private let isClosed = Mutex(false)

  init(_ descriptor: CInt) {
    self.descriptor = descriptor
  }

  /// The next connection, or nil after `stop`.
  func accept() -> Socket? {
    let accepted = Glibc.accept(descriptor, nil, nil)
    guard accepted >= 0, fcntl(accepted, F_SETFD, FD_CLOEXEC) == 0 else { return nil }
    var one: CInt = 1
    setsockopt(accepted, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<CInt>.size))
    return Socket(adopting: accepted)
  }

  func stop() {
    isClosed.withLock { closed in
      if !closed { _ = shutdown(descriptor, Int32(SHUT_RDWR)) }
    }
  }

  func close() {
    isClosed.withLock { closed in
      if !closed { _ = Glibc.close(descriptor) }
      closed = true
    }
  }
}

/// A response with a Content-Length.
func response(_ body: String, _ fields: String = "", status: String = "200 OK") -> String {
  "HTTP/1.1 \(status)\r\nContent-Length: \(body.utf8.count)\r\n\(fields)\r\n\(body)"
}
