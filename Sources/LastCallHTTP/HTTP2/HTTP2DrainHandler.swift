import NIOCore
import NIOHTTP2

/// Carries out the drain of one HTTP/2 connection. Its place is right behind `NIOHTTP2Handler`, which must have ``streamDelegate``.
///
/// It knows nothing of TLS: the pipeline is the same behind `NIOSSLServerHandler`, with the ``DrainHandler`` between the two.
public final class HTTP2DrainHandler: ChannelDuplexHandler {
  /// A frame from the client.
  public typealias InboundIn = HTTP2Frame
  /// The same frame.
  public typealias InboundOut = HTTP2Frame
  /// A frame for the client.
  public typealias OutboundIn = HTTP2Frame
  /// The same frame.
  public typealias OutboundOut = HTTP2Frame

  /// GOAWAY with the greatest identifier and NO_ERROR (RFC 9113 sections 4.1 and 6.8), as bytes: once NIOHTTP2 (1.46) has itself written
  /// a GOAWAY it refuses every further stream, whichever identifier the frame named. Its frames are written whole, so there is no frame
  /// that this could come into the middle of.
  private static let announcement = ByteBuffer(bytes: [0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0])

  private let drain: DrainHandler
  private let eventLoop: any EventLoop
  private let ping: HTTP2PingData
  private let failure = HTTP2FailureHandler()
  private var machine: HTTP2Drain
  private var context: ChannelHandlerContext?
  private var timer: Scheduled<Void>?
  private let idleTimeout: TimeAmount?
  private var idleTimer: Scheduled<Void>?

  /// A handler for the connection of `drain`, on the event loop of its channel.
  ///
  /// - Parameter idleTimeout: After so long without a stream the connection is ended as by a drain; nil for never.
  public init(drain: DrainHandler, eventLoop: any EventLoop, idleTimeout: TimeAmount? = nil) {
    self.drain = drain
    self.eventLoop = eventLoop
    self.idleTimeout = idleTimeout
    ping = HTTP2PingData(withInteger: .random(in: .min ... .max))
    machine = HTTP2Drain(ackLimit: drain.connections.limits.pingAck.boundedNanoseconds)
  }

  /// Give it to the `NIOHTTP2Handler` of the same connection.
  public var streamDelegate: any NIOHTTP2StreamDelegate {
    StreamCount(handler: NIOLoopBound(self, eventLoop: eventLoop), eventLoop: eventLoop)
  }

  private struct StreamCount: NIOHTTP2StreamDelegate {
    let handler: NIOLoopBound<HTTP2DrainHandler>
    let eventLoop: any EventLoop

    func streamCreated(_ id: HTTP2StreamID, channel: any Channel) {
      onLoop { $0.streamOpened(Int(id)) }
    }

    func streamClosed(_ id: HTTP2StreamID, channel: any Channel) {
      onLoop { $0.streamClosed() }
    }

    private func onLoop(_ body: @escaping @Sendable (HTTP2DrainHandler) -> Void) {
      if eventLoop.inEventLoop { return body(handler.value) }
      eventLoop.execute { body(handler.value) }
    }
  }

  private func streamOpened(_ id: Int) {
    if machine.streams == 0 { drain.note(.busy) }
    idleTimer?.cancel()
    idleTimer = nil
    perform(.streamOpened(id))
  }

  private func streamClosed() {
    perform(.streamClosed)
    if machine.streams == 0 {
      drain.note(.quiet(reused: true))
      becomeIdle()
    }
  }

  private func becomeIdle() {
    guard let idleTimeout, idleTimer == nil, let context else { return }
    idleTimer = context.eventLoop.assumeIsolated().scheduleTask(in: idleTimeout) {
      self.idleTimer = nil
      self.perform(.drain)
    }
  }

  private func perform(_ event: HTTP2Drain.Event) {
    guard let context else { return }
    for action in machine.handle(event, at: NIODeadline.now().uptimeNanoseconds) {
      switch action {
      case .announce:
        drain.write(Self.announcement)
        context.write(wrapOutboundOut(HTTP2Frame(streamID: .rootStream, payload: .ping(ping, ack: false))), promise: nil)
        context.flush()
      case .conclude(let last):
        let payload = HTTP2Frame.FramePayload.goAway(lastStreamID: HTTP2StreamID(last), errorCode: .noError, opaqueData: nil)
        context.writeAndFlush(wrapOutboundOut(HTTP2Frame(streamID: .rootStream, payload: payload)), promise: nil)
      case .finish: drain.finish()
      }
    }
    schedule(context)
  }

  private func schedule(_ context: ChannelHandlerContext) {
    guard let due = machine.deadline else {
      timer?.cancel()
      timer = nil
      return
    }
    guard timer == nil else { return }
    timer = context.eventLoop.assumeIsolated().scheduleTask(deadline: .uptimeNanoseconds(due)) {
      self.timer = nil
      self.perform(.deadline)
    }
  }

  /// Called by NIO.
  public func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    do {
      try context.pipeline.syncOperations.addHandler(failure, position: .after(drain))
    } catch {
      // Without its drain handler the connection is no longer in the pipeline.
      context.close(promise: nil)
    }
    drain.handOver(bounded: false)
    // Go's HTTP/2 server goes through the same two once it has the preface.
    drain.note(.busy)
    drain.note(.quiet(reused: true))
    becomeIdle()
    if drain.isDraining { perform(.drain) }
  }

  /// Called by NIO.
  public func handlerRemoved(context: ChannelHandlerContext) {
    timer?.cancel()
    timer = nil
    idleTimer?.cancel()
    idleTimer = nil
    self.context = nil
  }

  /// Called by NIO.
  public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    if case .ping(ping, ack: true) = unwrapInboundIn(data).payload { perform(.pingAcknowledged) }
    context.fireChannelRead(data)
  }

  /// Called by NIO.
  public func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    switch event {
    case is ChannelShouldQuiesceEvent: perform(.drain)
    case ChannelEvent.inputClosed: perform(.inputClosed)
    default: break
    }
    context.fireUserInboundEventTriggered(event)
  }

  /// Called by NIO.
  public func errorCaught(context: ChannelHandlerContext, error: any Error) {
    context.fireErrorCaught(error)
    // A stream's error has reset that stream only.
    if failure.hasFailed { drain.finish() }
  }
}
