/// What a connection is doing, as Go's `net/http.ConnState` names it.
public enum ConnectionState: Sendable, Hashable, CaseIterable {
  /// Accepted; no request has come yet.
  case new
  /// At least one request is being read or answered.
  case active
  /// Between requests.
  case idle
  /// Handed over to another protocol, such as WebSocket. As in Go nothing is reported after it.
  case hijacked
  /// Ended.
  case closed
}

/// Names one connection of a ``Connections``, for as long as the program runs.
public struct ConnectionID: Sendable, Hashable, Comparable, CustomStringConvertible {
  let number: UInt64

  /// The number of the connection, counted from 1 in the order of acceptance.
  public var description: String { "\(number)" }

  /// The earlier of two connections comes first.
  public static func < (left: ConnectionID, right: ConnectionID) -> Bool { left.number < right.number }
}
