import LastCallHTTP
import LastCallHummingbird
import Testing
import Wire

/// Go's net/http cases of shutdown, under Go's names (src/net/http/serve_test.go). Where Swift differs docs/go-cases-http.md says why.
@Suite struct GoShutdownTests {
  /// Go: Shutdown is called inside a handler; a new request fails before the callbacks of RegisterOnShutdown run; the response comes; the
  /// connection was active. Here what such a callback does follows `stopAccepting()`.
  @Test("TestServerShutdown") func testServerShutdown() async throws {
    let subject = try Subject.ours()
    let service = try #require(subject.service)
    let client = try subject.connect()
    try client.send("GET /hold HTTP/1.1\r\nHost: test\r\n\r\n")
    await subject.gate.holds()
    #expect(service.connections.counts.active == 1)
    await service.stopAccepting()
    #expect(throws: SocketError.self) { try subject.connect() }
    service.connections.drain()
    async let report = service.drain()
    subject.gate.open()
    let response = try await blocking { try client.response() }
    #expect(response.text == "held\n")
    #expect(response.saysClose)
    #expect(try await blocking { try client.readToEnd() }.isEmpty)
    client.close()
    #expect(await report.isClean)
    try await subject.running.value
    await subject.recorder.sees([.new, .active, .closed])
  }

  @Test("TestServerShutdown over HTTP/2") func testServerShutdownHTTP2() async throws {
    let subject = try Subject.ours(options: .withHTTP2)
    let service = try #require(subject.service)
    let client = try subject.connect()
    try client.beginHTTP2()
    try client.get("/hold", stream: 1)
    await subject.gate.holds()
    await subject.recorder.sees([.new, .active, .idle, .active])
    await service.stopAccepting()
    #expect(throws: SocketError.self) { try subject.connect() }
    async let report = service.drain()
    #expect(try await blocking { try client.next(.goAway) }.lastStream == 0x7fff_ffff)
    try client.acknowledge(try await blocking { try client.next(.ping) })
    #expect(try await blocking { try client.next(.goAway) }.lastStream == 1)
    subject.gate.open()
    #expect(try await blocking { try client.body(ofStream: 1) } == "held\n")
    #expect(try await blocking { try client.readToEnd() }.isEmpty)
    client.close()
    #expect(await report.isClean)
    try await subject.running.value
  }

  /// Go: not before 5 s and not after 7. Here the bound is the one that was set.
  @Test("TestServerShutdownStateNew") func testServerShutdownStateNew() async throws {
    let subject = try Subject.ours(.ample.with(\.request, .milliseconds(300)))
    let client = try subject.connect()
    await subject.recorder.sees([.new])
    let begun = ContinuousClock.now
    await subject.stop()
    #expect(try await blocking { try client.readToEnd() }.isEmpty)
    #expect(ContinuousClock.now - begun >= .milliseconds(300))
    client.close()
    try await subject.running.value
  }

  /// Go: ErrServerClosed. Here run() returns: for a service that is no error (it was told to stop before it began).
  @Test("TestServerShutdownThenServe") func testServerShutdownThenServe() async throws {
    let host = ownLoopbackAddress()
    let service = HummingbirdService(
      listener: try .bind(host: host, port: 0), router: makeRouter(Gate()), logger: .quiet)
    let port = Int(try #require(service.port))
    await service.drain()
    try await service.run()
    #expect(throws: SocketError.self) { try Socket.connect(host: host, port: port) }
  }

  /// The listener's file is removed when it is closed, so a second close would remove the file of whoever listens there next.
  @Test("TestServerCloseListenerOnce") func testServerCloseListenerOnce() async throws {
    let path = "/tmp/lastcall-test-\(UInt64.random(in: 0...UInt64.max))"
    let subject = try Subject.ours(listener: .bind(path: path))
    let service = try #require(subject.service)
    await service.stopAccepting()
    let next = try Subject.ours(listener: .bind(path: path))
    await service.stopAccepting()
    await service.drain()
    service.cut()
    try await subject.running.value
    let client = try Socket.connect(path: path)
    #expect(try await blocking { try client.get("/") }.text == "ok\n")
    client.close()
    await next.stop()
    try await next.running.value
  }

  @Test("TestServerCloseDeadlock") func testServerCloseDeadlock() async throws {
    let subject = try Subject.ours()
    let service = try #require(subject.service)
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<8 {
        group.addTask { service.cut() }
        group.addTask { await service.stopAccepting() }
        group.addTask { await service.drain() }
      }
    }
    try await subject.running.value
  }

