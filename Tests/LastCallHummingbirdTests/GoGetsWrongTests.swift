import HummingbirdCore
import LastCallHTTP
import LastCallHummingbird
import ServiceLifecycle
import Testing
import Wire

/// Cases that Go's net/http gets wrong, by the number of the issue.
@Suite struct GoGetsWrongTests {
  /// A request that the server had read, or was about to, as it closed the idle connection, was lost. Here both race as hard as they can,
  /// and it is answered. The client sends before it can know of the stop.
  @Test("go#65802, go#36819, go#23829: a request that meets the idle close", arguments: 0..<20) func idleClose(_ run: Int) async throws {
    let subject = try Subject.ours()
    let service = try #require(subject.service)
    let client = try subject.connect()
    _ = try await blocking { try client.get("/") }
    async let report = service.drain()
    #expect(try await blocking { try client.get("/") }.text == "ok\n")
    client.close()
    #expect(await report.isClean)
    try await subject.running.value
  }

  /// A connection that was accepted while Shutdown looked, or waited in the queue of the listener, was not drained or was reset.
  @Test("go#34163, go#33313, go#75591: connections made in the moment of the stop", arguments: 0..<20)
  func acceptedInTheMoment(_ run: Int) async throws {
    let subject = try Subject.ours()
    let service = try #require(subject.service)
    let first = try subject.connect()
    _ = try await blocking { try first.get("/") }
    first.close()
    let clients = try (0..<8).map { _ in try subject.connect() }
    async let report = service.drain()
    for client in clients {
      let response = try await blocking { try client.get("/") }
      #expect(response.text == "ok\n")
      client.close()
    }
    #expect(await report.isClean)
    try await subject.running.value
  }

  /// As HTTP/1.1's, and with both GOAWAYs, so that a request that meets the end is not lost. A connection whose preface has not been read
  /// within the bound is closed without a word: where the machine is that busy, the next bound is longer.
  @Test func anIdleConnectionOfHTTP2IsEnded() async throws {
    for seconds in [1, 8, 64, 512] as [Int64] {
      if try await hasEndedAnIdleConnection(of: seconds) { return }
    }
    Issue.record("no preface was read in time")
  }

  /// False when it was closed before its protocol was known.
  private func hasEndedAnIdleConnection(of seconds: Int64) async throws -> Bool {
    var options = HummingbirdService.Options.withHTTP2
    options.http1 = HTTP1Channel.Configuration(idleTimeout: .seconds(seconds))
    let subject = try Subject.ours(options: options)
    let client = try subject.connect()
    let first = try? await blocking {
      try client.beginHTTP2()
      return try client.next(.goAway)
    }
    guard first != nil || subject.recorder.states.value.values.contains(where: { $0.contains(.idle) }) else {
      client.close()
      await subject.stop()
      try await subject.running.value
      return false
    }
    #expect(first?.lastStream == 0x7fff_ffff)
    try client.acknowledge(try await blocking { try client.next(.ping) })
    #expect(try await blocking { try client.next(.goAway) }.lastStream == 0)
    #expect(try await blocking { try client.readToEnd() }.isEmpty)
    client.close()
    await subject.stop()
    try await subject.running.value
    return true
  }

  /// A field name with upper case is an error of its stream (RFC 9113 section 8.2.1); what else is in flight on the connection goes on.
  @Test func anErrorOfOneStreamLeavesTheOthers() async throws {
    let subject = try Subject.ours(options: .withHTTP2)
    let client = try subject.connect()
    try client.beginHTTP2()
    try client.get("/hold", stream: 1)
    await subject.gate.holds()
    let block: [UInt8] = [0x82, 0x86, 0x84, 0x01, 4] + Array("test".utf8) + [0x00, 1] + Array("X".utf8) + [1] + Array("y".utf8)
    try client.send(HTTP2WireFrame(.headers, flags: 0x5, stream: 3, payload: block))
    #expect(try await blocking { try client.next(.reset) }.stream == 3)
    subject.gate.open()
    #expect(try await blocking { try client.body(ofStream: 1) } == "held\n")
    try client.get("/", stream: 5)
    #expect(try await blocking { try client.body(ofStream: 5) } == "ok\n")
    // An error of the connection ends it: a HEADERS frame of stream 0 (section 6.2).
    try client.send(HTTP2WireFrame(.headers, flags: 0x5, stream: 0, payload: [0x82, 0x86, 0x84]))
    #expect(try await blocking { try client.next(.goAway) }.errorCode != 0)
    _ = try await blocking { try client.readToEnd() }
    client.close()
    await subject.stop()
    try await subject.running.value
  }

