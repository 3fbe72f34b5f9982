import CLinux
import Foundation
import Linux
import StopPlan

/// What a program has stored with its keeper (sd_pid_notify_with_fds(3), FDSTORE=1), in copies that are closed with this.
final class Estate: Sendable {
  struct Entry: Sendable {
    var descriptor: Descriptor
    /// Its FDNAME.
    var name: String
    /// Whether it is dropped when its other end is gone (FDPOLL=1).
    var isPolled: Bool
  }

  let entries: [Entry]

  init(_ entries: [Entry]) { self.entries = entries }

  deinit { for entry in entries { entry.descriptor.close() } }
}

/// The descriptors that a keeper hands over by its control socket (SCM_RIGHTS, unix(7)), in as many replies as they need.
struct KeeperDescriptors {
  /// The listeners that it was started with.
  private(set) var listeners: [Descriptor] = []
  private var stored: [Estate.Entry] = []
  /// Whether all have come.
  private(set) var isWhole = false
  private var text: [UInt8] = []
  private var arrived: [Descriptor] = []

  /// Takes in what has come. Descriptors come with the bytes of the reply that names them, or after earlier ones.
  mutating func take(_ message: UnixSocket.Message) {
    text += message.bytes
    arrived += message.descriptors
    while let end = text.firstIndex(of: UInt8(ascii: "\n")) {
      let line = Data(text[..<end])
      text.removeFirst(end + 1)
      // Events come in between.
      guard let reply = try? JSONDecoder().decode(Reply.self, from: line), reply.reply == "listeners" else { continue }
      sort(reply)
    }
  }

  private mutating func sort(_ reply: Reply) {
    let names = reply.names?.components(separatedBy: ":") ?? []
    let polled = Array((reply.polled ?? "").utf8)
    let count = min(reply.count ?? 0, arrived.count)
    let listening = min(reply.listeners ?? count, count)
    for (index, descriptor) in arrived.prefix(count).enumerated() {
      guard index >= listening else {
        listeners.append(descriptor)
        continue
      }
      let place = index - listening
      stored.append(
        Estate.Entry(
          descriptor: descriptor, name: index < names.count ? names[index] : "stored",
          isPolled: place >= polled.count || polled[place] == UInt8(ascii: "1")))
    }
    arrived.removeFirst(count)
    isWhole = reply.more != true
  }

  /// What the program has stored, for whoever closes it; the rest is closed.
  mutating func takeEstate() -> Estate {
    defer { (listeners, stored, arrived) = ([], [], []) }
    for descriptor in listeners + arrived { descriptor.close() }
    return Estate(stored)
  }

  /// The listeners, ours to close; the rest is closed.
  mutating func takeListeners() -> [Descriptor] {
    defer { (listeners, stored, arrived) = ([], [], []) }
    for descriptor in stored.map(\.descriptor) + arrived { descriptor.close() }
    return listeners
  }

  private struct Reply: Decodable {
    var reply: String?
    var count: Int?
    var listeners: Int?
    var names: String?
    var polled: String?
    var more: Bool?
  }
}

/// Asks a keeper for what it holds.
enum KeeperListeners {
  /// How long a keeper may take to answer.
  private static let patience = TimeSpan.seconds(5)

  /// The listening sockets that it holds for its program, at an engine's start, when nobody else waits for us.
  /// - Parameter path: the keeper's control socket.
  /// - Returns: all of them, ours to close; empty when there is none, or it does not answer.
  static func fetch(_ path: String) -> [Descriptor] {
    var found = ask(path)
    return found.takeListeners()
  }

  /// What its program has stored by now.
  static func estate(_ path: String) async -> Estate {
    await withCheckedContinuation { continuation in
      Thread.detachNewThread {
        var found = ask(path)
        continuation.resume(returning: found.takeEstate())
      }
    }
  }

  private static func ask(_ path: String) -> KeeperDescriptors {
    var found = KeeperDescriptors()
    guard let socket = try? UnixSocket.connect(to: Path(string: path)) else { return found }
    defer { socket.close() }
    guard (try? socket.send(Array("listeners\n".utf8))) != nil else { return found }
    let limit = Clock.now + patience
    while !found.isWhole, Clock.now < limit {
      var entry = pollfd(fd: socket.number, events: Int16(POLLIN), revents: 0)
      _ = lc_poll(&entry, 1, max(0, (limit - Clock.now).nanoseconds))
      do throws(SystemError) {
        let message = try UnixSocket.receive(socket, limit: 4096)
        if message.bytes.isEmpty { break }
        found.take(message)
      } catch {
        if error != .wouldBlock { break }
      }
    }
    return found
  }
}

/// A connection to a keeper that is there for what its program has stored when it ends: that comes with the connection's end. Its keeper waits
/// a moment for it, so that it is made only once something is stored.
actor Custody {
  private var isOver = false
  private var left: Estate?
  private var waiter: CheckedContinuation<Void, Never>?
  private let socket: Descriptor

  private init(_ socket: Descriptor) { self.socket = socket }

  /// Connects to a keeper; nil when there is none.
  static func begin(_ path: String) -> Custody? {
    guard let socket = try? UnixSocket.connect(to: Path(string: path)) else { return nil }
    // Nothing of what has been is wanted again.
    guard (try? socket.send(Array("follow \(Int64.max)\n".utf8))) != nil else {
      socket.close()
      return nil
    }
    let custody = Custody(socket)
    // SwiftNIO takes no descriptors, and a dispatch source would begin libdispatch's pool.
    Thread.detachNewThread {
      let left = receive(socket)
      Task { await custody.ended(left) }
    }
    return custody
  }

  /// Takes what comes, to the connection's end.
  /// - Returns: nil when the keeper has ended before it has taken the connection.
  private static func receive(_ socket: Descriptor) -> Estate? {
    var found = KeeperDescriptors()
    var wasHeard = false
    while true {
      var entry = pollfd(fd: socket.number, events: Int16(POLLIN), revents: 0)
      _ = lc_poll(&entry, 1, -1)
      do throws(SystemError) {
        let message = try UnixSocket.receive(socket, limit: 65_536)
        if message.bytes.isEmpty { break }
        wasHeard = true
        found.take(message)
      } catch {
        if error != .wouldBlock { break }
      }
    }
    return wasHeard ? found.takeEstate() : nil
  }

  private func ended(_ left: Estate?) {
    (isOver, self.left) = (true, left)
    socket.close()
    waiter?.resume()
    waiter = nil
  }

  /// Ends the connection; what has come by it is closed.
  func drop() { if !isOver { shutdown(socket.number, Int32(SHUT_RDWR)) } }

  /// Waits for the end of the connection.
  /// - Returns: what the program had stored; nil when the keeper has ended before it has taken the connection.
  func untilEnded() async -> Estate? {
    if !isOver { await withCheckedContinuation { waiter = $0 } }
    return left
  }
}
