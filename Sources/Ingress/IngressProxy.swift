import NIOCore
import NIOPosix
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The built-in HTTP/1.1 reverse proxy of one app: takes connections from an inherited listener and distributes their requests to
/// replicas that an engine adds and drains over the control socket (`IngressClient`).
///
/// It forwards HTTP/1.1 and 1.0 without TLS. A client that closes its sending side while a response is awaited is taken for gone,
/// as nginx does; on upgraded connections half-closing works. An upgrade to `h2c` is not passed on.
public final class IngressProxy: Sendable {
  private enum Phase {
    case open
    case draining
    case finishing
  }

  private let group: MultiThreadedEventLoopGroup
  private let loop: any EventLoop
  private let listener: any Channel
  private let control: any Channel
  private let controlSocket: ControlSocket
  private let worker: NIOLoopBound<ProxyWorker>
  private let server: NIOLoopBound<ControlServer>
  private let phase = Mutex(Phase.open)
  private let finished: EventLoopPromise<Void>

  private init(
    group: MultiThreadedEventLoopGroup, listener: any Channel, control: any Channel, controlSocket: ControlSocket,
    worker: NIOLoopBound<ProxyWorker>, server: NIOLoopBound<ControlServer>
  ) {
    self.group = group
    loop = listener.eventLoop
    self.listener = listener
    self.control = control
    self.controlSocket = controlSocket
    self.worker = worker
    self.server = server
    // Succeeds after the proxy's own loop has ended, so it belongs to another one.
    finished = MultiThreadedEventLoopGroup.singleton.any().makePromise()
  }

  /// Starts to accept connections. Requests are held until the first replica is added.
  ///
  /// - Parameter configuration: its listener belongs to the proxy from here on.
  /// - Returns: when the control socket can be connected to.
  /// - Throws: `IngressError`, or what SwiftNIO says about the listener.
  public static func start(_ configuration: IngressConfiguration) async throws -> IngressProxy {
    guard isListening(configuration.listener) else { throw IngressError.notListening(descriptor: configuration.listener) }
    let controlSocket = try ControlSocket.make(configuration.controlPath)
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let loop = group.next()
    do {
      let (worker, server) = try await loop.submit {
        let worker = ProxyWorker(loop: loop, configuration: configuration)
        return (NIOLoopBound(worker, eventLoop: loop), NIOLoopBound(ControlServer(worker: worker), eventLoop: loop))
      }.get()
      let control = try await ServerBootstrap(group: loop)
        .childChannelInitializer { channel in
          channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(ControlConnection(server: server.value))
          }
        }
        .childChannelOption(.writeBufferWaterMark, value: .init(low: 1, high: 2 * ControlProtocol.answerLimit))
        .withBoundSocket(controlSocket.descriptor).get()
      let listener = try await openListener(configuration, on: loop, worker)
      return IngressProxy(
        group: group, listener: listener, control: control, controlSocket: controlSocket, worker: worker, server: server)
    } catch {
      controlSocket.remove()
      try? await group.shutdownGracefully()
      throw error
    }
  }

  /// What the proxy is doing.
  ///
  /// - Throws: `IngressError.connectionLost` when it has ended.
  public func status() async throws -> IngressStatus {
    let status = try phase.withLock { phase in
      if phase == .finishing { throw IngressError.connectionLost }
      return loop.submit { self.worker.value.status }
    }
    return try await status.get()
  }

  /// Ends the proxy: the listener is closed (its other holders go on accepting), responses say `Connection: close`, idle
  /// connections are still answered on for `IngressLimits.drainLinger`. A second call with less grace shortens the first.
  ///
  /// - Parameter grace: when it is over, what is left (upgraded connections, too) is cut.
  public func drainAndClose(grace: Duration) async {
    // A loop that is shut down takes no more work, so it is given some only while the phase says that it runs.
    let isFirst = phase.withLock { phase in
      defer { if phase == .open { phase = .draining } }
      if phase != .finishing {
        loop.scheduleTask(in: .nanoseconds(max(0, grace.wholeNanoseconds))) { self.worker.value.closeAll() }
      }
      return phase == .open
    }
    if isFirst {
      try? await listener.close().get()
      try? await loop.flatSubmit { self.worker.value.startDraining() }.get()
      await finish()
    }
    await waitUntilClosed()
  }

  /// Returns when `drainAndClose` has done its work.
  public func waitUntilClosed() async { try? await finished.futureResult.get() }

  private func finish() async {
    controlSocket.remove()
    try? await control.close().get()
    try? await loop.submit {
      self.worker.value.closeAll()
      self.server.value.closeAll()
    }.get()
    phase.withLock { $0 = .finishing }
    try? await group.shutdownGracefully()
    finished.succeed()
  }

  private static func openListener(
    _ configuration: IngressConfiguration, on loop: any EventLoop, _ worker: NIOLoopBound<ProxyWorker>
  ) async throws -> any Channel {
    let channel = try await ServerBootstrap(group: loop)
      .serverChannelOption(.maxMessagesPerRead, value: 32)
      .serverChannelOption(.backlog, value: configuration.backlog)
      .childChannelOption(.autoRead, value: false)
      .childChannelOption(.allowRemoteHalfClosure, value: true)
      .childChannelOption(.maxMessagesPerRead, value: 1)
      .childChannelOption(.writeBufferWaterMark, value: StreamLimits.waterMark)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(ClientConnection(worker: worker.value))
        }
      }
      .withBoundSocket(configuration.listener).get()
    // SwiftNIO calls listen(2) on a socket it takes over, with its default of 128; the queue belongs to all who share it.
    _ = listen(configuration.listener, configuration.backlog)
    return channel
  }

  private static func isListening(_ descriptor: CInt) -> Bool {
    var accepts: CInt = 0
    var size = socklen_t(MemoryLayout<CInt>.size)
    return getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &size) == 0 && accepts != 0
  }
}
