import Hummingbird
import LastCallHTTP
import LastCallHummingbird
import Testing
import Wire

/// What the same client sees of a stop: of plain Hummingbird (an `Application` in a ServiceGroup), and of ``HummingbirdService``.
/// Each expectation says what the one does and what the other.
@Suite struct BeforeAndAfterTests {
  enum Server: CaseIterable {
    case plain
    case ours

    func start(_ limits: DrainLimits = .ample) async throws -> Subject {
      switch self {
      case .plain: try await Subject.plain()
      case .ours: try Subject.ours(limits)
      }
    }
  }

  /// Stops by graceful shutdown; what follows sees the stop begun. Plain Hummingbird says nothing of that, but its listener is closed then.
  private func stop(_ subject: Subject) async throws {
    await subject.stop()
    try await subject.refuses()
  }

  /// Both: new connections are refused at once.
  @Test(arguments: Server.allCases) func listener(_ server: Server) async throws {
    let subject = try await server.start()
    try await stop(subject)
    #expect(throws: SocketError.self) { try subject.connect() }
    try await subject.running.value
  }

  /// Plain: closed at once, so a request that is on its way is lost. Ours: the request is answered, and the response says close.
  @Test(arguments: Server.allCases) func requestOnAnIdleConnection(_ server: Server) async throws {
    let subject = try await server.start()
    let client = try subject.connect()
    #expect(try await blocking { try client.get("/") }.text == "ok\n")
    try await stop(subject)
    switch server {
    case .plain: #expect(try await blocking { try client.readToEnd() }.isEmpty)
    case .ours:
      let response = try await blocking { try client.get("/") }
      #expect(response.text == "ok\n")
      #expect(response.saysClose)
      #expect(try await blocking { try client.readToEnd() }.isEmpty)
    }
    client.close()
    try await subject.running.value
  }

  /// Plain: closed at once. Ours: its first request is answered.
  @Test(arguments: Server.allCases) func connectionThatWasNeverUsed(_ server: Server) async throws {
    let subject = try await server.start()
    let client = try subject.connect()
    // Answered on another connection: the first one has been accepted before.
    let other = try subject.connect()
    _ = try await blocking { try other.get("/") }
    other.close()
    try await stop(subject)
    switch server {
    case .plain: #expect(try await blocking { try client.readToEnd() }.isEmpty)
    case .ours: #expect(try await blocking { try client.get("/") }.saysClose)
    }
    client.close()
    try await subject.running.value
  }

  /// Plain: closed at once and the request dropped; what comes is a 400 or nothing. Ours: the rest of the head is waited for.
  @Test(arguments: Server.allCases) func halfAHead(_ server: Server) async throws {
    let subject = try await server.start()
    let client = try subject.connect()
    try client.send("GET / HTTP/1.1\r\nHost: ")
    // Answered on another connection: the bytes before have been read, or will be before the stop is seen.
    let other = try subject.connect()
    _ = try await blocking { try other.get("/") }
    other.close()
    try await stop(subject)
    switch server {
    case .plain:
      let answer = String(decoding: try await blocking { (try? client.readToEnd()) ?? [] }, as: UTF8.self)
      #expect(!answer.contains("200"))
    case .ours:
      try client.send("test\r\n\r\n")
      let response = try await blocking { try client.response() }
      #expect(response.text == "ok\n")
      #expect(response.saysClose)
    }
    client.close()
    try await subject.running.value
  }

  /// Both: the response comes whole. Plain: it does not say close, so a client may send its next request into the end. Ours: it says so.
  @Test(arguments: Server.allCases) func requestInFlight(_ server: Server) async throws {
    let subject = try await server.start()
    let client = try subject.connect()
    try client.send("GET /hold HTTP/1.1\r\nHost: test\r\n\r\n")
    await subject.gate.holds()
    try await stop(subject)
    subject.gate.open()
    let response = try await blocking { try client.response() }
    #expect(response.text == "held\n")
    #expect(response.saysClose == (server == .ours))
    #expect(try await blocking { try client.readToEnd() }.isEmpty)
    client.close()
    try await subject.running.value
  }

