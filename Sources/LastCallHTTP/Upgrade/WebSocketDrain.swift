/// Decides how a WebSocket connection ends when the server stops (RFC 6455 section 5.5.1). It does no I/O.
///
/// The client is told by a Close frame 1001, "going away"; nothing follows that frame from this side. When the client's Close has come
/// the connection is ended from this side, as section 7.1.1 wants it.
struct WebSocketDrain: Sendable, Equatable {
  /// A frame, as far as it matters here.
  enum Frame: Sendable, Equatable {
    case close
    /// Text, binary, or a continuation of one.
    case data
    /// Ping or pong.
    case control
  }

  /// What happened.
  enum Event: Sendable, Equatable {
    /// The server stops.
    case drain
    /// The client has sent a frame.
    case received(Frame)
    /// The client has ended its side.
    case inputClosed
  }

  /// What to do about it.
  enum Action: Sendable, Equatable {
    /// Send a Close frame with status 1001.
    case sendClose
    /// Everything is said: end the connection.
    case finish
  }

  private var draining = false
  private var sentClose = false
  private var receivedClose = false

  mutating func handle(_ event: Event) -> Action? {
    switch event {
    case .drain:
      guard !draining else { return nil }
      draining = true
      guard !sentClose else { return receivedClose ? .finish : nil }
      // The program behind answers the client's Close itself; a bound is set to that by the connection's drain.
      guard !receivedClose else { return nil }
      sentClose = true
      return .sendClose
    case .received(.close):
      receivedClose = true
      return draining && sentClose ? .finish : nil
    case .inputClosed: return draining ? .finish : nil
    case .received: return nil
    }
  }

  /// Whether a frame of the program behind may be sent.
  mutating func mayWrite(_ frame: Frame) -> Bool {
    guard !sentClose else { return frame == .control && !receivedClose }
    sentClose = frame == .close
    return true
  }
}
