import NIOCore

/// Carries out the drain of one connection, at the front of its pipeline where the bytes are (behind TLS, if there is any: add NIOSSL's handler
/// with `position: .first` in ``ConnectionPipeline/setUp(_:drain:)``).
///
/// A handler behind it says what the bytes mean: ``HTTP1DrainHandler`` or ``HTTPDrainHandler`` for HTTP/1.1, ``HTTP2DrainHandler`` for
/// HTTP/2. When another protocol takes over (``handOver(bounded:)``) it is told of the stop by NIO's `ChannelShouldQuiesceEvent`.
///
/// The channel needs `ChannelOptions.allowRemoteHalfClosure`.
public final class DrainHandler: ChannelInboundHandler {
  /// Bytes from the client.
  public typealias InboundIn = ByteBuffer
  /// The same bytes.
  public typealias InboundOut = ByteBuffer
  /// Bytes for the client.
  public typealias OutboundOut = ByteBuffer

  let connections: Connections
  private var machine: ConnectionDrain
  private var life = ConnectionLife()
  private var tally = RequestTally()
  private var place: Connections.Place?
  private var context: ChannelHandlerContext?
  private var timer: Scheduled<Void>?
  private var timerDeadline: UInt64?
  /// The client has ended its side, its connection has broken, or what it sent cannot be read.
  private(set) var clientLeft = false
  /// Responses that were written whole since the last flush.
  private var unconfirmed = 0
  private var isFlushing = false
  private var ignoresInput = false

  /// This side has ended the connection without waiting for it.
  private(set) var wasCut = false

  /// A connection that will be one of `connections` once it is active.
  public init(connections: Connections) {
    self.connections = connections
    machine = ConnectionDrain(limits: connections.drainLimits)
  }

  /// Where the connection is counted, once it is active.
  var shard: ConnectionShard? { place?.shard }

  /// Whether the server stops. A protocol that takes over in the middle of a stop gets no event for it and has to ask.
  public var isDraining: Bool { machine.draining }

  /// Another protocol takes the connection over; its requests in flight count as completed.
  ///
  /// - Parameter bounded: Whether the connection is ended ``DrainLimits/upgraded`` after it was told of the stop.
  public func handOver(bounded: Bool) {
    settle(.completed)
    perform(.handedOver(bounded: bounded))
    if bounded { note(.handedOver) }
  }

  /// The protocol that took over has written its last word: what is written is sent, then the connection ends.
  public func finish() {
    whenSent { _ in self.perform(.finish) }
  }

  // MARK: What the handlers behind say

  /// Bytes that are nobody's message; they are sent with the next flush.
  func write(_ bytes: ByteBuffer) {
    context?.write(wrapOutboundOut(bytes), promise: nil)
  }

  /// The client has sent what cannot be read: what is not answered now ends by its doing.
  func clientFailed() { clientLeft = true }

  /// What the client sends from now on is nobody's: the response that is under way says close.
  func ignoreInput() { ignoresInput = true }

  /// Whether something of a response waits to be taken by the kernel.
  var isSending: Bool { machine.unflushed > 0 }

