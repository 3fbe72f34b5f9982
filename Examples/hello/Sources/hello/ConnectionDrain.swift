/// Decides what one HTTP/1.1 connection does while the server stops, so that no request is lost on it.
///
/// - A response whose head is still to be written says `Connection: close`; the connection ends after it.
/// - An idle connection lingers: a request that was already on its way is answered. Closing it at once would lose that request.
/// - A connection that has not brought its first request, or is in the middle of a head, gets time for it.
/// - A connection is ended by a FIN first; what the client still sends is read and thrown away for a while.
///   close(2) with unread bytes would send an RST, which can destroy a response the client has not read (RFC 9112 section 9.6).
///
/// Times are nanoseconds of one monotonic clock. It does no I/O.
struct ConnectionDrain: Sendable, Equatable {
  /// How long things may take, in nanoseconds.
  struct Limits: Sendable, Equatable {
    /// How long an idle connection may bring another request after the drain began or its last response ended.
    var linger: UInt64 = 1_000_000_000
    /// How long a first request, or the rest of a begun head, may take after the drain began.
    var request: UInt64 = 5_000_000_000
    /// How long the client may take to end its side after the FIN.
    var readOff: UInt64 = 2_000_000_000
    /// How long an idle connection is looked at once more before its end: what the kernel has received already is then read.
    var lastLook: UInt64 = 5_000_000
  }

  /// What happened on the connection.
  enum Event: Sendable, Equatable {
    /// The server stops.
    case drain
    /// Bytes came; what they mean follows.
    case bytes
    /// A whole request head came; `closes` when it says `Connection: close`.
    case requestHead(closes: Bool)
    /// The head of a final response is about to be written; `closes` when it says `Connection: close`.
    case responseHead(closes: Bool)
    /// The end of a response is about to be written.
    case responseEnd
    /// All of the response that ended last has been taken by the kernel.
    case flushed
    /// The client has ended its side.
    case inputClosed
    /// The time that `deadline` named has come.
    case deadline
  }

  /// What to do about it.
  enum Action: Sendable, Equatable {
    /// Add `Connection: close` to the response head.
    case announceClose
    /// Send a FIN; from now on throw away what comes.
    case closeOutput
    /// Close the connection.
    case close
  }

  private enum Phase: Equatable {
    case open
    /// A response that says `Connection: close` is being written.
    case lastResponse
    /// The FIN is sent.
    case readingOff
    case closed
  }

  private let limits: Limits
  private var phase = Phase.open
  private var draining = false
  private var answeredOne = false
  private var headBegun = false
  private var clientCloses = false
  private var inputEnded = false
  private var lookedAgain = false

  /// Requests whose response has not ended.
  private(set) var inFlight = 0
  /// When `Event.deadline` is due; nil when nothing is waited for.
  private(set) var deadline: UInt64?

  init(limits: Limits = Limits()) {
    self.limits = limits
  }

  /// Whether bytes that come are no longer anybody's: the client was told that no further request is answered.
  var discardsInput: Bool { phase == .readingOff || phase == .closed }

  /// Whether further requests are no longer handed on.
  var refusesRequests: Bool { phase != .open }

  mutating func handle(_ event: Event, at now: UInt64) -> [Action] {
    switch event {
    case .drain: beginDrain(now)
    case .bytes: noteBytes(now)
    case .requestHead(let closes):
      inFlight += 1
      headBegun = false
      lookedAgain = false
      clientCloses = clientCloses || closes
      deadline = nil
    case .responseHead(let closes): return announce(closes)
    case .responseEnd: endResponse(now)
    case .flushed:
      guard phase == .lastResponse, inFlight == 0 else { return [] }
      return endOutput(now)
    case .inputClosed: return endInput(now)
    case .deadline: return expire(now)
    }
    return []
  }

  private mutating func beginDrain(_ now: UInt64) {
    guard !draining else { return }
    draining = true
    guard phase == .open, inFlight == 0 else { return }
    deadline = now + (headBegun || !answeredOne ? limits.request : limits.linger)
  }

  private mutating func noteBytes(_ now: UInt64) {
    guard phase == .open, inFlight == 0, !headBegun else { return }
    headBegun = true
    lookedAgain = false
    // Only the first bytes of a head buy time: a client that sends one byte now and then does not hold the stop up.
    guard draining else { return }
    deadline = answeredOne ? now + limits.request : max(deadline ?? 0, now + limits.linger)
  }

  /// With several requests pipelined only the last response may say close: those before it would take the others with them.
  private mutating func announce(_ closes: Bool) -> [Action] {
    guard phase == .open else { return [] }
    if closes {
      phase = .lastResponse
      return []
    }
    guard draining || clientCloses, inFlight <= 1 else { return [] }
    phase = .lastResponse
    return [.announceClose]
  }

  private mutating func endResponse(_ now: UInt64) {
    inFlight = max(0, inFlight - 1)
    answeredOne = true
    if phase == .open, draining, inFlight == 0 { deadline = now + limits.linger }
  }

  private mutating func endOutput(_ now: UInt64) -> [Action] {
    if inputEnded {
      phase = .closed
      deadline = nil
      return [.close]
    }
    phase = .readingOff
    deadline = now + limits.readOff
    return [.closeOutput]
  }

  private mutating func endInput(_ now: UInt64) -> [Action] {
    inputEnded = true
    guard phase == .readingOff || (phase == .open && inFlight == 0) else { return [] }
    phase = .closed
    deadline = nil
    return [.close]
  }

  private mutating func expire(_ now: UInt64) -> [Action] {
    guard let due = deadline, due <= now else { return [] }
    deadline = nil
    switch phase {
    case .open:
      guard lookedAgain else {
        lookedAgain = true
        deadline = now + limits.lastLook
        return []
      }
      return endOutput(now)
    case .readingOff:
      phase = .closed
      return [.close]
    case .lastResponse, .closed: return []
    }
  }
}
