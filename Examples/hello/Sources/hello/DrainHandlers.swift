import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Sent through a connection's pipeline when the server stops.
struct StopConnection: Sendable {}

/// Carries out a ``ConnectionDrain`` at the front of a connection's pipeline, where the bytes are.
final class DrainHandler: ChannelDuplexHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let connections: Connections
  private var machine: ConnectionDrain
  private var context: ChannelHandlerContext?
  private var timer: Scheduled<Void>?
  private var timerDeadline: UInt64?
  private var wasBusy = false

  init(connections: Connections) {
    self.connections = connections
    machine = ConnectionDrain(limits: connections.limits)
  }

  /// Whether further requests are no longer handed on.
  var refusesRequests: Bool { machine.refusesRequests }

  /// Tells the machine and does what it says; true when a response head must announce the close.
  @discardableResult
  func handle(_ event: ConnectionDrain.Event) -> Bool {
    guard let context else { return false }
    let actions = machine.handle(event, at: NIODeadline.now().uptimeNanoseconds)
    if wasBusy != (machine.inFlight > 0) {
      wasBusy.toggle()
      connections.busy(wasBusy)
    }
    var announces = false
    for action in actions {
      switch action {
      case .announceClose: announces = true
      case .closeOutput:
        context.close(mode: .output, promise: nil)
        // Whoever is behind may have stopped reading; the end of the client's side must still be seen.
        context.read()
      case .close: context.close(mode: .all, promise: nil)
      }
    }
    schedule(context)
    return announces
  }

  private func schedule(_ context: ChannelHandlerContext) {
    guard machine.deadline != timerDeadline else { return }
    timer?.cancel()
    timer = nil
    timerDeadline = machine.deadline
    guard let due = machine.deadline else { return }
    timer = context.eventLoop.assumeIsolated().scheduleTask(deadline: .uptimeNanoseconds(due)) {
      self.timerDeadline = nil
      self.handle(.deadline)
    }
  }

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    timer?.cancel()
    if wasBusy { connections.busy(false) }
    wasBusy = false
    self.context = nil
  }

  func channelActive(context: ChannelHandlerContext) {
    if connections.began(context.channel) { handle(.drain) }
    context.fireChannelActive()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard !machine.discardsInput else { return }
    handle(.bytes)
    context.fireChannelRead(data)
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    context.fireChannelReadComplete()
    if machine.discardsInput { context.read() }
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    switch event {
    case is StopConnection:
      handle(.drain)
    case ChannelEvent.inputClosed:
      context.fireUserInboundEventTriggered(event)
      handle(.inputClosed)
    default:
      context.fireUserInboundEventTriggered(event)
    }
  }
}

/// Tells a ``DrainHandler`` of the requests and responses that pass, and writes `Connection: close` for it.
final class HTTPDrainHandler: ChannelDuplexHandler {
  typealias InboundIn = HTTPRequestPart
  typealias InboundOut = HTTPRequestPart
  typealias OutboundIn = HTTPResponsePart
  typealias OutboundOut = HTTPResponsePart

  private let drain: DrainHandler
  private var discardsRequest = false

  init(drain: DrainHandler) {
    self.drain = drain
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    if case .head(let head) = unwrapInboundIn(data) {
      // Pipelined behind a request whose response says close: the client knows that it was not handled.
      discardsRequest = drain.refusesRequests
      if !discardsRequest { drain.handle(.requestHead(closes: asksForClose(head.headerFields))) }
    }
    if !discardsRequest { context.fireChannelRead(data) }
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    switch unwrapOutboundIn(data) {
    case .head(var head) where head.status.kind != .informational:
      if drain.handle(.responseHead(closes: asksForClose(head.headerFields))) {
        head.headerFields[.connection] = "close"
      }
      context.write(wrapOutboundOut(.head(head)), promise: promise)
    case .end:
      drain.handle(.responseEnd)
      let written = promise ?? context.eventLoop.makePromise(of: Void.self)
      written.futureResult.assumeIsolated().whenSuccess { self.drain.handle(.flushed) }
      context.write(data, promise: written)
    default:
      context.write(data, promise: promise)
    }
  }

  private func asksForClose(_ fields: HTTPFields) -> Bool {
    fields[values: .connection].contains { value in
      value.split(separator: ",").contains { $0.filter { !$0.isWhitespace }.lowercased() == "close" }
    }
  }
}
