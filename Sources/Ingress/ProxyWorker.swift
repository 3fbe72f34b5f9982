import NIOCore
import NIOPosix

/// Everything of the proxy that lives on one event loop: the pool, the clients, the connections to replicas. It is used on that
/// loop only, so nothing in it is locked.
final class ProxyWorker {
  let loop: any EventLoop
  let configuration: IngressConfiguration
  private(set) var pool: ReplicaPool
  private(set) var isDraining = false
  /// Told what subscribers of the control socket should know.
  var onEvent: (IngressEvent) -> Void = { _ in }

  private var clients: [ObjectIdentifier: ClientConnection] = [:]
  private var waiting: [ReplicaPool.RequestID: Exchange] = [:]
  private var idle: [ReplicaPool.ConnectionID: UpstreamConnection] = [:]
  private var addresses: [ReplicaPool.ReplicaKey: SocketAddress] = [:]
  private var nextID: UInt64 = 0
  private var emptied: [EventLoopPromise<Void>] = []
  private lazy var timer = LazyTimer(loop: loop) { [weak self] in self?.tick() }

  init(loop: any EventLoop, configuration: IngressConfiguration) {
    self.loop = loop
    self.configuration = configuration
    pool = ReplicaPool(limits: configuration.limits)
  }

  var limits: IngressLimits { configuration.limits }

  func makeID() -> UInt64 {
    nextID += 1
    return nextID
  }

  var status: IngressStatus {
    IngressStatus(
      replicas: pool.replicas.map(\.status), held: pool.held.count, connections: clients.count,
      buffered: clients.values.reduce(0) { $0 + $1.buffered }, draining: isDraining)
  }

  // MARK: Replicas

  func add(_ id: String, _ address: ReplicaAddress) throws { perform(try pool.add(id, address, at: .now)) }

  /// When this returns the replica is not selected any more.
  ///
  /// - Returns: the actions, to be performed after the answer was sent, so that `drained` does not come before it.
  func drain(_ id: String) throws -> [ReplicaPool.Action] { try pool.drain(id) }

  func remove(_ id: String) throws { perform(try pool.remove(id)) }

  /// Whether requests without a replica wait for one.
  func hold(_ holds: Bool) { holds ? pool.hold() : perform(pool.refuse()) }

  // MARK: Clients

  /// Takes in a new client; false when there are too many.
  func opened(_ client: ClientConnection) -> Bool {
    guard clients.count < limits.maxClients else { return false }
    clients[ObjectIdentifier(client)] = client
    return true
  }

  func closed(_ client: ClientConnection) {
    guard clients.removeValue(forKey: ObjectIdentifier(client)) != nil, clients.isEmpty, isDraining else { return }
    for promise in emptied { promise.succeed() }
    emptied = []
  }

  /// From now on every response says that its connection closes; the future succeeds when the last client is gone.
  func startDraining() -> EventLoopFuture<Void> {
    let promise = loop.makePromise(of: Void.self)
    if !isDraining {
      isDraining = true
      onEvent(.closing)
    }
    if clients.isEmpty {
      promise.succeed()
    } else {
      emptied.append(promise)
      for client in Array(clients.values) { client.startDraining() }
    }
    return promise.futureResult
  }

  /// Closes whatever is left.
  func closeAll() {
    for client in Array(clients.values) { client.cut(reset: false) }
    for connection in Array(idle.values) { connection.close() }
    idle = [:]
    timer.invalidate()
  }

  // MARK: Requests

  func acquire(_ exchange: Exchange) {
    follow(pool.acquire(exchange.request, at: .now), exchange)
  }

  private func follow(_ selection: ReplicaPool.Selection, _ exchange: Exchange) {
    switch selection {
    case .use(let lease): start(exchange, lease)
    case .held:
      waiting[exchange.request.id] = exchange
      rearm()
    case .refused(let refusal): exchange.refused(LocalResponse(refusal))
    }
  }

  func connected(_ lease: ReplicaPool.Lease) { perform(pool.connected(lease, at: .now)) }

  func release(_ lease: ReplicaPool.Lease, served: Bool, parking connection: UpstreamConnection?) {
    let now = MonotonicTime.now
    if let connection { idle[connection.id] = connection }
    perform(pool.release(lease, served: served, parking: connection?.id, at: now))
    if connection != nil { timer.setIfSooner(now + limits.upstreamIdle) }
  }

