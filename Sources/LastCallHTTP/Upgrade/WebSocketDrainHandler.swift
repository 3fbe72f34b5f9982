import NIOCore
import NIOWebSocket

/// Tells the client of a WebSocket connection that the server stops. Its place is right behind NIO's frame codec: add it first in
/// `upgradePipelineHandler`.
public final class WebSocketDrainHandler: ChannelDuplexHandler {
  /// A frame from the client.
  public typealias InboundIn = WebSocketFrame
  /// The same frame.
  public typealias InboundOut = WebSocketFrame
  /// A frame for the client.
  public typealias OutboundIn = WebSocketFrame
  /// The same frame.
  public typealias OutboundOut = WebSocketFrame

  private let drain: DrainHandler
  private var machine = WebSocketDrain()
  private var timer: Scheduled<Void>?

  /// A handler for the connection of `drain`.
  public init(drain: DrainHandler) {
    self.drain = drain
  }

  private func perform(_ event: WebSocketDrain.Event, _ context: ChannelHandlerContext) {
    let limits = drain.connections.limits
    switch machine.handle(event) {
    case .awaitMessage: schedule(limits.lastMessage.boundedNanoseconds, context)
    case .awaitAnswer: schedule(limits.linger.boundedNanoseconds, context)
    case .sendClose:
      timer?.cancel()
      var status = context.channel.allocator.buffer(capacity: 2)
      status.write(webSocketErrorCode: .goingAway)
      let frame = WebSocketFrame(fin: true, opcode: .connectionClose, data: status)
      context.write(wrapOutboundOut(frame), promise: nil)
      // Behind an answer it goes with the answer's own flush: the client reads both at once and sends nothing between them.
      if case .wrote = event { return }
      context.flush()
    case .finish: drain.finish()
    case nil: break
    }
  }

  /// A part of the bound for upgraded connections is left for the client's answer to the Close.
  private func schedule(_ nanoseconds: UInt64, _ context: ChannelHandlerContext) {
    let most = drain.connections.limits.upgraded.boundedNanoseconds / 4
    timer = context.eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(Int64(min(nanoseconds, most)))) {
      self.perform(.deadline, context)
    }
  }

  /// Called by NIO.
  public func handlerRemoved(context: ChannelHandlerContext) {
    timer?.cancel()
  }

  /// Called by NIO.
  public func handlerAdded(context: ChannelHandlerContext) {
    if drain.isDraining { perform(.drain, context) }
  }

  /// Called by NIO.
  public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let frame = unwrapInboundIn(data)
    context.fireChannelRead(data)
    perform(.received(frame.kind), context)
  }

  /// Called by NIO.
  public func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    let kind = unwrapOutboundIn(data).kind
    if machine.mayWrite(kind) {
      context.write(data, promise: promise)
      return perform(.wrote(kind), context)
    }
    // A second Close is what the program behind owes the client's; the first one has said it.
    if kind == .close { promise?.succeed() } else { promise?.fail(ChannelError.outputClosed) }
  }

  /// Called by NIO.
  public func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    context.fireUserInboundEventTriggered(event)
    switch event {
    case is ChannelShouldQuiesceEvent: perform(.drain, context)
    case ChannelEvent.inputClosed: perform(.inputClosed, context)
    default: break
    }
  }
}

extension WebSocketFrame {
  fileprivate var kind: WebSocketDrain.Frame {
    switch opcode {
    case .connectionClose: .close
    case .ping, .pong: .control
    default: fin ? .data : .fragment
    }
  }
}
