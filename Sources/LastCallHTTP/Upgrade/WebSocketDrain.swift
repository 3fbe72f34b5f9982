/// Decides how a WebSocket connection ends when the server stops (RFC 6455 section 5.5.1). It does no I/O.
///
/// The client is told by a Close frame 1001, "going away"; nothing follows that frame from this side. When the client's Close has come
/// the connection is ended from this side, as section 7.1.1 wants it.
///
/// A message that crosses the Close is lost, since it may not be answered any more. So the Close goes out behind the answer to the
/// client's next message, in the same flush, when that message comes soon; a client that says nothing is told after a moment.
struct WebSocketDrain: Sendable, Equatable {
  /// A frame, as far as it matters here.
  enum Frame: Sendable, Equatable {
    case close
    /// Text, binary, or the last continuation of one: the end of a message.
    case data
    /// A part of a message that is not its last.
    case fragment
    /// Ping or pong.
    case control
  }

  /// What happened.
  enum Event: Sendable, Equatable {
    /// The server stops.
    case drain
    /// The client has sent a frame.
    case received(Frame)
    /// A frame of the program behind is sent with the next flush.
    case wrote(Frame)
    /// What was to be waited for has taken too long.
    case deadline
    /// The client has ended its side.
    case inputClosed
  }

  /// What to do about it.
  enum Action: Sendable, Equatable {
    /// Send ``Event/deadline`` when a client that says nothing has had its moment.
    case awaitMessage
    /// Send ``Event/deadline`` when a program that owes an answer has had its time.
    case awaitAnswer
    /// Send a Close frame with status 1001.
    case sendClose
    /// Everything is said: end the connection.
    case finish
  }

  private var draining = false
  private var sentClose = false
  private var receivedClose = false
  private var awaitsAnswer = false
  /// Messages of the client that are likely to be answered yet.
  private var unanswered = 0

  mutating func handle(_ event: Event) -> Action? {
    switch event {
    case .drain:
      guard !draining else { return nil }
      draining = true
      guard !sentClose else { return receivedClose ? .finish : nil }
      // The program behind answers the client's Close itself; a bound is set to that by the connection's drain.
      guard !receivedClose else { return nil }
      return .awaitMessage
    case .deadline:
      guard draining, !sentClose, !receivedClose else { return nil }
      if unanswered > 0, !awaitsAnswer {
        awaitsAnswer = true
        return .awaitAnswer
      }
      sentClose = true
      return .sendClose
    case .wrote(.data):
      unanswered = max(0, unanswered - 1)
      guard draining, unanswered == 0, !sentClose, !receivedClose else { return nil }
      sentClose = true
      return .sendClose
    case .received(.data):
      unanswered += 1
      return nil
    case .received(.close):
      receivedClose = true
      return draining && sentClose ? .finish : nil
    case .inputClosed: return draining ? .finish : nil
    case .received, .wrote: return nil
    }
  }

  /// Whether a frame of the program behind may be sent.
  mutating func mayWrite(_ frame: Frame) -> Bool {
    guard !sentClose else { return frame == .control && !receivedClose }
    sentClose = frame == .close
    return true
  }
}
