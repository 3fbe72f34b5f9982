import NIOCore

/// A connection of a client: takes requests off it one after the other and gives each an `Exchange`.
final class ClientConnection: ChannelInboundHandler, StreamEndpoint {
  typealias InboundIn = ByteBuffer

  private enum Phase {
    /// Between requests, or in the middle of a head.
    case head
    case exchange
    case tunnel
    /// The FIN is sent; what the client still sends is read off.
    case lingering
    case closed
  }

  private(set) var context: ChannelHandlerContext?
  private(set) var inputEnded = false
  private(set) var isWritable = true
  private var isReading = false
  private let worker: ProxyWorker
  private var phase = Phase.head
  private var exchange: Exchange?
  private var scanner = HeadScanner(skipsEmptyLines: true)
  private var headHasBegun = false
  private var inbound = ByteBuffer()
  private var isAdvancing = false
  private var identity = HeadRewrite.Client(address: nil, fallbackHost: "localhost", trustsForwarded: false)
  private lazy var timer = LazyTimer(loop: worker.loop) { [weak self] in self?.timedOut() }
  private lazy var writeTimer = LazyTimer(loop: worker.loop) { [weak self] in self?.writeStalled() }
  private var unwritten = 0

  init(worker: ProxyWorker) {
    self.worker = worker
  }

