import NIOCore

/// Tells HTTP/2 with prior knowledge from HTTP/1.1 by the connection's first bytes (RFC 9113 section 3.4), and keeps them for the
/// handlers that are added then.
public final class HTTP2PrefaceHandler: ChannelInboundHandler, RemovableChannelHandler {
  /// Bytes from the client.
  public typealias InboundIn = ByteBuffer
  /// The same bytes.
  public typealias InboundOut = ByteBuffer

  private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

  private let setUp: (_ isHTTP2: Bool, _ channel: any Channel) -> EventLoopFuture<Void>
  private var held = ByteBuffer()
  private var isDecided = false

  /// A handler that has the rest of the pipeline added once it knows the protocol.
  ///
  /// - Parameter setUp: Adds the handlers; called once, on the event loop. When it fails the connection is closed.
  public init(setUp: @escaping (_ isHTTP2: Bool, _ channel: any Channel) -> EventLoopFuture<Void>) {
    self.setUp = setUp
  }

  /// Called by NIO.
  public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    var bytes = unwrapInboundIn(data)
    held.writeBuffer(&bytes)
    guard !isDecided else { return }
    let begun = held.readableBytesView.prefix(Self.preface.count)
    let isPrefix = begun.elementsEqual(Self.preface.prefix(begun.count))
    guard !isPrefix || begun.count == Self.preface.count else { return }
    isDecided = true
    setUp(isPrefix, context.channel).assumeIsolated().whenComplete { result in
      switch result {
      case .success: context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
      case .failure(let error):
        context.fireErrorCaught(error)
        context.close(mode: .all, promise: nil)
      }
    }
  }

  /// Called by NIO.
  public func removeHandler(context: ChannelHandlerContext, removalToken: ChannelHandlerContext.RemovalToken) {
    if held.readableBytes > 0 {
      context.fireChannelRead(wrapInboundOut(held))
      context.fireChannelReadComplete()
    }
    context.leavePipeline(removalToken: removalToken)
  }
}
