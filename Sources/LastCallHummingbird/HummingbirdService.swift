import HTTPTypes
import Hummingbird
import HummingbirdCore
import LastCallHTTP
import Logging
import NIOCore
import ServiceLifecycle

/// Serves a Hummingbird router or responder, and stops without losing a request.
///
/// It takes the place of Hummingbird's `Application`, whose server binds an address itself and gives no hold on its drain: it closes
/// idle connections at once, does not say `Connection: close`, and has no end while a client pipelines.
///
/// ```swift
/// let service = HummingbirdService(listener: try .bind(host: "127.0.0.1", port: 8080), router: router, logger: logger)
/// try await ServiceGroup(services: [service], gracefulShutdownSignals: [.sigterm], logger: logger).run()
/// ```
public struct HummingbirdService: Service {
  /// How it serves.
  public struct Options: Sendable {
    /// Hummingbird's own options of HTTP/1.1: header limits, further channel handlers, and how long an idle connection is kept (75 s), also one of
    /// HTTP/2.
    public var http1 = HTTP1Channel.Configuration(idleTimeout: .seconds(75))
    /// Whether clients may speak HTTP/2 with prior knowledge (RFC 9113 section 3.3). Off by default.
    public var http2 = false
    /// WebSocket endpoints, if there are any.
    public var webSocket: WebSocketUpgrade?
    /// Added to every response.
    public var fields: HTTPFields = [:]
    /// See `DrainingServer.Options.endsOnGracefulShutdown`.
    public var endsOnGracefulShutdown = true
    /// How long handlers may take to end after their connections were cut. 1 s.
    public var cutLimit: Duration = .seconds(1)

    /// The standard options.
    public init() {}
  }

  private let server: DrainingServer<HummingbirdConnection>

  /// A service that does not accept yet. It owns the listener from now on.
  ///
  /// - Parameters:
  ///   - listener: Where connections come from.
  ///   - responder: Answers the requests; what it throws becomes a 500.
  ///   - connections: Has the bounds of the drain and whoever wants to know of connections and requests.
  ///   - options: How it serves.
  ///   - logger: Given to the requests.
  public init<Responder: HTTPResponder>(
    listener: Listener, responder: Responder, connections: Connections = Connections(), options: Options = Options(), logger: Logger
  ) where Responder.Context: InitializableFromSource<ApplicationRequestContextSource> {
    let http = HTTP1Channel(responder: respond(by: responder, fields: options.fields, logger: logger), configuration: options.http1)
    var serverOptions = DrainingServer<HummingbirdConnection>.Options()
    serverOptions.endsOnGracefulShutdown = options.endsOnGracefulShutdown
    serverOptions.cutLimit = options.cutLimit
    server = DrainingServer(
      listener: listener,
      pipeline: HummingbirdConnection(http: http, takesHTTP2: options.http2, webSocket: options.webSocket, logger: logger),
      connections: connections, options: serverOptions, logger: logger)
  }

  /// As ``init(listener:responder:connections:options:logger:)``, by a router.
  public init<Builder: HTTPResponderBuilder>(
    listener: Listener, router: Builder, connections: Connections = Connections(), options: Options = Options(), logger: Logger
  ) where Builder.Responder.Context: InitializableFromSource<ApplicationRequestContextSource> {
    self.init(listener: listener, responder: router.buildResponder(), connections: connections, options: options, logger: logger)
  }

  /// All connections of this service.
  public var connections: Connections { server.connections }

  /// For the log: where it listens.
  public var name: String { server.name }

  /// The port it listens on, if it is one.
  public var port: UInt16? { server.port }

  /// Serves until it was stopped and the last connection has ended. On graceful shutdown it stops accepting and drains; when its task is
  /// cancelled it cuts what is left.
  public func run() async throws { try await server.run() }

  /// Closes the listener; returns when that is done. Connections go on as before. Again, it does nothing.
  public func stopAccepting() async { await server.stopAccepting() }

  /// Stops accepting if that has not been done, and ends all connections so that no request is lost; returns when they have ended.
  /// When the calling task is cancelled, everything that is left is cut.
  @discardableResult
  public func drain() async -> DrainReport { await server.drain() }

  /// Ends everything at once.
  public func cut() { server.cut() }
}
