import Foundation

/// Where an app is reached, and how connections come to its replicas.
public struct Listen: Equatable, Codable, Sendable {
  /// How connections come to the replicas.
  public enum Via: String, CaseIterable, Codable, Sendable {
    /// The replicas inherit the listener and accept from one queue (`LISTEN_FDS`, sd_listen_fds(3)).
    case socket
    /// lastcall's proxy accepts and passes on; each replica has a port of its own, `$PORT`. The default.
    case proxy
  }

  /// The IP address, 127.0.0.1 unless written: what is to be reached from outside says so with 0.0.0.0 or ::.
  public var host: String
  /// The TCP port, 1…65535.
  public var port: Int
  /// How connections come to the replicas.
  public var via: Via

  /// A listener.
  public init(host: String = "127.0.0.1", port: Int, via: Via = .proxy) {
    self.host = host
    self.port = port
    self.via = via
  }

  /// What a replica's texts may refer to under this listener. Its pid is not known before it runs.
  var replicaVariables: Set<ReplicaVariable> { setVariables.subtracting([.listenPID]) }

  /// What lastcall sets in the environment of a replica under this listener.
  var setVariables: Set<ReplicaVariable> {
    switch via {
    case .proxy: [.port]
    case .socket: [.listenFDs, .listenPID, .listenFDNames]
    }
  }

  /// Whether both cannot be bound at once: the same port, and the same address or one that means all.
  func collides(with other: Listen) -> Bool {
    let wildcards = ["0.0.0.0", "::"]
    return port == other.port && (host == other.host || wildcards.contains(host) || wildcards.contains(other.host))
  }
}

extension Listen {
  /// Reads what is there; the port must be.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    host = try container.value(.host, or: "127.0.0.1")
    port = try container.decode(Int.self, forKey: .port)
    via = try container.value(.via, or: .proxy)
  }
}

extension AppReader {
  /// Reads `listen`.
  mutating func readListen(_ field: Field) -> Listen? {
    let expected = "a mapping such as { port: 8080, via: proxy }"
    guard let fields = reader.fields(field, expected: expected, ListenKey.self) else { return nil }
    let host = fields[.host].flatMap { readHost($0) }
    let via = fields[.via].flatMap { readVia($0) }
    guard let portField = fields[.port] else {
      if fields.lacks(.port) { reader.report("expected a port, as in { port: 8080 }", at: field) }
      return nil
    }
    guard let port = reader.whole(portField, in: 1...65_535) else { return nil }
    return Listen(host: host ?? "127.0.0.1", port: port, via: via ?? .proxy)
  }

  private mutating func readVia(_ field: Field) -> Listen.Via? {
    if case .scalar(let scalar) = field.node.value, scalar.text == "haproxy" {
      reader.report("\"haproxy\" is not supported by this version of lastcall; write socket or proxy", at: field)
      return nil
    }
    return reader.word(field)
  }

  private mutating func readHost(_ field: Field) -> String? {
    let expected = "an IP address such as 127.0.0.1, 0.0.0.0 or ::1"
    guard let text = reader.text(field, expected: expected) else { return nil }
    guard let address = canonicalAddress(text) else {
      reader.report(expected: expected, at: field)
      return nil
    }
    return address
  }
}

/// The one way to write an IP address (inet_ntop(3)), so that equal addresses are equal texts; nil when it is none.
private func canonicalAddress(_ text: String) -> String? {
  var bytes = [UInt8](repeating: 0, count: 16)
  for family in [AF_INET, AF_INET6] where inet_pton(family, text, &bytes) == 1 {
    var name = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    guard inet_ntop(family, bytes, &name, socklen_t(name.count)) != nil else { return nil }
    return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
  return nil
}
