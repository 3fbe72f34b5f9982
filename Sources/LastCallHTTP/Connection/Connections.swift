import NIOConcurrencyHelpers
import NIOCore

/// The connections of a server: how many there are in which state, how their requests ended, and their drain.
///
/// It is shared by the handlers of all connections. A lock that an event loop seldom shares is taken twice per request, and nothing is
/// allocated for it unless there is a ``RequestObserver``.
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
    /// Requests that were ended by this side before their response was written, also by a handler that failed, since the start.
    public var requestsCut = 0
    /// Requests whose client went away or sent what cannot be read, since the start.
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

  /// A connection's place, from its begin on.
  struct Place: Sendable {
    var id: ConnectionID
    var shard: ConnectionShard
  }

  private struct State {
    var lastNumber: UInt64 = 0
    /// The loops that have been seen, by the order of their first connection.
    var loops: [ObjectIdentifier: Int] = [:]
  }

  private static let shardCount = 16

  /// How long the parts of a connection's end may take.
  public let limits: DrainLimits
  let drainLimits: ConnectionDrain.Limits
  private let observer: (any RequestObserver)?
  private let shards: [ConnectionShard]
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
    shards = (0..<Self.shardCount).map { _ in ConnectionShard(onStateChange: onStateChange) }
  }

  /// The numbers of this moment.
  public var counts: Counts { sum(shards[...]) }

  /// With all shards locked: a client that sees one request ended before it sends another must find them in that order.
  private func sum(_ rest: ArraySlice<ConnectionShard>) -> Counts {
    guard let first = rest.first else { return Counts() }
    return first.whileLocked { sum(rest.dropFirst()) + $0 }
  }

  /// Begins the drain of every connection, those that come later included. Again, it does nothing.
  public func drain() { tell(.drain) }

  /// Ends every connection at once, those that come later included; their requests count as cut.
  public func cut() { tell(.cut) }

  /// Whether connections are kept for further requests, as Go's `SetKeepAlivesEnabled`: when not, every response says close and
  /// connections that are idle end after ``DrainLimits/linger``.
  public func setKeepAlive(_ keeps: Bool) {
    for shard in shards {
      for channel in shard.setKeepAlive(keeps) { channel.pipeline.fireUserInboundEventTriggered(ConnectionKeepAlive(keeps: keeps)) }
    }
  }

  private func tell(_ command: ConnectionCommand) {
    for shard in shards {
      for channel in shard.tell(command) { channel.pipeline.fireUserInboundEventTriggered(command) }
    }
  }

  /// A connection begins: its number, and the shard that knows it from now on.
  func place(_ channel: any Channel) -> Place {
    let loop = ObjectIdentifier(channel.eventLoop)
    return state.withLockedValue { state in
      state.lastNumber += 1
      let index = state.loops[loop] ?? state.loops.count
      state.loops[loop] = index
      return Place(id: ConnectionID(number: state.lastNumber), shard: shards[index % shards.count])
    }
  }

  /// The name is only made when somebody wants it.
  func observe(_ name: () -> String) -> (any RequestHandle)? { observer?.requestBegan(name()) }
}

extension Connections.Counts {
  fileprivate static func + (left: Self, right: Self) -> Self {
    var sum = left
    for number in [
      \.new, \.active, \.idle, \.hijacked, \.requestsInFlight, \.requestsCompleted, \.requestsCut, \.requestsAbandoned, \.connectionsCut,
    ] as [WritableKeyPath<Self, Int>] {
      sum[keyPath: number] += right[keyPath: number]
    }
    return sum
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
