import NIOCore
import NIOHTTP2
import NIOHTTPTypes

/// Counts the request of one HTTP/2 stream, and ends the stream behind a response that does not wait for the end of its request's body.
/// Its place is behind the stream's codec (`HTTP2FramePayloadToHTTPServerCodec`).
///
/// After such a response the client is asked by RST_STREAM with NO_ERROR to send no more of the body (RFC 9113 section 8.1), as Go's net/http2
/// does: a client that uploads for hours would else hold the drain. So whoever writes the end of a response has to be done with the request;
/// CONNECT's tunnels are left alone.
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
  private let reset = StreamReset()
  private var tally = RequestTally()
  /// The connection may have ended, and be counted nowhere, before its streams hear of it.
  private var shard: ConnectionShard?
  /// The end of the response is written, and not taken yet: NIOHTTP2 closes a stream that has ended on both sides before that.
  private var awaitsKernel = false
  /// Nothing of the request is to come, as far as this has seen, or what comes is no body.
  private var takesNoMore = false
  private var isOver = false
  private var clientFailed = false
  private var endedHere = false

  /// Writes behind the codec, which knows messages only.
  private final class StreamReset: ChannelOutboundHandler {
    typealias OutboundIn = HTTP2Frame.FramePayload
    typealias OutboundOut = HTTP2Frame.FramePayload

    private var context: ChannelHandlerContext?

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func send() { context?.writeAndFlush(wrapOutboundOut(.rstStream(.noError)), promise: nil) }
  }

  /// A handler for a stream of the connection of `drain`; both are on one event loop.
  public init(drain: NIOLoopBound<DrainHandler>) {
    self.drain = drain
  }

  private var outcome: RequestOutcome {
    drain.value.wasCut || (endedHere && !drain.value.clientLeft) ? .cut : .abandoned
  }

  private func end(_ outcome: RequestOutcome) {
    if tally.ended(outcome) { shard?.changed(nil, from: .closed, .none, ended: outcome) }
  }

  private func streamEnded() {
    isOver = true
    if !awaitsKernel { end(outcome) }
  }

  private func responseEnded(_ result: Result<Void, any Error>, _ context: ChannelHandlerContext) {
    awaitsKernel = false
    guard case .success = result else {
      if isOver { end(outcome) }
      return
    }
    end(.completed)
    // In a turn of its own: this is the middle of NIOHTTP2's flush.
    context.eventLoop.assumeIsolated().execute {
      guard !self.takesNoMore, !self.isOver else { return }
      self.reset.send()
    }
  }

  /// Called by NIO.
  public func handlerAdded(context: ChannelHandlerContext) {
    do {
      try context.pipeline.syncOperations.addHandler(reset, position: .first)
    } catch {
      context.fireErrorCaught(error)
    }
  }

  /// Called by NIO.
  public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head):
      takesNoMore = head.method == .connect
      tally.began(drain.value.connections.observe { head.requestName })
      shard = drain.value.shard
      shard?.changed(nil, from: .closed, .none, began: 1)
    case .body: break
    case .end: takesNoMore = true
    }
    context.fireChannelRead(data)
  }

  /// Called by NIO.
  public func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    guard case .end = unwrapOutboundIn(data) else { return context.write(data, promise: promise) }
    let written = promise ?? context.eventLoop.makePromise(of: Void.self)
    awaitsKernel = true
    written.futureResult.assumeIsolated().whenComplete { self.responseEnded($0, context) }
    context.write(data, promise: written)
  }

  /// Called by NIO. Whoever closes the stream before its client has ended it gives the request up.
  public func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
    if mode == .all, !clientFailed { endedHere = true }
    context.close(mode: mode, promise: promise)
  }

  /// Called by NIO.
  public func errorCaught(context: ChannelHandlerContext, error: any Error) {
    clientFailed = true
    context.fireErrorCaught(error)
  }

  /// Called by NIO.
  public func channelInactive(context: ChannelHandlerContext) {
    streamEnded()
    context.fireChannelInactive()
  }

  /// Called by NIO.
  public func handlerRemoved(context: ChannelHandlerContext) {
    streamEnded()
  }
}
