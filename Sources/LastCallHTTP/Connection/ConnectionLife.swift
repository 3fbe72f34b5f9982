/// Derives the sequence of states of one connection. It does no I/O.
///
/// The sequences are those of Go's net/http (`TestServerConnState`): a request that could not be read was active all the same, and a
/// connection whose last response said close is never idle again.
struct ConnectionLife: Sendable, Equatable {
  /// What happened.
  enum Event: Sendable, Equatable {
    /// Bytes came that may be a request.
    case bytes
    /// A request, or the response to something that was none, is there.
    case busy
    /// All that was asked is answered; `reused` when more may be asked.
    case quiet(reused: Bool)
    /// Another protocol has taken over.
    case handedOver
    /// The connection has ended.
    case closed
  }

  /// At most two states that were entered, in order; a value instead of an array because each request makes two of them.
  struct Changes: Sendable, Equatable {
    var first: ConnectionState?
    var second: ConnectionState?

    static let none = Changes()
  }

  private(set) var state = ConnectionState.new
  private var headBegun = false

  mutating func handle(_ event: Event) -> Changes {
    switch (event, state) {
    case (_, .hijacked), (_, .closed): return .none
    case (.bytes, .new), (.bytes, .idle):
      headBegun = true
      return .none
    case (.busy, .new), (.busy, .idle):
      headBegun = false
      return enter(.active)
    case (.quiet(reused: true), .active): return enter(.idle)
    case (.handedOver, _): return enter(.hijacked)
    case (.closed, _):
      let wasAsked = headBegun && state != .active
      state = .closed
      return wasAsked ? Changes(first: .active, second: .closed) : Changes(first: .closed)
    default: return .none
    }
  }

  private mutating func enter(_ next: ConnectionState) -> Changes {
    state = next
    return Changes(first: next)
  }
}
