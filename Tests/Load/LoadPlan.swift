import Glibc

/// Where the load goes: a port of this machine.
public struct Endpoint: Sendable, Equatable {
  /// The address as text, such as `127.0.0.1`.
  public let host: String
  /// The port, 1…65535.
  public let port: UInt16
  /// The address in network byte order.
  let address: UInt32

  /// Reads `http://HOST:PORT` with an optional `/` at its end; HOST is `localhost` or an address in 127.0.0.0/8.
  /// - Returns: nil for anything else.
  public init?(parsing url: String) {
    let scheme = "http://"
    guard url.hasPrefix(scheme) else { return nil }
    var rest = url.dropFirst(scheme.count)
    if rest.hasSuffix("/") { rest.removeLast() }
    let parts = rest.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count <= 2, let first = parts.first else { return nil }
    let host = first == "localhost" ? "127.0.0.1" : String(first)
    guard let port = parts.count == 2 ? UInt16(parts[1]) : 80, port > 0 else { return nil }
    var parsed = in_addr()
    guard inet_pton(AF_INET, host, &parsed) == 1, UInt32(bigEndian: parsed.s_addr) >> 24 == 127 else { return nil }
    self.host = host
    self.port = port
    address = parsed.s_addr
  }

  /// The value for a `Host` field.
  var authority: String { "\(host):\(port)" }
}

/// A load: what is sent where, how much of it, and what counts as a right answer.
public struct LoadPlan: Sendable {
  /// No run is longer than this.
  public static let longestDuration = Duration.seconds(20 * 60)
  /// Bodies of POSTs are 1 byte to this long.
  public static let largestBody = 256 * 1024

  /// Where it goes.
  public var target: Endpoint
  /// Where new connections go after ``LoadRun/switchTarget()``, and back: a second instance of the same service.
  public var otherTarget: Endpoint?
  /// How many connections are kept busy, 1…4096.
  public var connections = 64
  /// How they behave.
  public var mix = Mix.standard
  /// What `keep-alive`, `new` and `pipelined` ask for.
  public var pathGet = "/"
  /// What `slow` asks for: something that takes about a second.
  public var pathSlow = "/slow?ms=1000"
  /// What `stream` asks for: a long or chunked response.
  public var pathStream = "/stream?chunks=20&ms=50"
  /// Where `post` sends bodies.
  public var pathPost = "/upload"
  /// Where `websocket` sends messages.
  public var pathWebSocket = "/ws"
  /// No request is begun after this time; at most ``longestDuration``.
  public var duration = Duration.seconds(30)
  /// No request is begun after so many.
  public var requests: Int?
  /// An attempt is lost when no byte has moved for this long; four times as long bounds the whole exchange.
  public var timeout = Duration.seconds(15)
  /// Statuses that are right answers to POSTs; nil means 200 to 299.
  public var acceptPost: Set<Int>?
  /// Whether the answer to a POST must be `{"bytes":N,"fnv":"hex"}` and right.
  public var verifyPost = false
  /// Whether `slow` reads its responses so slowly that each takes about a second, for servers that have no slow path.
  public var slowRead = false
  /// Whether all bodies of the slow and of the stream path must be the same as the first.
  public var sameBody = false
  /// Pause of a connection between two requests.
  public var think = Duration.zero
  /// Seed of bodies and sizes.
  public var seed: UInt64 = 1

  /// A plan with the defaults for `target`.
  public init(target: Endpoint) {
    self.target = target
  }

  func path(_ behaviour: Behaviour) -> String {
    switch behaviour {
    case .keepAlive, .new, .pipelined: pathGet
    case .slow: pathSlow
    case .stream: pathStream
    case .post: pathPost
    case .websocket: pathWebSocket
    }
  }
}
