import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import ServiceLifecycle

/// The protocol of a ``DrainingServer``'s connections.
public protocol ConnectionPipeline: Sendable {
  /// What one connection is served with.
  associatedtype Value: Sendable

  /// Adds the handlers of a connection, behind `drain`. Called on the channel's event loop.
  func setUp(_ channel: any Channel, drain: DrainHandler) -> EventLoopFuture<Value>

  /// Serves the connection until it has ended. Cancelled when the connection is cut.
  func serve(_ value: Value) async
}

/// Accepts connections on a ``Listener``, serves them, and drains them when it is to end.
///
/// As a `Service` it stops accepting and drains on graceful shutdown, and cuts what is left when its task is cancelled. The two halves of
/// its end are also calls of their own, so that something may happen between them. Neither has a bound; cancel to set one. `run()` returns
/// after them, which a `ServiceGroup` that was not told to shut down takes for a failure unless the service's
/// `successTerminationBehavior` says otherwise.
public final class DrainingServer<Pipeline: ConnectionPipeline>: Service {
  /// What can go wrong.
  public enum Failure: Error {
    /// `run()` was called twice.
    case runsAlready
  }

  /// How the server behaves as a service.
  public struct Options: Sendable {
    /// Whether graceful shutdown ends it. An admin port that is to outlive the others has false, and is ended by a call or by cancellation.
    public var endsOnGracefulShutdown = true
    /// How long handlers may take to end after their connections were cut. 1 s.
    public var cutLimit: Duration = .seconds(1)

    /// The standard options.
    public init() {}
  }

  private enum Phase {
    case before(Listener)
    case running(Acceptor)
    case ended
  }

  /// All connections of this server.
  public let connections: Connections
  /// For the log: where it listens.
  public let name: String
  /// The port it listens on, if it is one.
  public let port: UInt16?

  private let pipeline: Pipeline
  private let options: Options
  private let logger: Logger
  private let phase: NIOLockedValueBox<Phase>
  private let tasks = ConnectionTasks()
  private let listenerClosed = Latch()
  private let ended = Latch()

  /// A server that does not accept yet. It owns the listener from now on.
  public init(listener: Listener, pipeline: Pipeline, connections: Connections, options: Options = Options(), logger: Logger) {
    self.pipeline = pipeline
    self.connections = connections
    self.options = options
    self.logger = logger
    name = listener.name
    port = listener.port
    phase = NIOLockedValueBox(.before(listener))
  }

  /// Serves until it was stopped and the last connection has ended. Returns at once when it was stopped before.
  public func run() async throws {
    if let acceptor = try begin() { serve(acceptor) }
    await withTaskCancellationHandler {
      await withGracefulShutdownHandler {
        await ended.wait()
      } onGracefulShutdown: {
        guard self.options.endsOnGracefulShutdown else { return }
        // In this order whoever finds the listener closed may rely on the drain having begun.
        self.connections.drain()
        self.stopListening()
      }
    } onCancel: {
      cut()
    }
  }

  /// Closes the listener; returns when that is done. Connections go on as before. Again, it does nothing.
  public func stopAccepting() async {
    stopListening()
    await listenerClosed.wait()
  }

  /// Stops accepting if that has not been done, and ends all connections so that no request is lost; returns when they have ended.
  /// When the calling task is cancelled, everything that is left is cut.
  public func drain() async -> DrainReport {
    let begun = ContinuousClock.now
    let before = connections.counts
    connections.drain()
    stopListening()
    await withTaskCancellationHandler {
      await ended.wait()
    } onCancel: {
      cut()
    }
    let after = connections.counts
    return DrainReport(
      duration: .now - begun, connections: before.connections,
      requestsCompleted: after.requestsCompleted - before.requestsCompleted, requestsCut: after.requestsCut - before.requestsCut,
      requestsAbandoned: after.requestsAbandoned - before.requestsAbandoned, connectionsCut: after.connectionsCut,
      handlersLeft: tasks.count)
  }

  /// Ends everything at once; `run()` and `drain()` return when the handlers have ended, or after ``Options/cutLimit``.
  public func cut() {
    stopListening()
    connections.cut()
    tasks.cancel()
    Task {
      try? await Task.sleep(for: options.cutLimit)
      ended.open()
    }
  }

  private func begin() throws -> Acceptor? {
    try phase.withLockedValue { phase in
      switch phase {
      case .before(let listener):
        let acceptor = try Acceptor(listener, handshake: connections.limits.handshake)
        phase = .running(acceptor)
        return acceptor
      case .running: throw Failure.runsAlready
      case .ended: return nil
      }
    }
  }

  private func serve(_ acceptor: Acceptor) {
    Task {
      for await descriptor in acceptor.accepted {
        tasks.start { await self.serve(descriptor) }
      }
      listenerClosed.open()
      tasks.seal()
      await tasks.ended.wait()
      ended.open()
    }
  }

  private func stopListening() {
    let old = phase.withLockedValue { phase in
      defer { phase = .ended }
      return phase
    }
    switch old {
    case .before(let listener):
      listener.release()
      listenerClosed.open()
      ended.open()
    case .running(let acceptor): acceptor.stop()
    case .ended: break
    }
  }

  private func serve(_ descriptor: Int32) async {
    guard let value = await setUp(descriptor) else { return }
    await pipeline.serve(value)
  }

  /// A function of its own, so that what it needs is not kept for as long as the connection lasts.
  @inline(never)
  private func setUp(_ descriptor: Int32) async -> Pipeline.Value? {
    do {
      var bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .channelOption(.allowRemoteHalfClosure, value: true)
      if port != nil { bootstrap = bootstrap.channelOption(.socketOption(.tcp_nodelay), value: 1) }
      return
        try await bootstrap
        .withConnectedSocket(descriptor) { channel in
          channel.eventLoop.makeCompletedFuture {
            let drain = DrainHandler(connections: self.connections)
            try channel.pipeline.syncOperations.addHandler(drain)
            return NIOLoopBound(drain, eventLoop: channel.eventLoop)
          }.flatMap { (drain: NIOLoopBound<DrainHandler>) in
            self.pipeline.setUp(channel, drain: drain.value)
          }
        }
    } catch {
      logger.debug("a connection ended before it began: \(error)")
      return nil
    }
  }
}
