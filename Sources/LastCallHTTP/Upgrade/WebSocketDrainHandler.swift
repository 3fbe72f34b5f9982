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

  /// A handler for the connection of `drain`.
  public init(drain: DrainHandler) {
    self.drain = drain
  }

  private func perform(_ event: WebSocketDrain.Event, _ context: ChannelHandlerContext) {
    switch machine.handle(event) {
    case .sendClose:
      var status = context.channel.allocator.buffer(capacity: 2)
      status.write(webSocketErrorCode: .goingAway)
      let frame = WebSocketFrame(fin: true, opcode: .connectionClose, data: status)
      context.writeAndFlush(wrapOutboundOut(frame), promise: nil)
    case .finish: drain.finish()
    case nil: break
    }
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
    if machine.mayWrite(kind) { return context.write(data, promise: promise) }
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
    default: .data
    }
  }
}
