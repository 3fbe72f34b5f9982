import CLinux
import Linux
import StopPlan

/// The listening sockets that a keeper holds for its program, sent over its control socket (SCM_RIGHTS, unix(7)).
enum KeeperListeners {
  /// How long a keeper may take to answer.
  private static let patience = TimeSpan.seconds(5)

  /// Asks a keeper, at an engine's start, when nobody else waits for us.
  /// - Parameter path: the keeper's control socket.
  /// - Returns: all that it holds, ours to close; empty when there is none, or it does not answer.
  static func fetch(_ path: String) -> [Descriptor] {
    guard let socket = try? UnixSocket.connect(to: Path(string: path)) else { return [] }
    defer { socket.close() }
    guard (try? socket.send(Array("listeners\n".utf8))) != nil else { return [] }
    let limit = Clock.now + patience
    var found: [Descriptor] = []
    // The first line is the greeting.
    var lines = 0
    while lines < 2, Clock.now < limit {
      var entry = pollfd(fd: socket.number, events: Int16(POLLIN), revents: 0)
      _ = lc_poll(&entry, 1, max(0, (limit - Clock.now).nanoseconds))
      do throws(SystemError) {
        let message = try UnixSocket.receive(socket, limit: 4096)
        found += message.descriptors
        if message.bytes.isEmpty { break }
        lines += message.bytes.count { $0 == UInt8(ascii: "\n") }
      } catch {
        if error != .wouldBlock { break }
      }
    }
    return found
  }
}
