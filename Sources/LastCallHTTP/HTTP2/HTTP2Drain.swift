/// Decides how one HTTP/2 connection ends (RFC 9113 section 6.8). It does no I/O.
///
/// First a GOAWAY with the greatest stream identifier, which refuses nothing, and a PING behind it. What the client had sent before it
/// knew of the stop has come when the PING is acknowledged; then a GOAWAY with the last stream that came. A client that never
/// acknowledges is not waited for. The streams in flight end, then the connection.
///
/// Times are nanoseconds of one monotonic clock.
struct HTTP2Drain: Sendable, Equatable {
  /// What happened on the connection.
  enum Event: Sendable, Equatable {
    /// The server stops.
    case drain
    /// The client has opened a stream.
    case streamOpened(Int)
    /// A stream has ended.
    case streamClosed
    /// The PING was acknowledged.
    case pingAcknowledged
    /// The client has ended its side.
    case inputClosed
    /// The time that `deadline` named has come.
    case deadline
  }

  /// What to do about it.
  enum Action: Sendable, Equatable {
    /// Send GOAWAY with the greatest identifier, then a PING.
    case announce
    /// Send GOAWAY with this identifier; NIOHTTP2 then refuses streams above it.
    case conclude(lastStream: Int)
    /// Everything is said: end the connection.
    case finish
  }

  private enum Phase: Equatable {
    case open
    case announced
    case concluded
    case finished
  }

  private let ackLimit: UInt64
  private var phase = Phase.open
  private var lastStream = 0
  private var inputEnded = false

  /// Streams that have not ended.
  private(set) var streams = 0
  /// When `Event.deadline` is due; nil when nothing is waited for.
  private(set) var deadline: UInt64?

  init(ackLimit: UInt64) {
    self.ackLimit = ackLimit
  }

  mutating func handle(_ event: Event, at now: UInt64) -> [Action] {
    switch event {
    case .drain:
      guard phase == .open else { return [] }
      // Who has ended its side sends no acknowledgement any more.
      if inputEnded { return conclude() }
      phase = .announced
      deadline = now + ackLimit
      return [.announce]
    case .streamOpened(let id):
      streams += 1
      // Streams above the last one named never come here; if one did, the name is not made higher (RFC 9113 section 6.8).
      if phase == .open || phase == .announced { lastStream = max(lastStream, id) }
      return []
    case .streamClosed:
      streams = max(0, streams - 1)
      return finishIfDone()
    case .pingAcknowledged: return phase == .announced ? conclude() : []
    case .inputClosed:
      guard !inputEnded else { return [] }
      inputEnded = true
      return phase == .announced ? conclude() : finishIfDone()
    case .deadline:
      guard let due = deadline, due <= now else { return [] }
      return phase == .announced ? conclude() : []
    }
  }

  private mutating func conclude() -> [Action] {
    phase = .concluded
    deadline = nil
    return [.conclude(lastStream: lastStream)] + finishIfDone()
  }

  private mutating func finishIfDone() -> [Action] {
    guard streams == 0, phase == .concluded || (inputEnded && phase == .open) else { return [] }
    phase = .finished
    return [.finish]
  }
}