  func upgraded(_ lease: ReplicaPool.Lease) { perform(pool.upgraded(lease)) }

  func tunnelEnded(_ lease: ReplicaPool.Lease) { pool.tunnelEnded(lease) }

  /// An idle connection closed, or had something to say that nobody asked for.
  func idleLost(_ connection: UpstreamConnection) {
    if idle.removeValue(forKey: connection.id) != nil { pool.idleLost(connection.id, of: connection.replica) }
  }

  func cancelHeld(_ exchange: Exchange) {
    if waiting.removeValue(forKey: exchange.request.id) != nil { pool.cancelHeld(exchange.request.id) }
  }

  /// Carries out what the pool decided.
  func perform(_ actions: [ReplicaPool.Action]) {
    if actions.isEmpty { return }
    for action in actions {
      switch action {
      case .start(let id, let lease):
        guard let exchange = waiting.removeValue(forKey: id) else {
          perform(pool.release(lease, served: false, parking: nil, at: .now))
          continue
        }
        start(exchange, lease)
      case .refuse(let id, let refusal): waiting.removeValue(forKey: id)?.refused(LocalResponse(refusal))
      case .close(let id): idle.removeValue(forKey: id)?.close()
      case .drained(let id): onEvent(.drained(replica: id))
      }
    }
    rearm()
  }

  private func start(_ exchange: Exchange, _ lease: ReplicaPool.Lease) {
    if let id = lease.reused, let connection = idle.removeValue(forKey: id) {
      exchange.attach(connection, lease)
      return
    }
    exchange.isConnecting(lease)
    connect(exchange, lease)
  }

  private func connect(_ exchange: Exchange, _ lease: ReplicaPool.Lease) {
    let address: SocketAddress
    do {
      address = try socketAddress(lease)
    } catch {
      connectFailed(exchange, lease)
      return
    }
    let connection = UpstreamConnection(worker: self, id: makeID(), replica: lease.replica)
    let bound = NIOLoopBound(connection, eventLoop: loop)
    ClientBootstrap(group: loop)
      .connectTimeout(.nanoseconds(limits.connectTimeout.wholeNanoseconds))
      .channelOption(.autoRead, value: false)
      .channelOption(.allowRemoteHalfClosure, value: true)
      .channelOption(.maxMessagesPerRead, value: 1)
      .channelOption(.writeBufferWaterMark, value: StreamLimits.waterMark)
      .channelOption(.socketOption(.so_rcvbuf), value: StreamLimits.upstreamReceiveBuffer)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(bound.value) }
      }
      .connect(to: address)
      .assumeIsolated().whenComplete { result in
        switch result {
        case .failure: self.connectFailed(exchange, lease)
        case .success:
          if exchange.isEnded {
            // Its client went away meanwhile; the lease was given back then.
            connection.close()
          } else if !connection.isOpen {
            // Closed before anything was sent: no better than a refusal.
            self.connectFailed(exchange, lease)
          } else {
            self.connected(lease)
            exchange.attach(connection, lease)
          }
        }
      }
  }

  private func connectFailed(_ exchange: Exchange, _ lease: ReplicaPool.Lease) {
    if exchange.isEnded { return }
    let (request, selection, actions) = pool.connectFailed(lease, exchange.request, at: .now)
    exchange.request = request
    perform(actions)
    follow(selection, exchange)
  }

  private func socketAddress(_ lease: ReplicaPool.Lease) throws -> SocketAddress {
    if let known = addresses[lease.replica] { return known }
    let address = try lease.address.socketAddress()
    if addresses.count > 2 * limits.maxReplicas { addresses = [:] }
    addresses[lease.replica] = address
    return address
  }

  // MARK: Time

  private func tick() {
    perform(pool.tick(at: .now))
    rearm()
  }

  private func rearm() {
    if let next = pool.nextDeadline { timer.set(next) }
  }
}

extension ReplicaAddress {
  /// The address in the form that the sockets take; throws when the host is no IP literal.
  func socketAddress() throws -> SocketAddress {
    switch self {
    case .inet(let host, let port): try SocketAddress(ipAddress: host, port: port)
    case .unix(let path): try SocketAddress(unixDomainSocketPath: path)
    }
  }
}
