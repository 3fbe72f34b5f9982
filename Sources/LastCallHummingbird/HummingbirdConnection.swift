import HummingbirdCore
import LastCallHTTP
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTP2
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import NIOHTTPTypesHTTP2
import NIOWebSocket

/// A connection of a ``HummingbirdService``.
///
/// Hummingbird's `HTTP1Channel` builds its pipeline in one piece, with no place for an upgrade; so it is built here, of the same parts,
/// and `HTTP1Channel` serves it.
struct HummingbirdConnection: ConnectionPipeline {
  typealias Stream = NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>

  typealias WebSocket = NIOAsyncChannel<WebSocketFrame, WebSocketFrame>

  /// HTTP/1.1, or what its first request asked for.
  enum FirstRequest: Sendable {
    case http1(Stream)
    case webSocket(WebSocket, @Sendable (WebSocket) async throws -> Void)
  }

  /// What the first bytes have decided.
  enum Decided: Sendable {
    case http1(Stream)
    case http2(NIOHTTP2Handler.AsyncStreamMultiplexer<Stream>)
    case upgradable(EventLoopFuture<FirstRequest>)
  }

  enum Value: Sendable {
    case decided(Decided)
    case undecided(EventLoopFuture<Decided>)
  }

  /// Makes the decoder's type known to the runtime before two event loops need it at once: with Swift 6.3.1 about one start in 300 under
  /// load crashed in `swift_conformsToProtocol`, which met the half-made class on the other loop.
  private static let decoder: Void = { _ = ByteToMessageHandler(RenewableDecoder(limits: .init())) }()

  let http: HTTP1Channel
  let takesHTTP2: Bool
  let webSocket: WebSocketUpgrade?
  let logger: Logger

  init(http: HTTP1Channel, takesHTTP2: Bool, webSocket: WebSocketUpgrade?, logger: Logger) {
    Self.decoder
    self.http = http
    self.takesHTTP2 = takesHTTP2
    self.webSocket = webSocket
    self.logger = logger
  }

  func setUp(_ channel: any Channel, drain: DrainHandler) -> EventLoopFuture<Value> {
    guard takesHTTP2 else {
      return channel.eventLoop.makeCompletedFuture { .decided(try setUpHTTP1(channel, drain)) }
    }
    let decided = channel.eventLoop.makePromise(of: Decided.self)
    // A connection that ends before it has said anything.
    channel.closeFuture.whenComplete { _ in decided.fail(ChannelError.inputClosed) }
    closeIfUndecided(decided.futureResult, channel)
    let drain = NIOLoopBound(drain, eventLoop: channel.eventLoop)
    return channel.eventLoop.makeCompletedFuture {
      let preface = HTTP2PrefaceHandler { isHTTP2, channel in
        channel.eventLoop.makeCompletedFuture {
          decided.succeed(isHTTP2 ? try setUpHTTP2(channel, drain.value) : try setUpHTTP1(channel, drain.value))
        }
      }
      try channel.pipeline.syncOperations.addHandler(preface)
      return .undecided(decided.futureResult)
    }
  }

  private func setUpHTTP1(_ channel: any Channel, _ drain: DrainHandler) throws -> Decided {
    let pipeline = channel.pipeline.syncOperations
    var limits = NIOHTTPDecoderLimitConfiguration()
    limits.maxHeaderFieldSize = http.configuration.httpDecoder.maxHeaderFieldSize
    limits.maxHeaderListSize = http.configuration.httpDecoder.maxHeaderListSize
    limits.maxHeaderFieldCount = http.configuration.httpDecoder.maxHeaderFieldCount
    let encoder = HTTPResponseEncoder()
    let requests = RenewableDecoder(limits: limits)
    let decoder = ByteToMessageHandler(requests)
    let messages = HTTP1DrainHandler(drain: drain, upgradeRequestEnded: { requests.hasStopped = true })
    try pipeline.addHandlers(encoder, decoder, messages)
    guard let webSocket else { return .http1(try addResponder(channel, requests)) }
    // Nobody else would answer a first request that is malformed.
    let errors = HTTPServerProtocolErrorHandler()
    let offer = WebSocketOffer(shouldUpgrade: webSocket.shouldUpgrade)
    try pipeline.addHandlers(errors, offer)
    let removed = NIOLoopBound((errors, offer), eventLoop: channel.eventLoop)
    let boundRequests = NIOLoopBound(requests, eventLoop: channel.eventLoop)
    let upgrade = NIOTypedHTTPServerUpgradeHandler(
      httpEncoder: encoder, extraHTTPHandlers: [decoder, messages, errors, offer],
      upgradeConfiguration: NIOTypedHTTPServerUpgradeConfiguration(
        upgraders: [
          webSocket.upgrader(NIOLoopBound(drain, eventLoop: channel.eventLoop), NIOLoopBound(offer, eventLoop: channel.eventLoop))
        ],
        notUpgradingCompletionHandler: { channel in
          let pipeline = channel.pipeline.syncOperations
          let (errors, offer) = removed.value
          pipeline.removeHandler(offer, promise: nil)
          return pipeline.removeHandler(errors).flatMapThrowing { .http1(try addResponder(channel, boundRequests.value)) }
        }))
    try pipeline.addHandler(upgrade)
    closeIfUndecided(upgrade.upgradeResultFuture, channel)
    return .upgradable(upgrade.upgradeResultFuture)
  }

