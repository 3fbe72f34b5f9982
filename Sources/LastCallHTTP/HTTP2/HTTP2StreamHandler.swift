import NIOCore
import NIOHTTPTypes

/// Counts the request of one HTTP/2 stream. Its place is behind the stream's codec (`HTTP2FramePayloadToHTTPServerCodec`).
public final class HTTP2StreamHandler: ChannelDuplexHandler {
  /// A part of a request.
  public typealias InboundIn = HTTPRequestPart
  /// The same part.
  public typealias InboundOut = HTTPRequestPart
  /// A part of a response.
  public typealias OutboundIn = HTTPResponsePart
  /// The same part.
  public typealias OutboundOut = HTTPResponsePart

  private let drain: NIOLoopBound<DrainHandler>
  private var tally = RequestTally()

  /// A handler for a stream of the connection of `drain`; both are on one event loop.
  public init(drain: NIOLoopBound<DrainHandler>) {
    self.drain = drain
  }

  private func end(_ outcome: RequestOutcome) {
    if tally.ended(outcome) { drain.value.shard?.changed(nil, from: .closed, .none, ended: outcome) }
  }

  /// Called by NIO.
  public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    if case .head(let head) = unwrapInboundIn(data) {
      tally.began(drain.value.connections.observe { head.requestName })
      drain.value.shard?.changed(nil, from: .closed, .none, began: 1)
    }
    context.fireChannelRead(data)
  }

  /// Called by NIO.
  public func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    guard case .end = unwrapOutboundIn(data) else { return context.write(data, promise: promise) }
    let written = promise ?? context.eventLoop.makePromise(of: Void.self)
    written.futureResult.assumeIsolated().whenSuccess { self.end(.completed) }
    context.write(data, promise: written)
  }

  /// Called by NIO.
  public func channelInactive(context: ChannelHandlerContext) {
    end(drain.value.wasCut ? .cut : .abandoned)
    context.fireChannelInactive()
  }

  /// Called by NIO.
  public func handlerRemoved(context: ChannelHandlerContext) {
    end(drain.value.wasCut ? .cut : .abandoned)
  }
}
