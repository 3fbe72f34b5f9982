import LastCallHTTP
import NIOCore
import NIOHTTP1
import NIOWebSocket

/// WebSocket endpoints, by NIO's own upgrader: it upgrades the first request of a connection, and no other.
///
/// When the server drains the client is told by a Close frame 1001, which goes with the answer to its next message or comes after
/// `DrainLimits.lastMessage`; nothing that ``serve`` writes after it is sent. The connection ends when the
/// client has answered, or after `DrainLimits.upgraded`.
public struct WebSocketUpgrade: Sendable {
  /// The greatest frame that is taken, in bytes.
  public var maxFrameSize: Int
  /// Whether a request is upgraded: fields to add to the response, or nil for no.
  public var shouldUpgrade: @Sendable (HTTPRequestHead) -> HTTPHeaders?
  /// Serves one connection; it is closed when this returns. It answers pings and the client's Close itself.
  public var serve: @Sendable (NIOAsyncChannel<WebSocketFrame, WebSocketFrame>) async throws -> Void

  /// Endpoints of which `shouldUpgrade` decides.
  ///
  /// - Parameter maxFrameSize: The greatest frame that is taken, 1 to 2^32 - 1 bytes; other values are moved there.
  public init(
    maxFrameSize: Int = 1 << 14, shouldUpgrade: @escaping @Sendable (HTTPRequestHead) -> HTTPHeaders?,
    serve: @escaping @Sendable (NIOAsyncChannel<WebSocketFrame, WebSocketFrame>) async throws -> Void
  ) {
    self.maxFrameSize = min(max(1, maxFrameSize), Int(UInt32.max))
    self.shouldUpgrade = shouldUpgrade
    self.serve = serve
  }

  func upgrader(
    _ drain: NIOLoopBound<DrainHandler>, _ offer: NIOLoopBound<WebSocketOffer>
  ) -> NIOTypedWebSocketServerUpgrader<HummingbirdConnection.FirstRequest> {
    NIOTypedWebSocketServerUpgrader(
      maxFrameSize: maxFrameSize,
      shouldUpgrade: { channel, _ in channel.eventLoop.makeSucceededFuture(offer.value.taken) },
      upgradePipelineHandler: { channel, _ in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(WebSocketDrainHandler(drain: drain.value))
          return .webSocket(try NIOAsyncChannel(wrappingChannelSynchronously: channel), serve)
        }
      })
  }
}
