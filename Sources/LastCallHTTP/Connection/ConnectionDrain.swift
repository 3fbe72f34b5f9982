/// Decides what one HTTP/1.1 connection does while the server stops, so that no request is lost on it.
///
/// - A response whose head is still to be written says `Connection: close`; the connection ends after it.
/// - An idle connection lingers: a request that was already on its way is answered. Closing it at once would lose that request.
/// - A connection that has not brought its first request, or is in the middle of a head, gets time for it.
/// - Requests pipelined behind one in flight are taken for as long as an idle connection lingers, so that the pipeline has an end.
/// - A connection is ended by a FIN first; what the client still sends is read and thrown away for a while.
///   close(2) with unread bytes would send an RST, which can destroy a response the client has not read (RFC 9112 section 9.6).
/// - A connection that was handed over to another protocol is that protocol's; it is told, and bounded where it must be.
///
/// Times are nanoseconds of one monotonic clock. It does no I/O.
struct ConnectionDrain: Sendable, Equatable {
  /// How long things may take, in nanoseconds; the meaning is that of ``DrainLimits``.
  struct Limits: Sendable, Equatable {
    var linger: UInt64
    var request: UInt64
    var readOff: UInt64
    var lastLook: UInt64
    var upgraded: UInt64

    init(_ limits: DrainLimits = DrainLimits()) {
      linger = limits.linger.boundedNanoseconds
      request = limits.request.boundedNanoseconds
      readOff = limits.readOff.boundedNanoseconds
      lastLook = limits.lastLook.boundedNanoseconds
      upgraded = limits.upgraded.boundedNanoseconds
    }
  }

  /// What happened on the connection.
  enum Event: Sendable, Equatable {
    /// The server stops.
    case drain
    /// Whether connections are kept for further requests. Off ends those that are idle.
    case keepAlive(Bool)
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
    /// Another protocol takes over; `bounded` when it must end in time once it was told.
    case handedOver(bounded: Bool)
    /// The protocol that took over has sent its last word.
    case finish
    /// The client has ended its side.
    case inputClosed
    /// The time that `deadline` named has come.
    case deadline
  }

  /// What to do about it.
  enum Action: Sendable, Equatable {
    /// Add `Connection: close` to the response head.
    case announceClose
    /// Do not hand this request on; the response before it says close.
    case refuseRequest
    /// Tell the protocol that took over that the server stops.
    case tellSuccessor
    /// Send a FIN; from now on throw away what comes.
    case closeOutput
    /// Close the connection.
    case close
  }

  private enum Phase: Equatable {
    case open
    /// A response that says `Connection: close` is being written.
    case lastResponse
    /// Another protocol has the connection.
    case handedOver
    /// The FIN is sent.
    case readingOff
    case closed
  }

  private let limits: Limits
  private var phase = Phase.open
  private var keepsAlive = true
  private var answeredOne = false
  private var headBegun = false
  private var clientCloses = false
  private var inputEnded = false
  private var lookedAgain = false
  private var successorIsBounded = false
  /// Requests whose response has no head yet.
  private var unanswered = 0
  /// Until when requests behind others are taken; set by the drain.
  private var pipelineEnd: UInt64 = .max

  /// Whether the server stops.
  private(set) var draining = false
  /// Requests whose response has not ended.
  private(set) var inFlight = 0
  /// Responses that have ended and wait to be taken by the kernel: the client may be slow, and nothing is cut short for that.
  private(set) var unflushed = 0
  /// When `Event.deadline` is due; nil when nothing is waited for.
  private(set) var deadline: UInt64?

  init(limits: Limits = Limits()) {
    self.limits = limits
  }

  /// Whether bytes that come are no longer anybody's: the client was told that no further request is answered.
  var discardsInput: Bool { phase == .readingOff || phase == .closed }

  /// Whether further requests are no longer handed on.
  var refusesRequests: Bool { phase != .open }

