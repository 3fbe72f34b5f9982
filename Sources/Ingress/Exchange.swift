import NIOCore

/// One request of a client and its response: joins a client's connection with a replica's, and decides what a failure on one
/// side means for the other.
final class Exchange {
  /// What has to be remembered of the request's head.
  struct Facts {
    var isHead: Bool
    var clientMinorVersion: Int
    var keepsAlive: Bool
    var wantsUpgrade: Bool
    var expectsContinue: Bool
  }

  private enum Stage {
    /// Not selected a replica yet.
    case waiting
    case connecting
    /// A connection is attached and the head was written to it.
    case sent
    case tunnel
    case ended
  }

  var request: ReplicaPool.Request
  let facts: Facts
  private let head: ByteBuffer
  private let client: ClientConnection
  private let worker: ProxyWorker
  private var body: BodyFraming
  private var stage = Stage.waiting
  private var lease: ReplicaPool.Lease?
  private var upstream: UpstreamConnection?
  /// Whether a part of the final response was written to the client.
  private var hasResponded = false
  private var sawInterim = false
  /// A response's head that waits for what follows it in the same read.
  private var heldHead: ByteBuffer?
  private var closesClient = false
  private var endsWithClose = false
  private var responseTimer: LazyTimer?

  init(
    request: ReplicaPool.Request, facts: Facts, head: ByteBuffer, body: BodyFraming, client: ClientConnection, worker: ProxyWorker
  ) {
    self.request = request
    self.facts = facts
    self.head = head
    self.body = body
    self.client = client
    self.worker = worker
  }

  var isEnded: Bool { stage == .ended }
  var hasWholeRequest: Bool { body.isComplete }

  /// Whether the body is being passed on.
  var isSendingBody: Bool { stage == .sent && !body.isComplete }

  var upstreamIsReady: Bool { upstream?.isWritable == true }

  /// Whether it is the client's turn to send; while it waits for 100 (Continue) it is not.
  var awaitsClient: Bool { isSendingBody && upstreamIsReady && (!facts.expectsContinue || sawInterim) }

  // MARK: Towards the replica

  func begin() { worker.acquire(self) }

  func isConnecting(_ lease: ReplicaPool.Lease) {
    self.lease = lease
    stage = .connecting
  }

  func attach(_ connection: UpstreamConnection, _ lease: ReplicaPool.Lease) {
    self.lease = lease
    upstream = connection
    stage = .sent
    connection.begin(self)
    connection.write(head)
    client.forwardBody()
    connection.flush()
    // The flush may have found the connection closed, and this exchange elsewhere by now.
    guard upstream === connection, stage == .sent else { return }
    client.resumeReading()
    startResponseTimer()
  }

  /// Passes on what belongs to the body; the caller flushes.
  func forward(_ inbound: inout ByteBuffer) {
    guard stage == .sent, let upstream else { return }
    let wasComplete = body.isComplete
    while !body.isComplete, inbound.readableBytes > 0 {
      do throws(MessageError) {
        if let piece = try body.advance(&inbound) { upstream.write(piece) }
      } catch {
        return fail(LocalResponse(error))
      }
    }
    if !wasComplete { startResponseTimer() }
  }

  func flushUpstream() { upstream?.flush() }

  /// The client takes data again.
  func clientIsWritable() { upstream?.resumeReading() }

  /// The replica takes data again.
  func upstreamIsWritable() {
    client.watchBody()
    client.resumeReading()
  }

  var clientIsReady: Bool { client.isWritable }

  // MARK: Towards the client

  /// Whether chunk framing has to be taken out of a body for this client.
  func decodesChunks(_ framing: BodyFraming) -> Bool { framing.isChunked && facts.clientMinorVersion == 0 }

  /// A response's head has come.
  func received(_ response: ResponseHead, _ bytes: UnsafeRawBufferPointer, framing: BodyFraming) {
    if response.isInterim {
      sawInterim = true
      client.watchBody()
      // RFC 9110 §15.2: interim responses are not for clients of HTTP/1.0.
      if facts.clientMinorVersion == 0 { return }
    } else {
      responseTimer?.invalidate()
      endsWithClose = framing.isUntilClose || decodesChunks(framing)
      closesClient = !facts.keepsAlive || !body.isComplete || endsWithClose || worker.isDraining
      hasResponded = true
    }
    var out = ByteBuffer()
    out.reserveCapacity((response.fields.last?.end ?? response.startLine.upperBound) + 128)
    HeadRewrite.response(
      response, bytes,
      needs: HeadRewrite.ResponseNeeds(
        clientMinorVersion: facts.clientMinorVersion, closes: closesClient, decodesChunks: decodesChunks(framing)), into: &out)
    writeHeld()
    heldHead = out
  }

