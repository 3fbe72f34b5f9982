import LastCallHTTP
import LastCallHummingbird
import NIOCore
import NIOHTTP1
import NIOWebSocket
import Testing
import Wire

extension HummingbirdService.Options {
  /// Every message is sent back.
  static var withEcho: Self {
    var options = Self()
    options.webSocket = WebSocketUpgrade(
      shouldUpgrade: { $0.uri == "/ws" ? HTTPHeaders() : nil },
      serve: { channel in
        try await channel.executeThenClose { inbound, outbound in
          for try await frame in inbound {
            try await outbound.write(WebSocketFrame(fin: true, opcode: frame.opcode, data: frame.unmaskedData))
            if frame.opcode == .connectionClose { return }
          }
        }
      })
    return options
  }
}

/// Upgraded connections; Go calls them hijacked.
@Suite struct HijackTests {
  private func upgraded(_ subject: Subject, with early: [UInt8] = []) async throws -> Socket {
    let client = try subject.connect()
    try client.send(Array(Socket.upgradeRequest("/ws").utf8) + early)
    #expect(try await blocking { try client.readHead() }.status == 101)
    return client
  }

  private func end(_ subject: Subject, _ client: Socket) async throws {
    client.close()
    await subject.stop()
    try await subject.running.value
  }

  @Test func aStopIsToldBy1001AndTheAnswerEndsTheConnection() async throws {
    let subject = try Subject.ours(options: .withEcho)
    let client = try await upgraded(subject)
    try client.send(WebSocketWireFrame(WebSocketWireFrame.text, Array("one".utf8)))
    #expect(try await blocking { try client.readWebSocketFrame() }.text == "one")
    await subject.stop()
    let close = try await blocking { try client.readWebSocketFrame() }
    #expect(close.opcode == WebSocketWireFrame.close)
    #expect(close.closeCode == 1001)
    try client.send(close)
    // The FIN, and no second Close.
    #expect(try await blocking { try client.readToEnd() }.isEmpty)
    client.close()
    try await subject.running.value
  }

  @Test func aMessageThatComesDuringTheStopIsAnsweredBeforeTheClose() async throws {
    let subject = try Subject.ours(.ample.with(\.lastMessage, .seconds(600)), options: .withEcho)
    let client = try await upgraded(subject)
    await subject.stop()
    try client.send(WebSocketWireFrame(WebSocketWireFrame.text, Array("late".utf8)))
    #expect(try await blocking { try client.readWebSocketFrame() }.text == "late")
    #expect(try await blocking { try client.readWebSocketFrame() }.closeCode == 1001)
    try await end(subject, client)
  }

  @Test func aClientThatDoesNotAnswerIsBounded() async throws {
    let subject = try Subject.ours(.ample.with(\.upgraded, .milliseconds(100)), options: .withEcho)
    let client = try await upgraded(subject)
    let begun = ContinuousClock.now
    await subject.stop()
    #expect(try await blocking { try client.readWebSocketFrame() }.closeCode == 1001)
    #expect(try await blocking { try client.readToEnd() }.isEmpty)
    #expect(ContinuousClock.now - begun >= .milliseconds(100))
    client.close()
    try await subject.running.value
  }

  @Test func aConnectionThatIsUpgradedInTheDrainIsToldToo() async throws {
    let subject = try Subject.ours(options: .withEcho)
    let client = try subject.connect()
    await subject.recorder.sees([.new])
    subject.service?.connections.drain()
    try client.send(Socket.upgradeRequest("/ws"))
    #expect(try await blocking { try client.readHead() }.status == 101)
    #expect(try await blocking { try client.readWebSocketFrame() }.closeCode == 1001)
    try await end(subject, client)
  }

  @Test func aCloseOfTheClientIsAnsweredByTheProgram() async throws {
    let subject = try Subject.ours(options: .withEcho)
    let client = try await upgraded(subject)
    try client.send(WebSocketWireFrame(WebSocketWireFrame.close, [0x03, 0xe8]))
    #expect(try await blocking { try client.readWebSocketFrame() }.closeCode == 1000)
    #expect(try await blocking { try client.readToEnd() }.isEmpty)
    try await end(subject, client)
  }

  /// Go: with keep-alive off the upgrade works all the same, and `Connection: Upgrade` is not replaced by close.
  @Test("TestDisableKeepAliveUpgrade") func testDisableKeepAliveUpgrade() async throws {
    let subject = try Subject.ours(options: .withEcho)
    subject.service?.connections.setKeepAlive(false)
    let client = try subject.connect()
    try client.send(Socket.upgradeRequest("/ws"))
    let response = try await blocking { try client.readHead() }
    #expect(response.status == 101)
    #expect(response["connection"].map { $0.lowercased() } == ["upgrade"])
    try client.send(WebSocketWireFrame(WebSocketWireFrame.text, Array("still here".utf8)))
    #expect(try await blocking { try client.readWebSocketFrame() }.text == "still here")
    try await end(subject, client)
  }

  /// Go: bytes that came before the hijack are the hijacker's. Here they come in one segment with the request.
  @Test("TestServerHijackGets", arguments: ["TestServerHijackGetsBackgroundByte": 1, "TestServerHijackGetsBackgroundByte_big": 300])
  func testServerHijackGets(_ name: String, _ frames: Int) async throws {
    let subject = try Subject.ours(options: .withEcho)
    let sent = (0..<frames).map { WebSocketWireFrame(WebSocketWireFrame.text, Array("message \($0)".utf8)) }
    let client = try await upgraded(subject, with: sent.flatMap(\.clientBytes))
    let received = try await blocking { try (0..<frames).map { _ in try client.readWebSocketFrame() } }
    #expect(received == sent)
    try await end(subject, client)
  }

