/// Several requests written at once on one connection, and their responses in order (RFC 9112 section 9.3.2).
///
/// A response that says `Connection: close` is the last one of its connection (section 9.6): the requests after it were not answered and
/// are the client's to send again. Without that announcement a request of which anything was sent and that has no answer is lost.
struct PipelinedExchange: Conversation {
  /// What became of one request.
  enum Outcome: Sendable, Equatable {
    case ok(Exchange.Answer)
    case lost(FailureClass, String)
    /// Not answered by right: to be sent again on another connection.
    case again
  }

  /// What became of all.
  struct Verdict: Sendable, Equatable {
    /// One for each request, in their order.
    var outcomes: [Outcome]
    /// Whether the last response said that the server closes.
    var announced = false
    /// Whether more may be sent on this connection.
    var reusable = false
    /// Whether the connection was reset before anything was sent on it this time.
    var idleReset = false
  }

  private let request: [UInt8]
  private let count: Int
  private let bytes: [UInt8]
  private let reused: Bool
  private var sent = 0
  private var sendFailed = false
  private var current: Exchange
  private var outcomes: [Outcome] = []

  /// - Parameters:
  ///   - request: the bytes of one request.
  ///   - count: how many of it, 1 or more.
  ///   - reused: whether the connection carried a request before.
  init(request: [UInt8], count: Int, reused: Bool) {
    self.request = request
    self.count = count
    self.reused = reused
    bytes = Array(repeatElement(request, count: count).joined())
    current = Exchange(reused: reused, requestBytes: request.count, expectation: .init(), isPipelined: true)
  }

  var unsent: ArraySlice<UInt8> { sendFailed ? [] : bytes[sent...] }

  mutating func handle(_ event: Exchange.Event) -> Verdict? {
    switch event {
    case .sent(let count):
      let before = sentOfCurrent
      sent += count
      return step(.sent(sentOfCurrent - before))
    case .sendFailed: sendFailed = true
    default: break
    }
    return step(event)
  }

  /// How many bytes of the request whose response is awaited were sent.
  private var sentOfCurrent: Int { min(max(0, sent - outcomes.count * request.count), request.count) }

  private mutating func step(_ event: Exchange.Event) -> Verdict? {
    var event = event
    while true {
      switch current.handle(event) {
      case nil: return nil
      case .idleReset: return Verdict(outcomes: Array(repeating: .again, count: count), idleReset: true)
      case .lost(let failure, let detail): return ended(failure, detail)
      case .ok(let answer):
        outcomes.append(.ok(answer))
        if answer.announcesClose { return rest(.again, announced: true) }
        if !answer.isFramed { return ended(.resetBeforeResponse, "the connection ended the response before") }
        if outcomes.count == count { return Verdict(outcomes: outcomes, reusable: answer.reusable) }
        let excess = current.excess
        current = Exchange(reused: false, requestBytes: request.count, expectation: .init(), isPipelined: true)
        if current.handle(.sent(sentOfCurrent)) != nil || excess.isEmpty { return nil }
        event = .received(excess)
      }
    }
  }

  /// The response that is awaited, if there is one, will not come; nor will those after it.
  private mutating func ended(_ failure: FailureClass, _ detail: String) -> Verdict {
    let answers = outcomes.count
    switch failure {
    case .status5xx, .unexpectedStatus, .badBody:
      // It came whole. The client gives the connection up, so nothing can be said of those after it.
      outcomes.append(.lost(failure, detail))
      return rest(.again)
    default:
      while outcomes.count < count, outcomes.count == 0 || sent > outcomes.count * request.count {
        let number = outcomes.count
        outcomes.append(
          number == answers
            ? .lost(failure, detail)
            : .lost(failure == .timeout ? .timeout : .resetBeforeResponse, "pipelined \(number - answers) behind: \(detail)"))
      }
      return rest(.again)
    }
  }

  private func rest(_ outcome: Outcome, announced: Bool = false) -> Verdict {
    Verdict(outcomes: outcomes + Array(repeating: outcome, count: max(0, count - outcomes.count)), announced: announced)
  }
}
