import HummingbirdCore
import Logging
import NIOCore
import NIOPosix

/// Serves a Hummingbird responder on a listener it is given.
///
/// Hummingbird's own server binds an address itself and closes idle connections at once when it stops. Its `ServerChildChannel`
/// is public, so its HTTP/1.1 pipeline and its router run on connections from anywhere.
struct Server: Sendable {
  private let http: HTTP1Channel
  private let acceptor: Acceptor
  private let logger: Logger

  /// All connections of this server.
  let connections: Connections

  /// Begins to accept.
  init(
    listener: Listener, responder: @escaping HTTP1Channel.Responder, limits: ConnectionDrain.Limits, logger: Logger
  ) throws(Listener.Failure) {
    http = HTTP1Channel(responder: responder, configuration: .init(idleTimeout: .seconds(75)))
    connections = Connections(limits: limits)
    self.logger = logger
    acceptor = try Acceptor(listener)
  }

  /// Serves connections until the listener is closed and the last of them has ended.
  func run() async {
    await withDiscardingTaskGroup { group in
      for await descriptor in acceptor.accepted {
        group.addTask { await serve(descriptor) }
      }
    }
  }

  /// Stops accepting and begins the drain of all connections.
  func stop() {
    acceptor.stop()
    connections.drain()
  }

  private func serve(_ descriptor: Int32) async {
    do {
      let connection = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .channelOption(.allowRemoteHalfClosure, value: true)
        .channelOption(.socketOption(.tcp_nodelay), value: 1)
        .withConnectedSocket(descriptor, channelInitializer: setUp)
      await http.handle(value: connection, logger: logger)
    } catch {
      logger.debug("a connection ended before it began: \(error)")
    }
  }

  private func setUp(_ channel: any Channel) -> EventLoopFuture<HTTP1Channel.Value> {
    let front = channel.eventLoop.makeCompletedFuture {
      let drain = DrainHandler(connections: connections)
      try channel.pipeline.syncOperations.addHandler(drain)
      return NIOLoopBound(drain, eventLoop: channel.eventLoop)
    }
    return front.flatMap { drain in
      http.setup(channel: channel, logger: logger).flatMapThrowing { connection in
        let pipeline = channel.pipeline.syncOperations
        let state = try pipeline.handler(type: HTTPConnectionStateHandler.self)
        try pipeline.addHandler(HTTPDrainHandler(drain: drain.value), position: .before(state))
        return connection
      }
    }
  }
}