  /// Go: a handler's writes after the hijack are no HTTP any more. Here all that passes after the 101 is the other protocol's: no head, no
  /// Connection field, no FIN of ours while nothing stops.
  @Test("TestWriteAfterHijack") func testWriteAfterHijack() async throws {
    let subject = try Subject.ours(options: .withEcho)
    let client = try await upgraded(subject)
    for text in ["HTTP/1.1 200 OK", "GET / HTTP/1.1"] {
      try client.send(WebSocketWireFrame(WebSocketWireFrame.text, Array(text.utf8)))
      #expect(try await blocking { try client.readWebSocketFrame() }.text == text)
    }
    try await end(subject, client)
  }

  /// Go: a second Hijack is an error. Here a second upgrade request is bytes of the other protocol, whatever that makes of them.
  @Test("TestDoubleHijack") func testDoubleHijack() async throws {
    let subject = try Subject.ours(options: .withEcho)
    let client = try await upgraded(subject)
    try client.send(Socket.upgradeRequest("/ws"))
    client.shutdownOutput()
    let answer = String(decoding: try await blocking { try client.readToEnd() }, as: UTF8.self)
    #expect(!answer.contains("101 Switching"))
    #expect(subject.recorder.states.value.values.first == [.new, .active, .hijacked])
    try await end(subject, client)
  }

  @Test func otherRequestsAreServedBesideTheUpgrade() async throws {
    let subject = try Subject.ours(options: .withEcho)
    let client = try subject.connect()
    #expect(try await blocking { try client.get("/") }.text == "ok\n")
    #expect(try await blocking { try client.get("/") }.text == "ok\n")
    try await end(subject, client)
  }

  /// What asks for another protocol, with fields or by method, and gets none: NIO's decoder takes nothing more of the connection then
  /// (stopParsing in HTTPDecoder.swift), and the next request hung. A Java HttpClient begins every plaintext connection so.
  @Test(
    arguments: [false, true],
    ["GET / HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n", "CONNECT / HTTP/1.1\r\n"])
  func aConnectionThatWasNotUpgradedIsServedOn(takesWebSocket: Bool, request: String) async throws {
    let subject = try Subject.ours(options: takesWebSocket ? .withEcho : .init())
    let client = try subject.connect()
    for piece in [request + "Host: test\r\n\r\n", request + "Host: test\r\n\r\nGET / HTTP/1.1\r\nHost: test\r\n\r\n"] {
      try client.send(piece)
      _ = try await blocking { try client.response() }
      if piece.hasSuffix("GET / HTTP/1.1\r\nHost: test\r\n\r\n") { #expect(try await blocking { try client.response() }.text == "ok\n") }
      #expect(try await blocking { try client.get("/") }.text == "ok\n")
    }
    try await end(subject, client)
  }

  /// Only the first request of a connection is upgraded; what comes later is a request like any other, and the next ones too.
  @Test func aLaterUpgradeRequestIsAnsweredAndTheNextOnesToo() async throws {
    let subject = try Subject.ours(options: .withEcho)
    let client = try subject.connect()
    #expect(try await blocking { try client.get("/") }.text == "ok\n")
    for _ in 0..<3 {
      try client.send(Socket.upgradeRequest("/ws"))
      #expect(try await blocking { try client.response() }.status == 404)
      #expect(try await blocking { try client.get("/") }.text == "ok\n")
    }
    try await end(subject, client)
  }

  /// Fields of which only llhttp itself could say whether its decoder stops (a tab, blanks within, Proxy-Connection): nothing crashes, nothing
  /// hangs. Whoever is not answered has been told close.
  @Test(
    arguments: [false, true],
    [
      "Connection: up grade\r\nUpgrade: x\r\n", "Connection: Upgrade\t\r\nUpgrade: x\r\n", "Connection: \tUpgrade , x\r\nUpgrade: x\r\n",
      "Proxy-Connection: upgrade\r\nUpgrade: x\r\n", "Upgrade: x\r\n", "Connection: x, Upgrade\r\nConnection: y\r\nUpgrade: x\r\n",
      "Connection: Upgrade,\r\nUpgrade: x\r\n", "Connection: Upgrade\u{a0}\r\nUpgrade: x\r\n", "Connection: Upgrades\r\nUpgrade: x\r\n",
      "Connection: Upgrade x\r\nUpgrade: x\r\n", "Connection: ,,upgrade \r\nUpgrade: x\r\n",
      "Connection: Upgrade\t\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a,b\r\nSec-WebSocket-Version: 13\r\n",
    ])
  func oddOffersNeitherCrashNorHang(takesWebSocket: Bool, fields: String) async throws {
    let subject = try Subject.ours(options: takesWebSocket ? .withEcho : .init())
    for separately in [false, true] {
      let client = try subject.connect()
      let next = "GET / HTTP/1.1\r\nHost: test\r\n\r\n"
      try client.send("GET / HTTP/1.1\r\nHost: test\r\n\(fields)\r\n" + (separately ? "" : next))
      let first = try await blocking { try client.response() }
      #expect(first.text == "ok\n" || first.status == 400)
      if separately { try? client.send(next) }
      client.shutdownOutput()
      let rest = String(decoding: (try? await blocking { try client.readToEnd() }) ?? [], as: UTF8.self)
      #expect(rest.hasSuffix("ok\n") || rest.hasPrefix("HTTP/1.1 400") || first.saysClose)
      client.close()
    }
    let last = try subject.connect()
    #expect(try await blocking { try last.get("/") }.text == "ok\n")
    try await end(subject, last)
  }
}