  // MARK: Events

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }

  func channelActive(context: ChannelHandlerContext) {
    guard worker.opened(self) else { return close() }
    identity = HeadRewrite.Client(
      address: context.remoteAddress?.ipAddress, fallbackHost: Self.authority(context.localAddress),
      trustsForwarded: worker.configuration.trustsForwardedHeaders)
    timer.set(after: worker.isDraining ? worker.limits.drainLinger : worker.limits.clientHead)
    resumeReading()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    isReading = false
    var bytes = unwrapInboundIn(data)
    switch phase {
    case .lingering, .closed: return
    case .tunnel: exchange?.tunnel(fromClient: bytes)
    case .head, .exchange:
      if inbound.readableBytes == 0 { inbound = bytes } else { inbound.writeBuffer(&bytes) }
      advance()
      // More than was asked for comes only with an end of file, and then the client is gone.
      if inbound.readableBytes > 2 * StreamLimits.pipelined + HeadScanner.limit { close() }
    }
  }

  func channelReadComplete(context: ChannelHandlerContext) { resumeReading() }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    isWritable = context.channel.isWritable
    if isWritable {
      writeTimer.set(nil)
      exchange?.clientIsWritable()
    } else {
      unwritten = .max
      writeTimer.set(after: worker.limits.clientStall)
    }
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    guard case .inputClosed? = event as? ChannelEvent else { return }
    inputEnded = true
    switch phase {
    case .tunnel: exchange?.clientHalfClosed()
    // As in nginx and Go: a FIN while a response is awaited means that nobody awaits it. Half-closing clients are rare, and
    // a client that was killed looks the same.
    case .exchange: close()
    case .head, .lingering: closeAfterFlush()
    case .closed: break
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    detach()
    self.context = nil
    worker.closed(self)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

  // MARK: Reading

  func resumeReading() {
    guard !isReading, wantsMore else { return }
    isReading = true
    context?.read()
  }

  private var wantsMore: Bool {
    switch phase {
    case .head, .lingering: true
    case .exchange:
      // Reading goes on while a response is awaited, so that a disconnect is noticed.
      if let exchange, exchange.isSendingBody { exchange.upstreamIsReady } else { inbound.readableBytes < StreamLimits.pipelined }
    case .tunnel: exchange?.upstreamIsReady ?? false
    case .closed: false
    }
  }

  /// Takes as much as possible off `inbound`.
  private func advance() {
    if isAdvancing { return }
    isAdvancing = true
    defer { isAdvancing = false }
    while phase == .head, inbound.readableBytes > 0 {
      guard takeRequest() else { break }
    }
    if phase == .exchange, inbound.readableBytes > 0, exchange?.hasWholeRequest == false {
      forwardBody()
      exchange?.flushUpstream()
    }
  }

  /// Takes one request's head off `inbound` and starts its exchange; false while it is incomplete or after an error.
  private func takeRequest() -> Bool {
    var scanner = self.scanner
    let identity = self.identity
    let result = inbound.withUnsafeReadableBytes { bytes in
      Result { () throws(MessageError) -> (head: RequestHead, rewritten: ByteBuffer, length: Int)? in
        guard let extent = try scanner.scan(bytes) else { return nil }
        let head = try RequestHead.parse(bytes, extent)
        var out = ByteBuffer()
        out.reserveCapacity(extent.end + 192)
        HeadRewrite.request(head, bytes, client: identity, into: &out)
        return (head, out, extent.end)
      }
    }
    self.scanner = scanner
    switch result {
    case .failure(let error):
      answer(LocalResponse(error), isHead: false, minorVersion: 1, keepsAlive: false)
      return false
    case .success(nil):
      if !headHasBegun {
        headHasBegun = true
        timer.set(after: worker.limits.clientHead)
      }
      return false
    case .success(let parsed?):
      inbound.moveReaderIndex(forwardBy: parsed.length)
      if inbound.readableBytes == 0 { inbound = ByteBuffer() }
      start(parsed.head, parsed.rewritten)
      return true
    }
  }

  private func start(_ head: RequestHead, _ rewritten: ByteBuffer) {
    let body = head.body
    // An upgrade goes out on a fresh connection: some servers, SwiftNIO's among them, upgrade only a connection's first request.
    let reusable = head.method.isSafe && body.isComplete && !head.wantsUpgrade
    let exchange = Exchange(
      request: ReplicaPool.Request(id: worker.makeID(), reusable: reusable, deadline: .now + worker.limits.holdTime),
      facts: Exchange.Facts(
        isHead: head.method == .head, clientMinorVersion: head.minorVersion, keepsAlive: head.keepsAlive,
        wantsUpgrade: head.wantsUpgrade, expectsContinue: head.expectsContinue),
      head: rewritten, body: body, client: self, worker: worker)
    self.exchange = exchange
    phase = .exchange
    timer.set(nil)
    exchange.begin()
  }

  /// Passes on what has arrived of the request's body.
  func forwardBody() {
    guard let exchange, phase == .exchange, !exchange.hasWholeRequest else { return }
    // Taken out meanwhile: passing it on can end the exchange, and that looks at `inbound`.
    var taken = inbound
    inbound = ByteBuffer()
    exchange.forward(&taken)
    if phase == .exchange || phase == .head { inbound = taken }
    watchBody()
  }

  /// Bounds how long the client may take for the next piece of a body, while it is its turn.
  func watchBody() {
    guard phase == .exchange, let exchange else { return }
    timer.set(exchange.awaitsClient ? .now + worker.limits.clientStall : nil)
  }

  // MARK: What exchanges report

  /// The response is out, or everything of it that will be.
  func exchangeEnded(keepsAlive: Bool) {
    exchange = nil
    guard keepsAlive, phase == .exchange else { return linger() }
    phase = .head
    scanner = HeadScanner(skipsEmptyLines: true)
    headHasBegun = false
    timer.set(after: worker.isDraining ? worker.limits.drainLinger : worker.limits.clientIdle)
    advance()
    resumeReading()
  }

  /// Sends an answer of the proxy's own.
  func answer(_ response: LocalResponse, isHead: Bool, minorVersion: Int, keepsAlive: Bool) {
    let keepsAlive = keepsAlive && !worker.isDraining
    write(
      response.serialized(
        isHead: isHead,
        needs: HeadRewrite.ResponseNeeds(clientMinorVersion: minorVersion, closes: !keepsAlive, decodesChunks: false)))
    flush()
    phase = phase == .head ? .exchange : phase
    exchangeEnded(keepsAlive: keepsAlive)
  }

  /// Ends the connection so that the client sees that its response is not complete.
  ///
  /// - Parameter reset: whether a FIN alone would look like the response's end.
  func cut(reset: Bool) {
    if reset { resetOnClose() }
    close()
  }

  func becomeTunnel() {
    phase = .tunnel
    timer.set(nil)
    let early = inbound
    inbound = ByteBuffer()
    if early.readableBytes > 0 { exchange?.tunnel(fromClient: early) }
    resumeReading()
  }

  func tunnelEnded() {
    exchange = nil
    phase = .lingering
    closeAfterFlush()
  }

  // MARK: Closing

  /// The proxy drains: an idle connection is answered on for a moment and then closed.
  func startDraining() {
    if phase == .head, inbound.readableBytes == 0 { timer.set(after: worker.limits.drainLinger) }
  }

  /// FIN, then reading off until the client's, so that no reset destroys what is under way to it (RFC 9112 §9.6).
  private func linger() {
    guard phase != .lingering, phase != .closed else { return }
    phase = .lingering
    exchange = nil
    inbound = ByteBuffer()
    timer.set(after: worker.limits.clientStall)
    closeOutput { [weak self] in
      guard let self, self.phase == .lingering else { return }
      self.timer.set(after: self.worker.limits.lingeringClose)
    }
    resumeReading()
  }

  private func close() {
    detach()
    closeNow()
  }

  private func detach() {
    phase = .closed
    timer.invalidate()
    writeTimer.invalidate()
    inbound = ByteBuffer()
    let exchange = self.exchange
    self.exchange = nil
    exchange?.cancel()
  }

  private func timedOut() {
    switch phase {
    case .head:
      if inbound.readableBytes > 0 {
        answer(.requestTimeout, isHead: false, minorVersion: 1, keepsAlive: false)
      } else {
        linger()
      }
    case .exchange: exchange?.clientStalled()
    case .lingering: close()
    case .tunnel, .closed: break
    }
  }

  /// The client has taken nothing for long: closed, unless something of what waited has gone out meanwhile.
  private func writeStalled() {
    if isWritable { return }
    guard buffered < unwritten else { return close() }
    unwritten = buffered
    writeTimer.set(after: worker.limits.clientStall)
  }

  private static func authority(_ address: SocketAddress?) -> String {
    guard let host = address?.ipAddress, let port = address?.port else { return "localhost" }
    return host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
  }
}