  /// Hummingbird's own bound for idle connections begins with the responder.
  private func closeIfUndecided<Outcome: Sendable>(_ decided: EventLoopFuture<Outcome>, _ channel: any Channel) {
    guard let limit = http.configuration.idleTimeout else { return }
    let timer = channel.eventLoop.scheduleTask(in: limit) { channel.close(promise: nil) }
    decided.whenComplete { _ in timer.cancel() }
  }

  private func addResponder(_ channel: any Channel, _ requests: RenewableDecoder) throws -> Stream {
    let pipeline = channel.pipeline.syncOperations
    try pipeline.addHandler(HTTP1ToHTTPServerCodec(secure: false))
    try pipeline.addHandlers(http.configuration.additionalChannelHandlers())
    try pipeline.addHandler(HTTPConnectionStateHandler(idleTimeout: http.configuration.idleTimeout.map { Duration($0) }, logger: logger))
    requests.isServed = true
    return try Stream(wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
  }

  private func setUpHTTP2(_ channel: any Channel, _ drain: DrainHandler) throws -> Decided {
    let pipeline = channel.pipeline.syncOperations
    let connection = HTTP2DrainHandler(drain: drain, eventLoop: channel.eventLoop, idleTimeout: http.configuration.idleTimeout)
    let drain = NIOLoopBound(drain, eventLoop: channel.eventLoop)
    let multiplexer: NIOHTTP2Handler.AsyncStreamMultiplexer<Stream> = try pipeline.configureAsyncHTTP2Pipeline(
      mode: .server, streamDelegate: connection.streamDelegate
    ) { stream in
      stream.eventLoop.makeCompletedFuture {
        let pipeline = stream.pipeline.syncOperations
        try pipeline.addHandler(HTTP2FramePayloadToHTTPServerCodec())
        try pipeline.addHandler(HTTP2StreamHandler(drain: drain))
        try pipeline.addHandlers(http.configuration.additionalChannelHandlers())
        return try Stream(wrappingChannelSynchronously: stream)
      }
    }
    try pipeline.addHandler(connection)
    return .http2(multiplexer)
  }

  /// Every idle connection keeps this function's frame, so it has none of what only some need.
  func serve(_ value: Value) async {
    switch await protocolOf(value) {
    case .http1(let stream)?: await http.handle(value: stream, logger: logger)
    case .other(let serve)?: await serve()
    case nil: return
    }
  }

  private enum Decision {
    case http1(Stream)
    case other(@Sendable () async -> Void)
  }

  /// Nil for a connection that ended before it had said anything.
  @inline(never)
  private func protocolOf(_ value: Value) async -> Decision? {
    do {
      let decided =
        switch value {
        case .decided(let decided): decided
        case .undecided(let future): try await future.get()
        }
      switch decided {
      case .http1(let stream): return .http1(stream)
      case .http2(let multiplexer): return .other { await serve(multiplexer) }
      case .upgradable(let future):
        switch try await future.get() {
        case .http1(let stream): return .http1(stream)
        case .webSocket(let channel, let body): return .other { await serve(channel, body) }
        }
      }
    } catch {
      logger.debug("a connection ended before its protocol was known: \(error)")
      return nil
    }
  }

  private func serve(_ channel: WebSocket, _ body: @Sendable (WebSocket) async throws -> Void) async {
    do {
      try await body(channel)
    } catch {
      logger.debug("a WebSocket connection ended: \(error)")
    }
    channel.channel.close(promise: nil)
    _ = try? await channel.channel.closeFuture.get()
  }

  private func serve(_ multiplexer: NIOHTTP2Handler.AsyncStreamMultiplexer<Stream>) async {
    do {
      try await withThrowingDiscardingTaskGroup { group in
        for try await stream in multiplexer.inbound {
          group.addTask { await http.handle(value: stream, logger: logger) }
        }
      }
    } catch {
      logger.debug("an HTTP/2 connection ended: \(error)")
    }
  }
}
