/// Where a replica listens.
public enum ReplicaAddress: Hashable, Sendable, CustomStringConvertible {
  /// An IPv4 or IPv6 literal (without brackets) and a port from 1 to 65535.
  case inet(host: String, port: Int)
  /// The path of a unix stream socket.
  case unix(path: String)

  /// The longest path of a unix socket in octets (unix(7): `sun_path` has 108, one is for the terminating zero).
  public static let longestPath = 107

  /// Reads `127.0.0.1:80`, `[::1]:80`, `/run/web.sock` or `unix:/run/web.sock`; nil for anything else. Names are not resolved.
  public init?(_ text: String) {
    let path = text.hasPrefix("unix:") ? String(text.dropFirst(5)) : text
    if path.hasPrefix("/") {
      guard path.utf8.count <= Self.longestPath, !path.utf8.contains(0) else { return nil }
      self = .unix(path: path)
      return
    }
    guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]), (1...65535).contains(port)
    else { return nil }
    var host = text[..<colon]
    if host.hasPrefix("[") {
      guard host.hasSuffix("]") else { return nil }
      host = host.dropFirst().dropLast()
      guard host.contains(":") else { return nil }
    } else if host.contains(":") {
      return nil
    }
    guard !host.isEmpty else { return nil }
    self = .inet(host: String(host), port: port)
  }

  /// The text that `init` reads.
  public var description: String {
    switch self {
    case .inet(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    case .unix(let path): path
    }
  }
}
