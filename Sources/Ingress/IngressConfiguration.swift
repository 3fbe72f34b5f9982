/// What bounds the proxy in number and time.
public struct IngressLimits: Sendable, Equatable {
  /// Requests that may wait for a replica; further ones are answered 503 at once.
  public var maxHeld = 1024
  /// How long a request waits for a replica before 503, or 502 if none could be connected to.
  public var holdTime: Duration = .seconds(30)
  /// Replicas that may be registered.
  public var maxReplicas = 1024
  /// Idle connections kept to one replica.
  public var maxIdlePerReplica = 128
  /// How long a connection to a replica is kept idle. It has to be less than the servers' own idle timeout (5 s in Node.js), else
  /// requests are sent on connections that the server is just closing.
  public var upstreamIdle: Duration = .seconds(4)
  /// How long an attempt to connect to a replica may take.
  public var connectTimeout: Duration = .seconds(2)
  /// The first pause before a replica that could not be connected to is tried again; doubles up to ten times this.
  public var connectRetry: Duration = .milliseconds(100)
  /// Clients that may be connected; further ones are closed.
  public var maxClients = 20_000
  /// How long a client may take to send a request's head, from its first octet (or the connection's start).
  public var clientHead: Duration = .seconds(30)
  /// How long a client's connection is kept without a request (nginx's default).
  public var clientIdle: Duration = .seconds(75)
  /// How long a client may send or take nothing in the middle of a message (nginx's default).
  public var clientStall: Duration = .seconds(60)
  /// How long a replica may take from the end of a request to the head of its response; nil is no limit.
  public var responseHead: Duration?
  /// While the proxy drains: how long an idle client connection is still answered on.
  public var drainLinger: Duration = .seconds(1)
  /// How long what a client still sends is read off after the proxy's FIN (RFC 9112 §9.6).
  public var lingeringClose: Duration = .seconds(2)

  /// The defaults.
  public init() {}
}

/// What a proxy is started with.
public struct IngressConfiguration: Sendable {
  /// A listening stream socket (TCP or unix), taken over by the proxy. It is closed, never shut down, as others may share it.
  public var listener: CInt
  /// The length of the listener's queue of connections (listen(2)).
  public var backlog: CInt = 1024
  /// Where the control socket is made, mode 0600; at most 107 octets. The directory has to be private.
  public var controlPath: String
  /// Whether X-Forwarded-Proto and X-Forwarded-Host of clients are passed on (true only behind a proxy that sets them).
  public var trustsForwardedHeaders = false
  /// Bounds.
  public var limits = IngressLimits()

  /// - Parameters:
  ///   - listener: the descriptor of a listening socket.
  ///   - controlPath: the path of the control socket.
  public init(listener: CInt, controlPath: String) {
    self.listener = listener
    self.controlPath = controlPath
  }
}
