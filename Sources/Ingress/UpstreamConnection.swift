import NIOCore

/// A connection to a replica: frames the responses that come on it.
final class UpstreamConnection: ChannelInboundHandler, StreamEndpoint {
  typealias InboundIn = ByteBuffer

  private enum Phase {
    case idle
    case head
    case body
    case tunnel
    case closed
  }

  let id: ReplicaPool.ConnectionID
  let replica: ReplicaPool.ReplicaKey
  private(set) var context: ChannelHandlerContext?
  private(set) var inputEnded = false
  private(set) var isWritable = true
  private var isReading = false
  private let worker: ProxyWorker
  private var phase = Phase.idle
  private var exchange: Exchange?
  private var scanner = HeadScanner(skipsEmptyLines: false)
  private var framing = BodyFraming(.length(0))
  private var decodesChunks = false
  private var keepsAlive = false
  private var inbound = ByteBuffer()
  private var sawResponse = false

  init(worker: ProxyWorker, id: ReplicaPool.ConnectionID, replica: ReplicaPool.ReplicaKey) {
    self.worker = worker
    self.id = id
    self.replica = replica
  }

  var isOpen: Bool { context != nil && !inputEnded }

  /// Starts to wait for the response to a request.
  func begin(_ exchange: Exchange) {
    self.exchange = exchange
    phase = .head
    scanner = HeadScanner(skipsEmptyLines: false)
    sawResponse = false
    resumeReading()
  }

  /// Ends the connection without regard to what is on it.
  func abandon() {
    exchange = nil
    close()
  }

  func close() {
    phase = .closed
    closeNow()
  }

  func resumeReading() {
    guard !isReading, wantsMore else { return }
    isReading = true
    context?.read()
  }

  /// While idle, an end of file or stray octets have to be noticed; while responding, the client's pace is kept.
  private var wantsMore: Bool { phase != .closed && (exchange?.clientIsReady ?? true) }

  // MARK: Events

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    isReading = false
    var bytes = unwrapInboundIn(data)
    switch phase {
    case .closed: return
    case .idle:
      // Nobody asked; whatever it is, it must not become the answer to the next request.
      worker.idleLost(self)
      close()
    case .tunnel: exchange?.tunnel(fromReplica: bytes)
    case .head, .body:
      sawResponse = true
      if inbound.readableBytes == 0 { inbound = bytes } else { inbound.writeBuffer(&bytes) }
      process()
    }
  }

  func channelReadComplete(context: ChannelHandlerContext) { resumeReading() }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    isWritable = context.channel.isWritable
    if isWritable { exchange?.upstreamIsWritable() }
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    guard case .inputClosed? = event as? ChannelEvent else { return }
    inputEnded = true
    switch phase {
    case .tunnel: exchange?.replicaHalfClosed()
    case .body where framing.isUntilClose: finish(reusable: false)
    default: ended()
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    ended()
    self.context = nil
  }

  // A reset closes the channel; `channelInactive` follows and an unfinished response is cut.
  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

  /// No more octets will come.
  private func ended() {
    let was = phase
    let exchange = self.exchange
    if was == .idle { worker.idleLost(self) }
    self.exchange = nil
    close()
    switch was {
    case .head, .body: exchange?.upstreamEnded(sawResponse: sawResponse)
    case .tunnel: exchange?.replicaClosedTunnel()
    case .idle, .closed: break
    }
  }

  // MARK: Responses

  private func process() {
    guard let exchange else { return }
    do throws(MessageError) {
      while phase == .head, inbound.readableBytes > 0 {
        guard try takeHead(exchange) else { break }
      }
      if phase == .body, let piece = try framing.advance(&inbound, decoding: decodesChunks) { exchange.received(body: piece) }
    } catch {
      return broken()
    }
    exchange.flushClient()
    if phase == .body, framing.isComplete { finish(reusable: keepsAlive && inbound.readableBytes == 0) }
  }

  /// Takes one head off `inbound` and passes it on; false while it is incomplete.
  private func takeHead(_ exchange: Exchange) throws(MessageError) -> Bool {
    var scanner = self.scanner
    var response: ResponseHead?
    let result = inbound.withUnsafeReadableBytes { bytes in
      Result { () throws(MessageError) -> Int? in
        guard let extent = try scanner.scan(bytes) else { return nil }
        let head = try ResponseHead.parse(bytes, extent)
        if head.status == 101, !exchange.facts.wantsUpgrade { throw .badStartLine }
        let framing = head.body(isHead: exchange.facts.isHead)
        exchange.received(head, bytes, framing: framing)
        response = head
        return extent.end
      }
    }
    self.scanner = scanner
    guard let length = try result.get(), let response else { return false }
    inbound.moveReaderIndex(forwardBy: length)
    if inbound.readableBytes == 0 { inbound = ByteBuffer() }
    if response.isInterim {
      self.scanner = HeadScanner(skipsEmptyLines: false)
    } else if response.status == 101 {
      startTunnel(exchange)
    } else {
      framing = response.body(isHead: exchange.facts.isHead)
      decodesChunks = exchange.decodesChunks(framing)
      keepsAlive = response.keepsAlive && !framing.isUntilClose
      phase = .body
    }
    return true
  }

  private func startTunnel(_ exchange: Exchange) {
    phase = .tunnel
    let early = inbound
    inbound = ByteBuffer()
    exchange.flushClient()
    exchange.becomeTunnel()
    if early.readableBytes > 0 { exchange.tunnel(fromReplica: early) }
  }

  private func broken() {
    let exchange = self.exchange
    self.exchange = nil
    close()
    exchange?.upstreamBroken()
  }

  private func finish(reusable: Bool) {
    let exchange = self.exchange
    self.exchange = nil
    phase = reusable ? .idle : .closed
    inbound = ByteBuffer()
    // The exchange parks or closes this connection; it may be used again before this returns.
    exchange?.responseEnded(reusable: reusable)
  }
}
