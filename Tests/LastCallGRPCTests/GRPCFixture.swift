import GRPCCore
import GRPCNIOTransportHTTP2Posix
import LastCall
import LastCallGRPC
import LastCallTestKit
import Testing

/// A server on loopback and the termination that stops it, whose time and signals a test has in its hand.
struct GRPCFixture: Sendable {
  let clock = TestClock()
  let signals = TestSignals()
  let log = CapturedLog()
  let events = RecordedEvents()
  let termination: Termination
  let transport: HTTP2ServerTransport.Posix
  let server: DrainingGRPCServer<HTTP2ServerTransport.Posix>

  init(_ name: String = "server", port: Int = 0) {
    var configuration = TerminationConfiguration()
    configuration.grace = .seconds(20)
    configuration.followsPipeRules = false
    configuration.budgets.propagation = .zero
    termination = Termination(configuration: configuration, logger: log.logger, clock: clock, signals: signals)
    transport = HTTP2ServerTransport.Posix(address: .ipv4(host: "127.0.0.1", port: port), transportSecurity: .plaintext)
    server = DrainingGRPCServer(transport: transport, services: [TestService(name: name, events: events)], termination: termination)
    termination.add(server, name: "grpc")
  }

  /// Runs the termination until it has ended.
  func run() -> Task<TerminationReport, Never> { Task { await termination.run() } }

  /// The port, once it listens.
  var port: Int {
    get async throws { try #require(try await transport.listeningAddress.ipv4?.port) }
  }

  /// Sends TERM, and waits until the server has closed its listener. A Get has to be in flight: its being told says so.
  func stopAndWaitUntilTold() async {
    signals.send(.term)
    await events.wait(for: "Get told")
  }
}

/// What a client got.
enum Answer: Equatable, Sendable {
  case whole([String])
  /// An error before the first message, and what it says.
  case refused(RPCError.Code, String)
  /// An error after the first message.
  case half([String], RPCError.Code)

  /// Whether it failed as a call does that no server has taken, or whose connection was lost.
  var isUnavailable: Bool {
    switch self {
    case .whole: false
    case .refused(let code, _), .half(_, let code): code == .unavailable
    }
  }
}

/// A client of servers on loopback.
struct TestClient: Sendable {
  let client: GRPCClient<HTTP2ClientTransport.Posix>

  /// Calls a method to its end.
  /// - Parameter waitsForServer: whether it waits for a connection rather than fail when there is no server.
  func call(_ method: TestService.Method, waitsForServer: Bool = true) async throws -> Answer {
    var options = CallOptions.defaults
    options.waitForReady = waitsForServer
    let got = RecordedEvents()
    do {
      try await client.serverStreaming(
        request: ClientRequest(message: ""), descriptor: method.descriptor, serializer: TextCoding(), deserializer: TextCoding(),
        options: options
      ) { response in
        for try await message in response.messages { got.record(message) }
      }
      return .whole(got.events)
    } catch let error as RPCError {
      return got.events.isEmpty ? .refused(error.code, "\(error)") : .half(got.events, error.code)
    }
  }
}

/// Runs a client that goes to the servers at these ports in turn, as far as they answer.
func withClient<R: Sendable>(of ports: Int..., body: (TestClient) async throws -> R) async throws -> R {
  let transport = try HTTP2ClientTransport.Posix(
    target: .ipv4(pairs: ports.map { (host: "127.0.0.1", port: $0) }), transportSecurity: .plaintext,
    serviceConfig: ServiceConfig(loadBalancingConfig: [.roundRobin]))
  return try await withGRPCClient(transport: transport) { try await body(TestClient(client: $0)) }
}

extension TerminationReport {
  /// How many requests were completed and how many were cut; nil when anything else was tracked too.
  var requests: [Int]? { work.map(\.kind) == ["request"] ? [work[0].completed, work[0].cut] : nil }
}