  /// Twenty requests, sent after the stop behind one in flight. Plain: those that were read by then are served, no response says close, and
  /// what was not read resets the connection, which can take responses with it. Ours, without linger: the
  /// response in flight says close, so the client knows that the others were not handled; with one they are served, and the last says it.
  @Test(arguments: [(Server.plain, Duration.zero), (.ours, .zero), (.ours, .seconds(600))])
  func pipelinedRequests(_ server: Server, _ linger: Duration) async throws {
    let subject = try await server.start(.ample.with(\.linger, linger))
    let client = try subject.connect()
    try client.send("GET /hold HTTP/1.1\r\nHost: test\r\n\r\n")
    await subject.gate.holds()
    try await stop(subject)
    try client.send(String(repeating: "GET / HTTP/1.1\r\nHost: test\r\n\r\n", count: 20))
    subject.gate.open()
    let responses = try await blocking {
      var responses: [Message] = []
      do {
        while try client.hasMore() { responses.append(try client.response()) }
      } catch {
        if server == .ours { throw error }
      }
      return responses
    }
    client.close()
    try await subject.running.value
    switch server {
    case .plain: #expect(!responses.contains { $0.saysClose })
    case .ours:
      #expect(responses.first?.text == "held\n")
      #expect(responses.last?.saysClose == true)
      #expect(!responses.dropLast().contains { $0.saysClose })
    }
  }

  /// A client that has fifty requests in flight without end. Plain Hummingbird serves it as long as it is fast enough; ours ends it.
  @Test func pipeliningWithoutEnd() async throws {
    let subject = try Subject.ours(.ample.with(\.linger, .milliseconds(50)))
    let client = try subject.connect()
    let next = "GET / HTTP/1.1\r\nHost: test\r\n\r\n"
    try client.send(String(repeating: next, count: 50))
    _ = try await blocking { try client.response() }
    await subject.stop()
    try await blocking {
      // It ends with a response that says close, or, when this client is slower than the linger, in silence.
      var count = 0
      while try client.hasMore() {
        try #require(count < 1_000_000)
        count += 1
        if try client.response().saysClose { break }
        try? client.send(next)
      }
      #expect(try client.readToEnd().isEmpty)
    }
    client.close()
    try await subject.running.value
  }

  /// Both: an upload under way ends whole. Only ours says close.
  @Test(arguments: Server.allCases) func upload(_ server: Server) async throws {
    let subject = try await server.start()
    let client = try subject.connect()
    try client.send("POST /count HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nabc")
    await subject.gate.holds()
    try await stop(subject)
    try client.send("defghij")
    let response = try await blocking { try client.response() }
    #expect(response.text == "10\n")
    #expect(response.saysClose == (server == .ours))
    client.close()
    try await subject.running.value
  }

  /// Without any stop: a request that offers HTTP/2 as Java's HttpClient does, then another. Plain: the other is never answered, since NIO's
  /// decoder has stopped. Ours: it is.
  @Test(arguments: Server.allCases, [false, true]) func requestAfterAnOffer(_ server: Server, offers: Bool) async throws {
    let subject = try await server.start()
    let client = try subject.connect()
    let offer = offers ? "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n" : ""
    try client.send("GET / HTTP/1.1\r\nHost: test\r\n\(offer)\r\n")
    #expect(try await blocking { try client.response() }.text == "ok\n")
    try client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n")
    // What was sent before the end is read before it.
    if server == .plain { client.shutdownOutput() }
    if server == .plain && offers {
      #expect(try await blocking { try client.readToEnd() }.isEmpty)
    } else {
      #expect(try await blocking { try client.response() }.text == "ok\n")
    }
    client.close()
    await subject.stop()
    try await subject.running.value
  }
}
