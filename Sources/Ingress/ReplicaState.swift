/// The state of a replica as the proxy sees it.
public enum ReplicaState: String, Sendable, Codable {
  /// Requests are sent to it.
  case ready
  /// Nothing is sent to it any more; what is in flight ends.
  case draining
  /// Removed; kept only until what it still has in flight has ended.
  case gone
}

/// What the proxy knows of one replica.
public struct ReplicaStatus: Sendable, Codable, Equatable {
  /// The id the replica was added with.
  public var replica: String
  /// Its address, as text.
  public var address: String
  /// Its state.
  public var state: ReplicaState
  /// Requests it was selected for that have not ended; upgraded connections are not among them.
  public var inFlight: Int
  /// Upgraded connections (RFC 9110 §7.8) that are still open.
  public var tunnels: Int
  /// Idle connections to it, kept for further requests.
  public var pooled: Int
  /// Requests that it has answered in full since it was added.
  public var served: Int
  /// Whether the last attempt to connect to it failed.
  public var unreachable: Bool
}

/// What the proxy knows of itself.
public struct IngressStatus: Sendable, Codable, Equatable {
  /// The replicas, in the order in which they were added.
  public var replicas: [ReplicaStatus]
  /// Requests that wait for a replica.
  public var held: Int
  /// Open connections of clients.
  public var connections: Int
  /// Octets that wait to be taken by clients.
  public var buffered: Int
  /// Whether the proxy itself is draining.
  public var draining: Bool
}
