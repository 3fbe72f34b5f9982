import NIOConcurrencyHelpers
import NIOCore

/// The connections of a server: how many there are in which state, how their requests ended, and their drain.
///
/// It is shared by the handlers of all connections. One lock is taken twice per request and nothing is allocated for it, unless there
/// is a ``RequestObserver``.
public final class Connections: Sendable {
  /// Numbers of one moment.
  public struct Counts: Sendable, Hashable {
    /// Connections that have not brought a request.
    public var new = 0
    /// Connections with a request in flight.
    public var active = 0
    /// Connections between requests.
    public var idle = 0
    /// Connections that another protocol has.
    public var hijacked = 0
    /// Requests whose response is not written whole.
    public var requestsInFlight = 0
    /// Requests whose response the kernel has taken whole, since the start.
    public var requestsCompleted = 0
    /// Requests that were ended by this side, since the start.
    public var requestsCut = 0
    /// Requests whose client went away, since the start.
    public var requestsAbandoned = 0

    /// Connections that were there when everything was cut.
    public var connectionsCut = 0

    /// All connections that are not closed.
    public var connections: Int { new + active + idle + hijacked }

    subscript(state: ConnectionState) -> Int {
      get {
        switch state {
        case .new: new
        case .active: active
        case .idle: idle
        case .hijacked: hijacked
        case .closed: 0
        }
      }
      set {
        switch state {
        case .new: new = newValue
        case .active: active = newValue
        case .idle: idle = newValue
        case .hijacked: hijacked = newValue
        case .closed: break
        }
      }
    }
  }

  /// What a connection is told when it begins.
  struct Beginning: Sendable {
    var id: ConnectionID
    var command: ConnectionCommand?
    var keepsAlive: Bool
  }

  private struct State {
    var command: ConnectionCommand?
    var keepsAlive = true
    var lastNumber: UInt64 = 0
    var running: [ConnectionID: any Channel] = [:]
    var counts = Counts()
  }

  /// How long the parts of a connection's end may take.
  public let limits: DrainLimits
  let drainLimits: ConnectionDrain.Limits
  private let observer: (any RequestObserver)?
  private let onStateChange: (@Sendable (ConnectionID, ConnectionState) -> Void)?
  private let state = NIOLockedValueBox(State())

  /// No connections yet.
  ///
  /// - Parameters:
  ///   - limits: How long the parts of a connection's end may take.
  ///   - observer: Is told of every request; nil costs nothing.
  ///   - onStateChange: Called on the connection's event loop for each state it enters, so it must not block.
  public init(
    limits: DrainLimits = DrainLimits(), observer: (any RequestObserver)? = nil,
    onStateChange: (@Sendable (ConnectionID, ConnectionState) -> Void)? = nil
  ) {
    self.limits = limits
    drainLimits = ConnectionDrain.Limits(limits)
    self.observer = observer
    self.onStateChange = onStateChange
  }

  /// The numbers of this moment.
  public var counts: Counts { state.withLockedValue { $0.counts } }

  /// Begins the drain of every connection, those that come later included. Again, it does nothing.
  public func drain() { tell(.drain) }

  /// Ends every connection at once, those that come later included; their requests count as cut.
  public func cut() { tell(.cut) }

  /// Whether connections are kept for further requests, as Go's `SetKeepAlivesEnabled`: when not, every response says close and
  /// connections that are idle end after ``DrainLimits/linger``.
  public func setKeepAlive(_ keeps: Bool) {
    let running = state.withLockedValue { state in
      state.keepsAlive = keeps
      return Array(state.running.values)
    }
    for channel in running { channel.pipeline.fireUserInboundEventTriggered(ConnectionKeepAlive(keeps: keeps)) }
  }

  private func tell(_ command: ConnectionCommand) {
    let running: [any Channel] = state.withLockedValue { state in
      guard command.isAfter(state.command) else { return [] }
      state.command = command
      if command == .cut { state.counts.connectionsCut = state.running.count }
      return Array(state.running.values)
    }
    for channel in running { channel.pipeline.fireUserInboundEventTriggered(command) }
  }

  /// The connection reads from now on.
  func began(_ channel: any Channel) -> Beginning {
    let beginning = state.withLockedValue { state in
      state.lastNumber += 1
      let id = ConnectionID(number: state.lastNumber)
      state.running[id] = channel
      state.counts.new += 1
      return Beginning(id: id, command: state.command, keepsAlive: state.keepsAlive)
    }
    onStateChange?(beginning.id, .new)
    return beginning
  }

  /// The name is only made when somebody wants it.
  func observe(_ name: () -> String) -> (any RequestHandle)? { observer?.requestBegan(name()) }

  /// One change of a connection, of its requests, or of both.
  func changed(
    _ id: ConnectionID?, from old: ConnectionState, _ changes: ConnectionLife.Changes, began: Int = 0, ended: RequestOutcome? = nil
  ) {
    let last = changes.second ?? changes.first
    guard last != nil || began != 0 || ended != nil else { return }
    state.withLockedValue { state in
      state.counts.requestsInFlight += began
      if let ended { state.counts.end(ended) }
      guard let last, let id else { return }
      state.counts[old] -= 1
      state.counts[last] += 1
      if last == .closed { state.running[id] = nil }
    }
    guard let onStateChange, let id else { return }
    if let state = changes.first { onStateChange(id, state) }
    if let state = changes.second { onStateChange(id, state) }
  }

  /// A handed over connection has ended; nothing is reported after hijacked.
  func forget(_ id: ConnectionID) {
    state.withLockedValue { state in
      guard state.running.removeValue(forKey: id) != nil else { return }
      state.counts.hijacked -= 1
    }
  }
}

extension Connections.Counts {
  fileprivate mutating func end(_ outcome: RequestOutcome) {
    requestsInFlight -= 1
    switch outcome {
    case .completed: requestsCompleted += 1
    case .cut: requestsCut += 1
    case .abandoned: requestsAbandoned += 1
    }
  }
}

/// Sent through the pipeline of every connection.
enum ConnectionCommand: Sendable {
  case drain
  case cut

  func isAfter(_ other: ConnectionCommand?) -> Bool { other == nil || (self == .cut && other == .drain) }
}

/// Sent through the pipeline of every connection.
struct ConnectionKeepAlive: Sendable {
  var keeps: Bool
}
