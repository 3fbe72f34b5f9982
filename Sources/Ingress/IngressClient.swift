import NIOCore
import NIOPosix

/// The engine's side of a proxy's control socket.
///
/// A lost connection loses nothing of the proxy's state: connect again and ask for the status.
public final class IngressClient: Sendable {
  /// What the proxy confirmed of a drain.
  public struct Drain: Sendable, Equatable {
    /// Requests that the replica still had in flight when the drain began.
    public var inFlight: Int
    /// Whether nothing was; else `IngressEvent.drained` follows.
    public var isDrained: Bool
  }

  /// What the proxy reports, in order; ends when the connection does. The newest 4,096 are kept for a slow reader. For one reader.
  public let events: AsyncStream<IngressEvent>
  /// The proxy's process id.
  public let processID: Int
  private let channel: any Channel
  private let session: NIOLoopBound<ClientSession>
  private let timeout: Duration

  private init(
    channel: any Channel, session: NIOLoopBound<ClientSession>, events: AsyncStream<IngressEvent>, processID: Int, timeout: Duration
  ) {
    self.channel = channel
    self.session = session
    self.events = events
    self.processID = processID
    self.timeout = timeout
  }

  /// Connects to a proxy and subscribes to its events.
  ///
  /// - Parameters:
  ///   - path: the path of its control socket.
  ///   - timeout: how long to wait for each answer.
  /// - Throws: `IngressError`, or what SwiftNIO says about the socket.
  public static func connect(_ path: String, timeout: Duration = .seconds(10)) async throws -> IngressClient {
    let (events, continuation) = AsyncStream.makeStream(of: IngressEvent.self, bufferingPolicy: .bufferingNewest(4096))
    let loop = MultiThreadedEventLoopGroup.singleton.next()
    let session = try await loop.submit { NIOLoopBound(ClientSession(events: continuation), eventLoop: loop) }.get()
    let channel = try await ClientBootstrap(group: loop)
      .connectTimeout(.nanoseconds(timeout.wholeNanoseconds))
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(session.value) }
      }
      .connect(unixDomainSocketPath: path).get()
    do {
      let hello = try await ask("hello", nil, nil, channel, session, timeout)
      guard hello.v == ControlProtocol.version else { throw IngressError.protocolMismatch(theirs: hello.v ?? 0) }
      _ = try await ask("subscribe", nil, nil, channel, session, timeout)
      return IngressClient(channel: channel, session: session, events: events, processID: hello.pid ?? 0, timeout: timeout)
    } catch {
      channel.close(promise: nil)
      throw error
    }
  }

  /// Adds a replica that is ready; nothing happens if it is known. One that drains becomes ready again.
  ///
  /// - Parameters:
  ///   - replica: its id, 1 to 128 octets.
  ///   - address: where it listens; an id that is known has to have the same address.
  public func add(_ replica: String, _ address: ReplicaAddress) async throws {
    _ = try await ask("add", replica, address.description)
  }

  /// Drains a replica.
  ///
  /// - Returns: when it is confirmed that the replica will not be selected any more and its idle connections are closed.
  public func drain(_ replica: String) async throws -> Drain {
    let answer = try await ask("drain", replica, nil)
    return Drain(inFlight: answer.inFlight ?? 0, isDrained: answer.drained ?? false)
  }

  /// Forgets a replica, drained or not. What it has in flight goes on, but `IngressEvent.drained` does not come any more.
  public func remove(_ replica: String) async throws {
    _ = try await ask("remove", replica, nil)
  }

  /// Says whether requests that find no replica wait for one, as they do from the proxy's start and from each `add` on, or get a 503 at once.
  public func hold(_ holds: Bool) async throws {
    _ = try await ask(holds ? "hold" : "refuse", nil, nil)
  }

  /// What the proxy is doing.
  public func status() async throws -> IngressStatus {
    guard let status = try await ask("status", nil, nil).status else { throw IngressError.refused("the answer has no status") }
    return status
  }

  /// Ends the connection; the proxy goes on.
  public func close() async { try? await channel.close().get() }

  private func ask(_ operation: String, _ replica: String?, _ address: String?) async throws -> ControlProtocol.Answer {
    try await Self.ask(operation, replica, address, channel, session, timeout)
  }

  private static func ask(
    _ operation: String, _ replica: String?, _ address: String?, _ channel: any Channel, _ session: NIOLoopBound<ClientSession>,
    _ timeout: Duration
  ) async throws -> ControlProtocol.Answer {
    let answer = try await channel.eventLoop.flatSubmit {
      session.value.ask(operation, replica, address, on: channel.eventLoop, timeout: timeout)
    }.get()
    if let reason = answer.error { throw IngressError.refused(reason) }
    return answer
  }
}

/// Matches answers with requests on one connection.
private final class ClientSession: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  private let events: AsyncStream<IngressEvent>.Continuation
  private var context: ChannelHandlerContext?
  private var framer = LineFramer(limit: ControlProtocol.answerLimit)
  private var pending: [Int: EventLoopPromise<ControlProtocol.Answer>] = [:]
  private var nextID = 1

  init(events: AsyncStream<IngressEvent>.Continuation) {
    self.events = events
  }

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }

  func ask(
    _ operation: String, _ replica: String?, _ address: String?, on loop: any EventLoop, timeout: Duration
  ) -> EventLoopFuture<ControlProtocol.Answer> {
    let id = nextID
    nextID += 1
    let request = ControlProtocol.Request(v: ControlProtocol.version, id: id, op: operation, replica: replica, address: address)
    guard let context, let line = try? ControlProtocol.encode(request) else { return loop.makeFailedFuture(IngressError.connectionLost) }
    let promise = loop.makePromise(of: ControlProtocol.Answer.self)
    pending[id] = promise
    context.writeAndFlush(NIOAny(line), promise: nil)
    let expiry = loop.assumeIsolated().scheduleTask(in: .nanoseconds(timeout.wholeNanoseconds)) { [weak self] in
      self?.pending.removeValue(forKey: id)?.fail(IngressError.noAnswer(operation: operation))
    }
    promise.futureResult.whenComplete { _ in expiry.cancel() }
    return promise.futureResult
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    framer.append(unwrapInboundIn(data))
    while let line = framer.next() {
      guard case .line(let line) = line, let message = try? ControlProtocol.decodeMessage(line) else {
        // Out of step: better no connection than a wrong answer.
        context.close(promise: nil)
        return
      }
      switch message {
      case .answer(let answer): answer.id.flatMap { pending.removeValue(forKey: $0) }?.succeed(answer)
      case .event(let event): events.yield(event)
      case .unknown: break
      }
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    self.context = nil
    for promise in pending.values { promise.fail(IngressError.connectionLost) }
    pending = [:]
    events.finish()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
