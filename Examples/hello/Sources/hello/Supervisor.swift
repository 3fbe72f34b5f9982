import Glibc

/// What is told to whoever started the program (sd_notify(3)).
struct Supervisor: Sendable {
  private let address: [UInt8]?

  /// Reads NOTIFY_SOCKET: a path, or a name after `@` in the abstract namespace.
  init() {
    let path = variable("NOTIFY_SOCKET").map { Array($0.utf8) }
    // unix(7): sun_path has 108 bytes; a path ends in a zero byte, an abstract name begins with one.
    guard var bytes = path, bytes.count < 108, bytes.first == UInt8(ascii: "/") || bytes.first == UInt8(ascii: "@") else {
      address = nil
      return
    }
    if bytes[0] == UInt8(ascii: "@") { bytes[0] = 0 }
    address = bytes
  }

  /// Sends one message, lines of `NAME=VALUE`; false when somebody was to be told and could not be.
  @discardableResult
  func tell(_ message: String) -> Bool {
    guard let address else { return true }
    let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    var remote = sockaddr_un()
    remote.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &remote.sun_path) { $0.copyBytes(from: address) }
    let isPath = address.first != 0
    let length = socklen_t(MemoryLayout<sa_family_t>.size + address.count + (isPath ? 1 : 0))
    let bytes = Array(message.utf8)
    let sent = withUnsafePointer(to: &remote) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), $0, length)
      }
    }
    return sent == bytes.count
  }
}

/// An environment variable; nil when it is unset or empty.
func variable(_ name: String) -> String? {
  guard let value = getenv(name) else { return nil }
  let text = String(cString: value)
  return text.isEmpty ? nil : text
}
