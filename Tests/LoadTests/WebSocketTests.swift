import Foundation
import Testing

@testable import Load

/// A WebSocket client: which ends are clean, and what each other end loses.
@Suite struct WebSocketTests {
  private static let upgraded =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
  private static let goingAway: [UInt8] = [0x88, 2, 0x03, 0xe9]

  private func run(
    requests: Int = 2, timeout: Duration = .seconds(120), handler: @escaping @Sendable (ServerConnection) -> Void
  ) async throws -> (report: LoadReport, counts: [FailureClass: Int]) {
    let server = try ScriptedServer { connection in
      guard let request = connection.readRequest() else { return }
      if request.target != "/ws" { connection.send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n") }
      handler(connection)
    }
    return try await server.load(by: "websocket", requests: requests, timeout: timeout)
  }

  @Test func aServerThatEchoesLosesNothingOnOneConnection() async throws {
    let (report, counts) = try await run(requests: 100) { connection in
      connection.send(Self.upgraded)
      while let message = connection.readMessage() { connection.echo(message) }
    }
    #expect(counts.isEmpty)
    #expect((report.ok, report.opened) == (100, 1))
  }

  @Test(arguments: [UInt8(0xe8), 0xe9])
  func aCloseFrameBetweenMessagesLosesNothing(_ code: UInt8) async throws {
    let (report, counts) = try await run(requests: 5) { connection in
      connection.send(Self.upgraded)
      guard let message = connection.readMessage() else { return }
      // One segment, so that the client finds the Close before it sends again.
      connection.echo(message, then: [0x88, 2, 0x03, code])
      // The client's Close, and what it does after the end.
      if connection.readMessage() != [0x03, code] { connection.reset() }
    }
    #expect(counts.isEmpty)
    #expect((report.ok, report.opened, report.announced) == (5, 5, 4))
  }

  @Test func aMessageThatWasSentBeforeTheCloseCameAndIsNotEchoedIsLost() async throws {
    let (_, counts) = try await run { connection in
      connection.send(Self.upgraded)
      guard connection.readMessage() != nil else { return }
      connection.send(Self.goingAway)
      _ = connection.readMessage()
    }
    #expect(counts == [.unanswered: 2])
  }

  @Test func anEndWithoutACloseFrameIsALoss() async throws {
    let (_, counts) = try await run { connection in
      connection.send(Self.upgraded)
      _ = connection.readMessage()
    }
    #expect(counts == [.cut: 2])
  }

  @Test func anEndBetweenMessagesWithoutACloseFrameIsALossToo() {
    for event in [Exchange.Event.endOfStream, .receiveFailed(104)] {
      var session = WebSocketSession(path: "/ws", host: "test")
      #expect(session.handle(.received(Array(Self.upgraded.utf8)[...])) == .upgraded)
      guard case .lost(.cut, _) = session.handle(event) else {
        Issue.record("\(event) is no loss")
        return
      }
    }
  }

  @Test func anEndBeforeTheUpgradeIsALoss() async throws {
    let (_, counts) = try await run { _ in }
    #expect(counts == [.resetBeforeResponse: 2])
    let (_, others) = try await run { connection in connection.send("HTTP/1.1 101 Sw") }
    #expect(others == [.cut: 2])
  }

  @Test func anUpgradeThatIsRefusedIsALoss() async throws {
    let (_, counts) = try await run { connection in connection.send("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n") }
    #expect(counts == [.status5xx: 2])
    let (_, others) = try await run { connection in connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") }
    #expect(others == [.unexpectedStatus: 2])
    let (_, wrong) = try await run { connection in connection.send(Self.upgraded.replacing("s3pP", with: "xxxx")) }
    #expect(wrong == [.badBody: 2])
  }

  @Test(
    arguments: [
      ([0x81, 1, 0x41], FailureClass.badBody),  // another message
      ([0x01, 1, 0x41], .badBody),  // a fragment
      ([0x81, 0x81, 0, 0, 0, 0, 0x41], .badBody),  // masked
      ([0x83, 0], .badBody),  // an opcode that is none
      ([0x81, 127, 0xff, 0, 0, 0, 0, 0, 0, 0], .badBody),  // too long
      ([0x88, 2, 0x03, 0xf3], .unexpectedStatus),  // 1011
      ([0x88, 0], .unexpectedStatus),  // no status
    ] as [([UInt8], FailureClass)])
  func whatIsNoEchoIsALoss(_ frame: [UInt8], _ failure: FailureClass) async throws {
    let (_, counts) = try await run { connection in
      connection.send(Self.upgraded)
      _ = connection.readMessage()
      connection.send(frame)
      connection.awaitEnd()
    }
    #expect(counts == [failure: 2])
  }

  @Test func aSilentServerIsATimeOut() async throws {
    let (_, counts) = try await run(timeout: .milliseconds(150)) { connection in
      connection.send(Self.upgraded)
      connection.awaitEnd()
    }
    #expect(counts == [.timeout: 2])
    // Its first message has to be answered in time, however busy the machine is.
    let (_, afterClose) = try await run(timeout: .seconds(5)) { connection in
      connection.send(Self.upgraded)
      guard let message = connection.readMessage() else { return }
      connection.echo(message, then: Self.goingAway)
      connection.awaitEnd()
    }
    #expect((afterClose[.timeout] ?? 0) == 1)
  }

  @Test func aServerThatAlwaysClosesBeforeAMessageCannotHoldTheClient() async throws {
    let (_, counts) = try await run(requests: 1) { connection in
      connection.send(Array(Self.upgraded.utf8) + Self.goingAway)
      _ = connection.readMessage()
    }
    #expect(counts == [.unexpectedStatus: 1])
  }

  @Test func pingsAreAnswered() {
    var session = WebSocketSession(path: "/ws", host: "test")
    _ = session.handle(.sent(session.unsent.count))
    #expect(session.handle(.received(Array(Self.upgraded.utf8)[...])) == .upgraded)
    #expect(session.handle(.received([0x89, 1])) == nil)
    #expect(session.unsent.isEmpty)
    #expect(session.handle(.received([0x42])) == nil)
    #expect(Array(session.unsent) == [0x8a, 0x81, 0, 0, 0, 0, 0x42])
  }
}

extension ServerConnection {
  /// The payload of the client's next frame, unmasked; nil at the end.
  func readMessage() -> [UInt8]? {
    guard let head = read(2) else { return nil }
    var length = Int(head[1] & 0x7f)
    if length == 126 {
      guard let bytes = read(2) else { return nil }
      length = Int(bytes[0]) << 8 | Int(bytes[1])
    }
    guard head[1] & 0x80 != 0, let key = read(4), let payload = read(length) else { return nil }
    return payload.enumerated().map { $1 ^ key[$0 & 3] }
  }

  func echo(_ payload: [UInt8], then more: [UInt8] = []) {
    let count = payload.count
    send([0x81] + (count < 126 ? [UInt8(count)] : [126, UInt8(count >> 8), UInt8(count & 0xff)]) + payload + more)
  }
}