  /// Requests of HTTP/2 after Shutdown were accepted without end. Here streams that come before the second GOAWAY are served, and those
  /// after it are refused; the client knows by the GOAWAY that they were not handled.
  @Test("go#59038: streams after the second GOAWAY") func lateStreams() async throws {
    let subject = try Subject.ours(options: .withHTTP2, observes: true)
    let client = try subject.connect()
    try client.beginHTTP2()
    try client.get("/hold", stream: 1)
    await subject.gate.holds()
    await subject.stop()
    #expect(try await blocking { try client.next(.goAway) }.lastStream == 0x7fff_ffff)
    let ping = try await blocking { try client.next(.ping) }
    try client.get("/hold", stream: 3)
    await subject.gate.holds(2)
    try client.acknowledge(ping)
    #expect(try await blocking { try client.next(.goAway) }.lastStream == 3)
    try client.get("/", stream: 5)
    // Answered in order, so the late stream has been seen.
    try client.send(HTTP2WireFrame(.ping, payload: Array(repeating: 7, count: 8)))
    let pong = try await blocking { try client.next(.ping) }
    #expect(pong.isAcknowledgement)
    subject.gate.open()
    let bodies = try await blocking {
      var ended: Set<UInt32> = []
      while ended.count < 2 {
        let frame = try client.readFrame()
        if frame.stream == 5 { #expect(frame.kind == .reset) }
        if frame.endsStream { ended.insert(frame.stream) }
      }
      return ended
    }
    #expect(bodies == [1, 3])
    #expect(try await blocking { try client.readToEnd() }.isEmpty)
    client.close()
    try await subject.running.value
    #expect(subject.recorder.requests.value.began == ["GET /hold", "GET /hold"])
    #expect(subject.recorder.requests.value.ended == [false, false])
  }

  /// A client that never acknowledges the PING held grpc and Hummingbird for ever.
  @Test func aMissingAcknowledgementIsBounded() async throws {
    let subject = try Subject.ours(.ample.with(\.pingAck, .milliseconds(50)), options: .withHTTP2)
    let client = try subject.connect()
    try client.beginHTTP2()
    _ = try await blocking { try client.next(.settings) }
    let begun = ContinuousClock.now
    await subject.stop()
    #expect(try await blocking { try client.next(.goAway) }.lastStream == 0x7fff_ffff)
    let last = try await blocking { try client.next(.goAway) }
    #expect(last.lastStream == 0)
    #expect(ContinuousClock.now - begun >= .milliseconds(50))
    #expect(try await blocking { try client.readToEnd() }.isEmpty)
    client.close()
    try await subject.running.value
  }

  @Test func halfAPrefaceIsBounded() async throws {
    // The first bytes after the drain began buy a linger.
    let limits = DrainLimits.ample.with(\.request, .milliseconds(50)).with(\.linger, .milliseconds(50))
    let subject = try Subject.ours(limits, options: .withHTTP2)
    let client = try subject.connect()
    try client.send("PRI * HTTP/2.0\r\n")
    await subject.recorder.sees([.new])
    await subject.stop()
    #expect(try await blocking { try client.readToEnd() }.isEmpty)
    client.close()
    try await subject.running.value
  }

  @Test func aServerOfHTTP2ServesHTTP1Too() async throws {
    let subject = try Subject.ours(options: .withHTTP2)
    let client = try subject.connect()
    #expect(try await blocking { try client.get("/") }.text == "ok\n")
    subject.service?.connections.drain()
    #expect(try await blocking { try client.get("/") }.saysClose)
    client.close()
    await subject.stop()
    try await subject.running.value
  }
}
