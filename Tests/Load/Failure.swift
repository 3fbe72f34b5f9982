/// What became of a request that did not get its whole, right answer. Every attempt is either ok or in exactly one class.
public enum FailureClass: String, Sendable, CaseIterable, Codable, CodingKeyRepresentable {
  /// Nobody listens: ECONNREFUSED.
  case refused
  /// The connection was not made in time.
  case connectTimeout
  /// The connection ended (RST or EOF) after it was made or reused and before the first byte of the response.
  case resetBeforeResponse
  /// The connection ended (RST or EOF) within the response.
  case cut
  /// No byte moved for the time limit, or the whole exchange took longer than its bound.
  case timeout
  /// A complete response with a status of 500 to 599.
  case status5xx
  /// A complete response with another status than asked for.
  case unexpectedStatus
  /// The response is no valid HTTP/1.1, or is not what was asked for: wrong checksum, wrong length, bytes nobody asked for.
  case badBody
  /// A WebSocket message that was sent before the server's Close frame came, and was not echoed.
  case unanswered
  /// The client itself could not make the attempt: no free port, no descriptor. Such a run proves nothing about the server.
  case localError
}

/// A failure with what is needed to look into it.
public struct FailureSample: Sendable, Codable, Equatable {
  /// Seconds from the start of the run to the failure.
  public var offset: Double
  /// The behaviour of the connection it happened on.
  public var behaviour: Behaviour
  /// The class of the failure.
  public var failure: FailureClass
  /// The errno text or what was wrong with the response, with how far the exchange had come.
  public var detail: String
  /// The client's own port, 0 when there was none yet.
  public var localPort: Int
  /// Whether the connection had carried a request before.
  public var reused: Bool

  /// A sample of these facts.
  public init(
    offset: Double, behaviour: Behaviour, failure: FailureClass, detail: String, localPort: Int, reused: Bool
  ) {
    self.offset = offset
    self.behaviour = behaviour
    self.failure = failure
    self.detail = detail
    self.localPort = localPort
    self.reused = reused
  }
}
