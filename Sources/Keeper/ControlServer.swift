import CLinux
import Linux
import StopPlan

/// The keeper's control socket: clients, their half-read lines and what they have not taken yet, all bounded.
struct ControlServer {
  struct Client {
    var descriptor: Descriptor
    var input: [UInt8] = []
    var output: [UInt8] = []
    var follows = false
  }

  static let clientLimit = 16
  static let lineLimit = 8192
  /// A client that lets this much pile up is dropped; it can come back and follow from where it was.
  static let outputLimit = 1 << 20

  let listener: Descriptor
  private(set) var clients: [Client] = []

  /// Listens at `path`, in whose place nothing may be.
  init(at path: Path) throws(SystemError) { listener = try UnixSocket.listen(at: path) }

  /// Takes the connections that wait.
  mutating func accept(greeting: [UInt8]) {
    while let descriptor = UnixSocket.accept(listener) {
      guard clients.count < Self.clientLimit else {
        descriptor.close()
        continue
      }
      clients.append(Client(descriptor: descriptor))
      send(greeting, to: clients.count - 1)
    }
  }

  /// Reads what a client has sent.
  /// - Returns: its whole lines; nil when it is gone.
  mutating func read(_ index: Int) -> [[UInt8]]? {
    var lines: [[UInt8]] = []
    do throws(SystemError) {
      let received = try clients[index].descriptor.receive(4096)
      if received.isEmpty { return nil }
      for byte in received {
        if byte == UInt8(ascii: "\n") {
          lines.append(clients[index].input)
          clients[index].input = []
        } else {
          clients[index].input.append(byte)
          if clients[index].input.count > Self.lineLimit { return nil }
        }
      }
    } catch {
      if error != .wouldBlock { return nil }
    }
    return lines
  }

  mutating func follow(_ index: Int) { clients[index].follows = true }

  /// Sends to a client what it takes and keeps the rest.
  mutating func send(_ bytes: [UInt8], to index: Int) {
    clients[index].output.append(contentsOf: bytes)
    flush(index)
  }

  /// Sends an event to all who follow.
  mutating func broadcast(_ line: [UInt8]) {
    for index in clients.indices where clients[index].follows { send(line, to: index) }
  }

  mutating func flush(_ index: Int) {
    while !clients[index].output.isEmpty {
      guard let count = try? clients[index].descriptor.send(clients[index].output[...]), count > 0 else { break }
      clients[index].output.removeFirst(count)
    }
  }

  mutating func remove(_ index: Int) {
    clients[index].descriptor.close()
    clients.remove(at: index)
  }

  /// Drops clients that do not read.
  mutating func dropStalled() {
    for index in clients.indices.reversed() where clients[index].output.count > Self.outputLimit { remove(index) }
  }
}
