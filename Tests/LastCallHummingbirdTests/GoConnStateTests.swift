import LastCallHTTP
import Testing
import Wire

/// The sequences of states of Go's `TestServerConnState` (src/net/http/serve_test.go).
@Suite struct GoConnStateTests {
  private func end(_ subject: Subject) async throws {
    await subject.stop()
    try await subject.running.value
  }

  @Test("TestServerConnState: keep-alive, then close") func keepAliveThenClose() async throws {
    let subject = try Subject.ours()
    let client = try subject.connect()
    _ = try await blocking { try client.get("/") }
    await subject.recorder.sees([.new, .active, .idle])
    try client.send("GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
    #expect(try await blocking { try client.response() }.saysClose)
    client.close()
    await subject.recorder.sees([.new, .active, .idle, .active, .closed])
    try await end(subject)
  }

  @Test("TestServerConnState: hijack") func hijack() async throws {
    let subject = try Subject.ours(options: .withEcho)
    let client = try subject.connect()
    try client.send(Socket.upgradeRequest("/ws"))
    #expect(try await blocking { try client.readHead() }.status == 101)
    await subject.recorder.sees([.new, .active, .hijacked])
    #expect(subject.service?.connections.counts.hijacked == 1)
    client.close()
    try await end(subject)
    #expect(subject.recorder.states.value.values.first == [.new, .active, .hijacked])
    #expect(subject.service?.connections.counts.connections == 0)
  }

  @Test("TestServerConnState: connect, then close") func connectThenClose() async throws {
    let subject = try Subject.ours()
    let client = try subject.connect()
    await subject.recorder.sees([.new])
    client.close()
    await subject.recorder.sees([.new, .closed])
    try await end(subject)
  }

  @Test("TestServerConnState: bad request") func badRequest() async throws {
    let subject = try Subject.ours()
    let client = try subject.connect()
    try client.send("this is no request\r\n\r\n")
    #expect(try await blocking { try client.response() }.status == 400)
    client.close()
    await subject.recorder.sees([.new, .active, .closed])
    try await end(subject)
  }

  @Test("TestServerConnState: the client closes after the response") func clientClosesAfterResponse() async throws {
    let subject = try Subject.ours()
    let client = try subject.connect()
    _ = try await blocking { try client.get("/") }
    await subject.recorder.sees([.new, .active, .idle])
    client.close()
    await subject.recorder.sees([.new, .active, .idle, .closed])
    try await end(subject)
  }

  @Test("TestServerConnState: half a head, then close") func halfAHead() async throws {
    let subject = try Subject.ours()
    let client = try subject.connect()
    try client.send("GET / HTTP/1.1\r\nHo")
    client.close()
    await subject.recorder.sees([.new, .active, .closed])
    try await end(subject)
  }

  @Test("TestServerConnStateNew") func testServerConnStateNew() async throws {
    let subject = try Subject.ours()
    let clients = try (0..<20).map { _ in try subject.connect() }
    await subject.recorder.sees(20, .new)
    #expect(subject.service?.connections.counts.new == 20)
    for client in clients { client.close() }
    await subject.recorder.sees(20, .closed)
    try await end(subject)
  }

  /// golang/go#33191: an HTTP/2 connection was never seen active.
  @Test("go#33191: HTTP/2 connections are active while they have streams") func http2IsActive() async throws {
    let subject = try Subject.ours(options: .withHTTP2)
    let client = try subject.connect()
    try client.beginHTTP2()
    try client.get("/hold", stream: 1)
    await subject.recorder.sees([.new, .active, .idle, .active])
    subject.gate.open()
    _ = try await blocking { try client.body(ofStream: 1) }
    await subject.recorder.sees([.new, .active, .idle, .active, .idle])
    client.close()
    await subject.recorder.sees([.new, .active, .idle, .active, .idle, .closed])
    try await end(subject)
  }
}
