/// How a drain ended.
public struct DrainReport: Sendable, Hashable, CustomStringConvertible {
  /// How long it took.
  public var duration: Duration
  /// Connections when it began.
  public var connections: Int
  /// Requests that ended well during the drain.
  public var requestsCompleted: Int
  /// Requests that were ended by this side before their response was written.
  public var requestsCut: Int
  /// Requests whose client went away during the drain.
  public var requestsAbandoned: Int
  /// Connections that had not ended when everything was cut.
  public var connectionsCut: Int
  /// Handlers that were still running when the server stopped waiting for them.
  public var handlersLeft: Int

  /// Whether nothing was cut and nobody was left behind.
  public var isClean: Bool { connectionsCut == 0 && requestsCut == 0 && handlersLeft == 0 }

  /// For the log.
  public var description: String {
    "drained \(connections) connections in \(duration), \(connectionsCut) of them cut: \(requestsCompleted) requests completed, \(requestsCut) cut, "
      + "\(requestsAbandoned) abandoned by clients, \(handlersLeft) handlers left running"
  }
}
