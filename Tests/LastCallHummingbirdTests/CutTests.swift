import LastCallHTTP
import LastCallHummingbird
import ServiceLifecycle
import Testing
import Wire

/// The end of patience, the numbers that are left, and who outlives whom.
@Suite struct CutTests {
  @Test func aCancelledDrainCutsWhatIsLeftAndCountsIt() async throws {
    let subject = try Subject.ours(options: .patient, observes: true)
    let service = try #require(subject.service)
    let idle = try subject.connect()
    _ = try await blocking { try idle.get("/?token=secret") }
    let busy = try subject.connect()
    try busy.send("GET /hold?token=secret HTTP/1.1\r\nHost: test\r\n\r\n")
    await subject.gate.holds()
    let drain = Task { await service.drain() }
    drain.cancel()
    #expect(try await blocking { (try? busy.readToEnd()) ?? [] }.isEmpty)
    await subject.recorder.requests.wait { $0.ended.count == 2 }
    subject.gate.open()
    let report = await drain.value
    #expect(report.connections == 2)
    #expect(report.connectionsCut == 2)
    #expect(report.requestsCut == 1)
    #expect(report.handlersLeft == 0)
    #expect(!report.isClean)
    #expect(subject.recorder.requests.value == Recorder.Requests(began: ["GET /", "GET /hold"], ended: [false, true]))
    #expect(service.connections.counts.requestsInFlight == 0)
    try await subject.running.value
  }

  @Test func aHandlerThatDoesNotHeedItsCancellationIsLeftBehind() async throws {
    let subject = try Subject.ours(options: .impatient)
    let service = try #require(subject.service)
    let client = try subject.connect()
    try client.send("GET /hold HTTP/1.1\r\nHost: test\r\n\r\n")
    await subject.gate.holds()
    service.cut()
    #expect(await service.drain().handlersLeft == 1)
    try await subject.running.value
    subject.gate.open()
  }

  @Test func aCancelledRunCuts() async throws {
    let subject = try Subject.ours(options: .patient, observes: true)
    let service = try #require(subject.service)
    let client = try subject.connect()
    try client.send("GET /hold HTTP/1.1\r\nHost: test\r\n\r\n")
    await subject.gate.holds()
    subject.running.cancel()
    #expect(try await blocking { (try? client.readToEnd()) ?? [] }.isEmpty)
    await subject.recorder.requests.wait { $0.ended == [true] }
    subject.gate.open()
    _ = await subject.running.result
    #expect(service.connections.counts.requestsCut == 1)
    #expect(throws: SocketError.self) { try subject.connect() }
  }

  @Test func aClientThatGoesAwayIsNotCut() async throws {
    let subject = try Subject.ours(observes: true)
    let service = try #require(subject.service)
    let client = try subject.connect()
    try client.send("GET /hold HTTP/1.1\r\nHost: test\r\n\r\n")
    await subject.gate.holds()
    client.reset()
    await subject.recorder.sees([.new, .active, .closed])
    #expect(service.connections.counts.requestsAbandoned == 1)
    #expect(subject.recorder.requests.value.ended == [false])
    subject.gate.open()
    await subject.stop()
    try await subject.running.value
  }

  @Test func completedRequestsAreCounted() async throws {
    let subject = try Subject.ours(observes: true)
    let service = try #require(subject.service)
    let client = try subject.connect()
    for _ in 0..<5 { _ = try await blocking { try client.get("/") } }
    client.close()
    await subject.stop()
    try await subject.running.value
    let counts = service.connections.counts
    #expect(counts.requestsCompleted == 5)
    #expect(counts.requestsInFlight == 0)
    #expect(counts.connections == 0)
    #expect(subject.recorder.requests.value.ended == Array(repeating: false, count: 5))
  }