  func received(body bytes: ByteBuffer) {
    if heldHead != nil, bytes.readableBytes <= StreamLimits.copied {
      heldHead?.writeImmutableBuffer(bytes)
    } else {
      writeHeld()
      client.write(bytes)
    }
  }

  func flushClient() {
    writeHeld()
    client.flush()
  }

  private func writeHeld() {
    guard let head = heldHead else { return }
    heldHead = nil
    client.write(head)
  }

  /// The response is complete.
  ///
  /// - Parameter reusable: whether its connection can take another request.
  func responseEnded(reusable: Bool) {
    guard stage == .sent, let upstream, let lease else { return }
    end()
    if reusable, body.isComplete {
      worker.release(lease, served: true, parking: upstream)
    } else {
      upstream.close()
      worker.release(lease, served: true, parking: nil)
    }
    client.exchangeEnded(keepsAlive: !closesClient && body.isComplete)
  }

  // MARK: Failures

  /// The replica's connection ended before the response did.
  ///
  /// - Parameter sawResponse: whether a single octet of a response to this request had come.
  func upstreamEnded(sawResponse: Bool) {
    guard stage == .sent, let lease else { return }
    if !sawResponse, lease.reused != nil, request.reusable {
      // RFC 9112 §9.3.1: the replica closed an idle connection just when it was used; ask again on a fresh one, once.
      upstream = nil
      self.lease = nil
      stage = .waiting
      responseTimer?.invalidate()
      request = ReplicaPool.Request(id: request.id, reusable: false, deadline: request.deadline)
      worker.release(lease, served: false, parking: nil)
      worker.acquire(self)
      return
    }
    fail(.badGateway)
  }

  /// The replica sent what is no response.
  func upstreamBroken() { fail(.badGateway) }

  /// No replica could take the request.
  func refused(_ response: LocalResponse) {
    lease = nil
    fail(response)
  }

  /// The client stopped in the middle of its request.
  func clientStalled() { fail(.requestTimeout) }

  /// Ends the exchange with an answer of the proxy's own, or, when the replica's has begun, with a cut that the client sees.
  private func fail(_ response: LocalResponse) {
    if isEnded { return }
    let lease = self.lease
    upstream?.abandon()
    end()
    if let lease { worker.release(lease, served: false, parking: nil) }
    if hasResponded {
      flushClient()
      client.cut(reset: endsWithClose)
    } else {
      client.answer(response, isHead: facts.isHead, minorVersion: facts.clientMinorVersion, keepsAlive: facts.keepsAlive && body.isComplete)
    }
  }

  /// The client is gone: nobody wants the response any more.
  func cancel() {
    switch stage {
    case .ended: return
    case .waiting:
      worker.cancelHeld(self)
      end()
    case .connecting, .sent:
      let lease = self.lease
      upstream?.abandon()
      end()
      if let lease { worker.release(lease, served: false, parking: nil) }
    case .tunnel:
      let upstream = self.upstream
      endTunnel()
      upstream?.closeAfterFlush()
    }
  }

  private func end() {
    stage = .ended
    upstream = nil
    lease = nil
    responseTimer?.invalidate()
  }

  private func startResponseTimer() {
    guard body.isComplete, stage == .sent, !hasResponded, let limit = worker.limits.responseHead else { return }
    let timer = LazyTimer(loop: worker.loop) { [weak self] in self?.fail(.gatewayTimeout) }
    timer.set(after: limit)
    responseTimer = timer
  }

  // MARK: Tunnel

  /// The replica has accepted the upgrade: octets go both ways from here on, whatever they are.
  func becomeTunnel() {
    guard stage == .sent, let lease else { return }
    stage = .tunnel
    worker.upgraded(lease)
    client.becomeTunnel()
  }

  func tunnel(fromClient bytes: ByteBuffer) {
    upstream?.write(bytes)
    upstream?.flush()
  }

  func tunnel(fromReplica bytes: ByteBuffer) {
    client.write(bytes)
    client.flush()
  }

  func clientHalfClosed() { upstream?.closeOutput() }

  func replicaHalfClosed() { client.closeOutput() }

  /// The replica's side of the tunnel is closed altogether.
  func replicaClosedTunnel() {
    guard stage == .tunnel else { return }
    endTunnel()
    client.tunnelEnded()
  }

  private func endTunnel() {
    let lease = self.lease
    end()
    if let lease { worker.tunnelEnded(lease) }
  }
}