  /// - Parameter time: is only looked at when something depends on it: requests of a server that goes on need none.
  mutating func handle(_ event: Event, at time: @autoclosure () -> UInt64) -> [Action] {
    let now = needsTime(event) ? time() : 0
    switch event {
    case .drain: return beginDrain(now)
    case .keepAlive(let keeps): keepAlive(keeps, now)
    case .bytes: noteBytes(now)
    case .requestHead(let closes): return beginRequest(closes, now)
    case .responseHead(let closes): return announce(closes)
    case .responseEnd: endResponse()
    case .flushed: return endFlush(now)
    case .handedOver(let bounded): handOver(bounded, now)
    case .finish:
      guard phase == .handedOver else { return [] }
      return endOutput(now)
    case .inputClosed: return endInput(now)
    case .deadline: return expire(now)
    }
    return []
  }

  private func needsTime(_ event: Event) -> Bool {
    guard !draining, keepsAlive, phase == .open, !inputEnded else { return true }
    return switch event {
    case .bytes, .requestHead, .responseHead, .responseEnd, .flushed: false
    case .drain, .keepAlive, .handedOver, .finish, .inputClosed, .deadline: true
    }
  }

  private mutating func beginDrain(_ now: UInt64) -> [Action] {
    guard !draining else { return [] }
    draining = true
    pipelineEnd = now + limits.linger
    switch phase {
    case .open where isIdle: deadline = now + (headBegun || !answeredOne ? limits.request : limits.linger)
    case .handedOver:
      if successorIsBounded { deadline = now + limits.upgraded }
      return [.tellSuccessor]
    default: break
    }
    return []
  }

  private mutating func keepAlive(_ keeps: Bool, _ now: UInt64) {
    guard keeps != keepsAlive else { return }
    keepsAlive = keeps
    guard !draining, phase == .open, isIdle, answeredOne, !headBegun else { return }
    deadline = keeps ? nil : now + limits.linger
  }

  private mutating func noteBytes(_ now: UInt64) {
    guard phase == .open, inFlight == 0, !headBegun else { return }
    headBegun = true
    lookedAgain = false
    // Only the first bytes of a head buy time: a client that sends one byte now and then does not hold the stop up.
    guard unflushed == 0, draining || (!keepsAlive && answeredOne) else { return }
    deadline = answeredOne ? now + limits.request : max(deadline ?? 0, now + limits.linger)
  }

  private mutating func beginRequest(_ closes: Bool, _ now: UInt64) -> [Action] {
    // Behind a response that is still to be begun, which will say close: the client knows then that this was not handled.
    guard phase == .open, now < pipelineEnd || unanswered == 0 else { return [.refuseRequest] }
    inFlight += 1
    unanswered += 1
    headBegun = false
    lookedAgain = false
    clientCloses = clientCloses || closes
    deadline = nil
    return []
  }

  /// With several requests pipelined only the last response may say close: those before it would take the others with them.
  private mutating func announce(_ closes: Bool) -> [Action] {
    unanswered = max(0, unanswered - 1)
    guard phase == .open else { return [] }
    if closes {
      phase = .lastResponse
      return []
    }
    guard draining || clientCloses || !keepsAlive, inFlight <= 1 else { return [] }
    phase = .lastResponse
    return [.announceClose]
  }

  private mutating func endResponse() {
    inFlight = max(0, inFlight - 1)
    unflushed += 1
    answeredOne = true
  }

  private mutating func endFlush(_ now: UInt64) -> [Action] {
    unflushed = max(0, unflushed - 1)
    guard isIdle else { return [] }
    switch phase {
    case .lastResponse: return endOutput(now)
    case .open where inputEnded:
      phase = .closed
      deadline = nil
      return [.close]
    case .open where draining || !keepsAlive: deadline = now + (headBegun ? limits.request : limits.linger)
    default: break
    }
    return []
  }

  private var isIdle: Bool { inFlight == 0 && unflushed == 0 }

  private mutating func handOver(_ bounded: Bool, _ now: UInt64) {
    guard phase == .open else { return }
    phase = .handedOver
    successorIsBounded = bounded
    inFlight = 0
    unflushed = 0
    deadline = draining && bounded ? now + limits.upgraded : nil
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
    guard phase == .readingOff || (phase == .open && isIdle) else { return [] }
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
    case .handedOver: return endOutput(now)
    case .readingOff:
      phase = .closed
      return [.close]
    case .lastResponse, .closed: return []
    }
  }
}