  /// Go: the idle connection is closed. Here it is closed after the linger.
  @Test("TestServerSetKeepAlivesEnabledClosesConns") func testServerSetKeepAlivesEnabledClosesConns() async throws {
    let subject = try Subject.ours(.ample.with(\.linger, .milliseconds(50)))
    let service = try #require(subject.service)
    let client = try subject.connect()
    #expect(try await blocking { try client.get("/") }.saysClose == false)
    await subject.recorder.sees([.new, .active, .idle])
    service.connections.setKeepAlive(false)
    #expect(try await blocking { try client.readToEnd() }.isEmpty)
    client.close()
    await subject.recorder.sees([.new, .active, .idle, .closed])
    await subject.stop()
    try await subject.running.value
  }

  @Test("TestServerKeepAlivesEnabled", arguments: ["TestServerKeepAlivesEnabled", "TestServerKeepAlivesEnabledResultClose"])
  func testServerKeepAlivesEnabled(_ name: String) async throws {
    let subject = try Subject.ours()
    let service = try #require(subject.service)
    service.connections.setKeepAlive(false)
    for _ in 0..<2 {
      let client = try subject.connect()
      let response = try await blocking { try client.get("/") }
      #expect(response.text == "ok\n")
      #expect(response.saysClose)
      #expect(try await blocking { try client.readToEnd() }.isEmpty)
      client.close()
    }
    service.connections.setKeepAlive(true)
    let client = try subject.connect()
    for _ in 0..<2 { #expect(try await blocking { try client.get("/") }.saysClose == false) }
    client.close()
    await subject.stop()
    try await subject.running.value
  }

  /// The server answers and closes while the client's bytes are unread; a close without a FIN first would reset the connection, which can
  /// destroy the response on its way.
  @Test("TestCloseWrite") func testCloseWrite() async throws {
    let subject = try Subject.ours()
    let client = try subject.connect()
    try client.send("GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n" + String(repeating: "x", count: 100_000))
    let response = try await blocking { try client.response() }
    #expect(response.text == "ok\n")
    try client.send(Array(repeating: 0, count: 100_000))
    #expect(try await blocking { try client.readToEnd() }.isEmpty)
    client.close()
    await subject.stop()
    try await subject.running.value
  }

  /// Shutdown during a stream. Go sends GOAWAY with the last stream at once; here it is the second of two.
  @Test("TestServerGracefulShutdown (x/net/http2)") func testServerGracefulShutdown() async throws {
    let subject = try Subject.ours(.ample.with(\.pingAck, .milliseconds(20)), options: .withHTTP2)
    let client = try subject.connect()
    try client.beginHTTP2()
    try client.get("/hold", stream: 1)
    await subject.gate.holds()
    await subject.stop()
    _ = try await blocking { try client.next(.goAway) }
    let last = try await blocking { try client.next(.goAway) }
    #expect(last.lastStream == 1)
    #expect(last.errorCode == 0)
    subject.gate.open()
    #expect(try await blocking { try client.body(ofStream: 1) } == "held\n")
    #expect(try await blocking { try client.readToEnd() }.isEmpty)
    client.close()
    try await subject.running.value
  }

  /// Go: the timer of a head starts at its first byte, not while the connection is idle. Here in a drain: an idle connection has the
  /// linger, though a head has no time at all.
  @Test(
    "TestServerCancelsReadTimeoutWhenIdle",
    arguments: ["TestServerCancelsReadTimeoutWhenIdle", "TestServerCancelsReadHeaderTimeoutWhenIdle"])
  func testServerCancelsReadTimeoutWhenIdle(_ name: String) async throws {
    let subject = try Subject.ours(.ample.with(\.request, .zero))
    let service = try #require(subject.service)
    let client = try subject.connect()
    _ = try await blocking { try client.get("/") }
    await subject.recorder.sees([.new, .active, .idle])
    service.connections.drain()
    let response = try await blocking { try client.get("/") }
    #expect(response.text == "ok\n")
    #expect(response.saysClose)
    client.close()
    await subject.stop()
    try await subject.running.value
  }
}

extension HummingbirdService.Options {
  static var withHTTP2: Self {
    var options = Self()
    options.http2 = true
    return options
  }
}