  /// The admin port: first in the group's order, so last to be told; and with
  /// `endsOnGracefulShutdown` off not told at all: it ends by cancellation.
  @Test(arguments: [true, false]) func anotherServiceOutlivesTheDrain(_ endsByItsPlace: Bool) async throws {
    let host = ownLoopbackAddress()
    let gate = Gate()
    var options = HummingbirdService.Options()
    options.endsOnGracefulShutdown = endsByItsPlace
    let admin = HummingbirdService(
      listener: try .bind(host: host, port: 0), router: makeRouter(gate), options: options, logger: .quiet)
    let main = HummingbirdService(listener: try .bind(host: host, port: 0), router: makeRouter(gate), logger: .quiet)
    let group = ServiceGroup(
      configuration: .init(
        services: [
          .init(service: admin, successTerminationBehavior: .gracefullyShutdownGroup),
          .init(service: main, successTerminationBehavior: .gracefullyShutdownGroup),
        ], logger: .quiet))
    let running = Task { try await group.run() }
    let client = try Socket.connect(host: host, port: Int(main.port ?? 0))
    try client.send("GET /hold HTTP/1.1\r\nHost: test\r\n\r\n")
    await gate.holds()
    await group.triggerGracefulShutdown()
    await main.stopAccepting()
    let probe = try Socket.connect(host: host, port: Int(admin.port ?? 0))
    #expect(try await blocking { try probe.get("/") }.text == "ok\n")
    probe.close()
    gate.open()
    #expect(try await blocking { try client.response() }.saysClose)
    client.close()
    if !endsByItsPlace { running.cancel() }
    _ = await running.result
    #expect(throws: SocketError.self) { try Socket.connect(host: host, port: Int(admin.port ?? 0)) }
  }

  @Test func twoRunsAreAnError() async throws {
    let subject = try Subject.ours()
    let service = try #require(subject.service)
    let client = try subject.connect()
    _ = try await blocking { try client.get("/") }
    client.close()
    await #expect(throws: (any Error).self) { try await service.run() }
    await subject.stop()
    try await subject.running.value
  }

  enum Protocols: CaseIterable {
    case http1
    case webSocketToo
    case http2Too
    case all

    var options: HummingbirdService.Options {
      var options = HummingbirdService.Options.withEcho
      if self == .http1 || self == .http2Too { options.webSocket = nil }
      options.http2 = self == .http2Too || self == .all
      return options
    }
  }

  /// Whatever else is spoken on the port, HTTP/1.1 is served alike: a malformed first request, and a client that ends its side behind its
  /// request.
  @Test(arguments: Protocols.allCases) func oddClients(_ protocols: Protocols) async throws {
    let subject = try Subject.ours(options: protocols.options)
    let malformed = try subject.connect()
    try malformed.send("no request\r\n\r\n")
    #expect(try await blocking { try malformed.response() }.status == 400)
    #expect(try await blocking { try malformed.readToEnd() }.isEmpty)
    malformed.close()
    let hasEnded = try subject.connect()
    try hasEnded.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n")
    hasEnded.shutdownOutput()
    #expect(try await blocking { try hasEnded.response() }.text == "ok\n")
    #expect(try await blocking { try hasEnded.readToEnd() }.isEmpty)
    hasEnded.close()
    await subject.stop()
    try await subject.running.value
  }

  @Test(arguments: Protocols.allCases) func aSilentClientIsBounded(_ protocols: Protocols) async throws {
    var options = protocols.options
    options.http1.idleTimeout = .milliseconds(50)
    let subject = try Subject.ours(options: options)
    let silent = try subject.connect()
    #expect(try await blocking { try silent.readToEnd() }.isEmpty)
    silent.close()
    await subject.stop()
    try await subject.running.value
  }

  @Test(arguments: ["127.0.0.1", "::1"]) func addresses(_ host: String) async throws {
    let subject = try Subject.ours(listener: .bind(host: host, port: 0))
    let client = try Socket.connect(host: host, port: subject.port)
    #expect(try await blocking { try client.get("/") }.text == "ok\n")
    client.close()
    await subject.stop()
    try await subject.running.value
  }
}

extension HummingbirdService.Options {
  static var patient: Self {
    var options = Self()
    options.cutLimit = .seconds(600)
    return options
  }

  static var impatient: Self {
    var options = Self()
    options.cutLimit = .milliseconds(100)
    return options
  }
}