  /// Calls `body` when what has been written until now has been taken, or never will be.
  func whenSent(_ body: @escaping (Result<Void, any Error>) -> Void) {
    guard let context else { return body(.failure(ChannelError.ioOnClosedChannel)) }
    // Writes complete in order, so this one tells that all before it have been taken.
    let sent = context.eventLoop.makePromise(of: Void.self)
    sent.futureResult.assumeIsolated().whenComplete(body)
    context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: sent)
  }

  /// A request head came; false when it is not to be handed on.
  func requestBegan(closes: Bool, name: () -> String) -> Bool {
    if perform(.requestHead(closes: closes)).refuses { return false }
    tally.began(connections.observe(name))
    let old = life.state
    changed(from: old, life.handle(.busy), began: 1)
    return true
  }

  /// A final response head is to be written; true when it must say close.
  func responseBegins(closes: Bool) -> Bool {
    // A response to what was no request, such as a malformed head.
    if tally.open == 0 { note(.busy) }
    return perform(.responseHead(closes: closes)).announces
  }

  /// The end of a response is to be written; the promise is told when it has been.
  func responseEnds(_ promise: EventLoopPromise<Void>?, _ context: ChannelHandlerContext) -> EventLoopPromise<Void> {
    perform(.responseEnd)
    let written = promise ?? context.eventLoop.makePromise(of: Void.self)
    written.futureResult.assumeIsolated().whenComplete { result in
      switch result {
      case .success: self.responseSent()
      case .failure(let error): self.responseFailed(error)
      }
    }
    return written
  }

  /// The end of a response is to be written, and ``flush(_:)`` finds out when it has been: that costs less than a promise.
  func responseEnds() {
    perform(.responseEnd)
    unconfirmed += 1
  }

  /// Flushes what comes from `writer`. Whatever is between it and the socket must not hold bytes back.
  func flush(_ writer: ChannelHandlerContext) {
    guard unconfirmed > 0 else { return writer.flush() }
    isFlushing = true
    writer.flush()
    isFlushing = false
    guard unconfirmed > 0, let context else { return }
    let count = unconfirmed
    unconfirmed = 0
    if let left = try? context.channel.syncOptions?.getOption(.bufferedWritableBytes), left == 0 {
      for _ in 0..<count { responseSent() }
      return
    }
    whenSent { result in
      switch result {
      case .success: for _ in 0..<count { self.responseSent() }
      case .failure(let error): self.responseFailed(error)
      }
    }
  }

  private func responseSent() {
    let isCounted = tally.ended(.completed)
    let old = life.state
    let changes = machine.inFlight == 0 ? life.handle(.quiet(reused: !machine.refusesRequests)) : .none
    changed(from: old, changes, ended: isCounted ? .completed : nil)
    perform(.flushed)
  }

  private func responseFailed(_ error: any Error) {
    clientLeft = clientLeft || error is IOError
    // Part of a response is missing, so nothing that follows could be understood.
    context?.close(mode: .all, promise: nil)
  }

  /// The connection does something, or does nothing, without a request of its own: the streams of HTTP/2 have them.
  func note(_ event: ConnectionLife.Event) {
    let old = life.state
    changed(from: old, life.handle(event))
  }

  private func changed(from old: ConnectionState, _ changes: ConnectionLife.Changes, began: Int = 0, ended: RequestOutcome? = nil) {
    place?.shard.changed(place?.id, from: old, changes, began: began, ended: ended)
  }

  // MARK: The machine

  private struct Verdict {
    var announces = false
    var refuses = false
  }

  @discardableResult
  private func perform(_ event: ConnectionDrain.Event) -> Verdict {
    var verdict = Verdict()
    guard let context else { return verdict }
    for action in machine.handle(event, at: NIODeadline.now().uptimeNanoseconds) {
      switch action {
      case .announceClose: verdict.announces = true
      case .refuseRequest: verdict.refuses = true
      case .tellSuccessor: context.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
      case .closeOutput:
        context.close(mode: .output, promise: nil)
        // Whoever is behind may have stopped reading; the end of the client's side must still be seen.
        context.read()
      case .close: context.close(mode: .all, promise: nil)
      }
    }
    schedule(context)
    return verdict
  }

  private func schedule(_ context: ChannelHandlerContext) {
    guard machine.deadline != timerDeadline else { return }
    timer?.cancel()
    timer = nil
    timerDeadline = machine.deadline
    guard let due = machine.deadline else { return }
    timer = context.eventLoop.assumeIsolated().scheduleTask(deadline: .uptimeNanoseconds(due)) {
      self.timerDeadline = nil
      self.perform(.deadline)
    }
  }

  private func obey(_ command: ConnectionCommand, _ context: ChannelHandlerContext) {
    switch command {
    case .drain: perform(.drain)
    case .cut:
      wasCut = true
      context.close(mode: .all, promise: nil)
    }
  }

  private func settle(_ outcome: RequestOutcome) {
    while tally.ended(outcome) { changed(from: life.state, .none, ended: outcome) }
  }

  private func end() {
    timer?.cancel()
    timer = nil
    // What closes a connection in the middle of a flush is a write that failed.
    settle(wasCut || !(clientLeft || isFlushing) ? .cut : .abandoned)
    guard let place else { return }
    if life.state == .hijacked { place.shard.forget(place.id) } else { note(.closed) }
    self.place = nil
  }
}

extension DrainHandler {
  /// Called by NIO.
  public func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    if context.channel.isActive { begin(context) }
  }

  /// Called by NIO.
  public func handlerRemoved(context: ChannelHandlerContext) {
    end()
    self.context = nil
  }

  /// Called by NIO.
  public func channelActive(context: ChannelHandlerContext) {
    begin(context)
    context.fireChannelActive()
  }

  /// Called by NIO.
  public func channelInactive(context: ChannelHandlerContext) {
    end()
    context.fireChannelInactive()
  }

  private func begin(_ context: ChannelHandlerContext) {
    guard place == nil else { return }
    let place = connections.place(context.channel)
    self.place = place
    let beginning = place.shard.began(place.id, context.channel)
    if !beginning.keepsAlive { perform(.keepAlive(false)) }
    if let command = beginning.command { obey(command, context) }
  }

  /// Called by NIO.
  public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard !machine.discardsInput, !ignoresInput else { return }
    perform(.bytes)
    note(.bytes)
    context.fireChannelRead(data)
  }

  /// Called by NIO.
  public func channelReadComplete(context: ChannelHandlerContext) {
    context.fireChannelReadComplete()
    if machine.discardsInput { context.read() }
  }

  /// Called by NIO. What comes from before this handler is the socket's error, or TLS's.
  public func errorCaught(context: ChannelHandlerContext, error: any Error) {
    clientLeft = true
    context.fireErrorCaught(error)
  }

  /// Called by NIO.
  public func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    switch event {
    case let command as ConnectionCommand: obey(command, context)
    case let change as ConnectionKeepAlive: perform(.keepAlive(change.keeps))
    case ChannelEvent.inputClosed:
      clientLeft = true
      context.fireUserInboundEventTriggered(event)
      perform(.inputClosed)
    default: context.fireUserInboundEventTriggered(event)
    }
  }
}
