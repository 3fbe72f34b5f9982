import NIOCore
import Synchronization

/// The connections of the server, and how many of them have a request in flight.
final class Connections: Sendable {
  private struct State {
    var draining = false
    var running: [ObjectIdentifier: any Channel] = [:]
    var busy = 0
  }

  let limits: ConnectionDrain.Limits
  private let state = Mutex(State())

  init(limits: ConnectionDrain.Limits) {
    self.limits = limits
  }

  /// The connection reads from now on; says whether the server stops already.
  func began(_ channel: any Channel) -> Bool {
    let id = ObjectIdentifier(channel)
    let draining = state.withLock { state in
      state.running[id] = channel
      return state.draining
    }
    channel.closeFuture.whenComplete { _ in
      self.state.withLock { $0.running[id] = nil }
    }
    return draining
  }

  /// A connection has got a request in flight, or has none any more.
  func busy(_ isBusy: Bool) {
    state.withLock { $0.busy += isBusy ? 1 : -1 }
  }

  /// Connections with a request in flight.
  var busyCount: Int { state.withLock { $0.busy } }

  /// All connections.
  var count: Int { state.withLock { $0.running.count } }

  /// Begins the drain of every connection, those that come later included.
  func drain() {
    let running = state.withLock { state in
      state.draining = true
      return Array(state.running.values)
    }
    for channel in running { channel.pipeline.fireUserInboundEventTriggered(StopConnection()) }
  }
}
