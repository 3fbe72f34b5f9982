import LastCallHTTP
import LastCallHummingbird
import Testing
import Wire

/// Who has ended a request that is not answered whole: this side (cut), or its client (abandoned).
@Suite struct OutcomeTests {
  private func expect(_ subject: Subject, completed: Int = 0, cut: Int = 0, abandoned: Int = 0) async throws {
    await subject.recorder.requests.wait { $0.ended.count == completed + cut + abandoned }
    await subject.stop()
    try await subject.running.value
    let counts = try #require(subject.service).connections.counts
    #expect(counts.requestsCompleted == completed)
    #expect(counts.requestsCut == cut)
    #expect(counts.requestsAbandoned == abandoned)
    #expect(subject.recorder.requests.value.ended.count { $0 } == cut)
  }

  @Test func aHandlerThatFailsInTheMiddleOfAResponseCutsIt() async throws {
    let subject = try Subject.ours(observes: true)
    let client = try subject.connect()
    try client.send("GET /broken HTTP/1.1\r\nHost: test\r\n\r\n")
    await subject.gate.holds()
    subject.gate.open()
    _ = try await blocking { (try? client.readToEnd()) ?? [] }
    client.close()
    try await expect(subject, cut: 1)
  }

  @Test func aHandlerThatFailsInTheMiddleOfAResponseOfHTTP2CutsIt() async throws {
    let subject = try Subject.ours(options: .withHTTP2, observes: true)
    let client = try subject.connect()
    try client.beginHTTP2()
    try client.get("/broken", stream: 1)
    await subject.gate.holds()
    subject.gate.open()
    #expect(try await blocking { try client.next(.reset) }.stream == 1)
    client.close()
    try await expect(subject, cut: 1)
  }

  @Test func whatTheServerCutsOfHTTP2IsCut() async throws {
    let subject = try Subject.ours(options: .withHTTP2, observes: true)
    let client = try subject.connect()
    try client.beginHTTP2()
    try client.get("/hold", stream: 1)
    await subject.gate.holds()
    subject.service?.cut()
    subject.gate.open()
    try await expect(subject, cut: 1)
    client.close()
  }

  enum Leaving: CaseIterable {
    case resetsTheStream
    case resetsTheConnection
    case closesTheConnection
    case breaksTheProtocol
  }

  /// Also when the handler fails in consequence.
  @Test(arguments: Leaving.allCases, ["/hold", "/broken"])
  func aClientOfHTTP2ThatGoesAwayAbandonsItsRequest(_ leaving: Leaving, _ path: String) async throws {
    let subject = try Subject.ours(options: .withHTTP2, observes: true)
    let client = try subject.connect()
    try client.beginHTTP2()
    try client.get(path, stream: 1)
    await subject.gate.holds()
    switch leaving {
    case .resetsTheStream: try client.send(HTTP2WireFrame(.reset, stream: 1, payload: [0, 0, 0, 8]))
    case .resetsTheConnection: client.reset()
    case .closesTheConnection: client.close()
    case .breaksTheProtocol:
      try client.send(HTTP2WireFrame(.headers, flags: 0x5, stream: 0, payload: [0x82]))
      _ = try await blocking { (try? client.readToEnd()) ?? [] }
      client.close()
    }
    await subject.recorder.requests.wait { !$0.ended.isEmpty }
    subject.gate.open()
    client.close()
    try await expect(subject, abandoned: 1)
  }

  /// The response is under way, so it cannot be answered by a 400: the connection ends, and the client is why.
  @Test(arguments: ["zz\r\n", "5\r\nabcdefg\r\n"]) func aMalformedChunkIsTheClients(_ chunk: String) async throws {
    let subject = try Subject.ours(observes: true)
    let client = try subject.connect()
    try client.send("POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
    #expect(try await blocking { try client.read(through: "ab") }.hasPrefix("HTTP/1.1 200"))
    try client.send(chunk)
    _ = try await blocking { (try? client.readToEnd()) ?? [] }
    client.close()
    try await expect(subject, abandoned: 1)
  }

  /// Go ends such a stream with RST_STREAM and NO_ERROR behind the response (`wroteFrame` in net/http2's server.go; RFC 9113 section 8.1);
  /// without it a client that uploads for hours holds the drain.
  @Test func aResponseBeforeTheEndOfTheBodyEndsTheStream() async throws {
    let subject = try Subject.ours(options: .withHTTP2, observes: true)
    let service = try #require(subject.service)
    let client = try subject.connect()
    try client.beginHTTP2()
    try client.post("/early", stream: 1)
    let frames = try await blocking {
      var frames: [HTTP2WireFrame] = []
      while frames.last?.kind != .reset {
        let frame = try client.readFrame()
        if frame.stream == 1 { frames.append(frame) }
      }
      return frames
    }
    #expect(frames.dropLast().last?.endsStream == true, "the response is whole before")
    #expect(frames.last?.errorCode == 0)
    // What the client has sent before it knew is nobody's, and takes nothing of the connection's window (65,535 bytes) from others.
    for _ in 0..<8 { try client.send(HTTP2WireFrame(.data, stream: 1, payload: Array(repeating: 0, count: 16_000))) }
    try client.post("/count", stream: 3)
    for _ in 0..<4 { try client.send(HTTP2WireFrame(.data, stream: 3, payload: Array(repeating: 0, count: 16_000))) }
    try client.send(HTTP2WireFrame(.data, flags: 1, stream: 3))
    #expect(try await blocking { try client.body(ofStream: 3) } == "64000\n")
    try client.post("/early", stream: 5)
    #expect(try await blocking { try client.next(.reset) }.stream == 5)
    // Nothing is left that the drain would wait for.
    async let report = service.drain()
    #expect(try await blocking { try client.next(.goAway) }.lastStream == 0x7fff_ffff)
    try client.acknowledge(try await blocking { try client.next(.ping) })
    #expect(try await blocking { try client.next(.goAway) }.lastStream == 5)
    #expect(try await blocking { try client.readToEnd() }.isEmpty)
    client.close()
    #expect(await report.isClean)
    try await expect(subject, completed: 3)
  }
}

extension Socket {
  /// The head of a POST whose body follows: literal `:method`, indexed `:scheme`, literal `:path` and `:authority` (RFC 7541 appendix A).
  fileprivate func post(_ path: String, stream: UInt32) throws {
    let method = [0x02, 4] + Array("POST".utf8)
    let block = method + [0x86, 0x04, UInt8(path.utf8.count)] + Array(path.utf8) + [0x01, 4] + Array("test".utf8)
    try send(HTTP2WireFrame(.headers, flags: 0x4, stream: stream, payload: block))
  }
}
