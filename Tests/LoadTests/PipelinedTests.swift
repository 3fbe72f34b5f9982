import Foundation
import Testing

@testable import Load

/// Requests that are written at once: which of them are lost when the connection ends, and which are the client's to send again.
@Suite struct PipelinedTests {
  private static let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
  private static let last = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"

  private func run(
    requests: Int = 8, timeout: Duration = .seconds(120), handler: @escaping @Sendable (ServerConnection) -> Void
  ) async throws -> (report: LoadReport, counts: [FailureClass: Int]) {
    let server = try ScriptedServer(handler: handler)
    return try await server.load(by: "pipelined", requests: requests, timeout: timeout)
  }

  @Test func aServerThatAnswersAllLosesNothingOnOneConnection() async throws {
    let (report, counts) = try await run(requests: 200) { connection in
      while connection.readRequest() != nil { connection.send(Self.ok) }
    }
    #expect(counts.isEmpty)
    #expect((report.ok, report.opened) == (200, 1))
  }

  @Test func whatIsBehindAnAnnouncedCloseIsSentAgain() async throws {
    let (report, counts) = try await run { connection in
      guard connection.readRequest() != nil else { return }
      connection.send(Self.last)
      connection.awaitEnd()
    }
    #expect(counts.isEmpty)
    #expect((report.ok, report.opened, report.announced) == (8, 8, 7))
  }

  @Test func aCloseThatWasNotAnnouncedLosesWhatIsUnanswered() async throws {
    let (report, counts) = try await run { connection in
      guard connection.readRequest() != nil else { return }
      connection.send(Self.ok)
      // All that was sent has been read, so the end is a FIN and no reset.
      while connection.hasMore() { _ = connection.readRequest() }
    }
    #expect(report.ok > 0)
    #expect(counts == [.resetBeforeResponse: 8 - report.ok])
  }

  @Test func aResetLosesWhatIsUnanswered() async throws {
    let (report, counts) = try await run { connection in
      guard connection.readRequest() != nil else { return }
      connection.reset()
    }
    #expect(counts == [.resetBeforeResponse: 8])
    #expect(report.ok == 0)
  }

  @Test func aResponseThatEndsInTheMiddleIsCutAndThoseBehindItAreLost() async throws {
    let (report, counts) = try await run { connection in
      guard connection.readRequest() != nil else { return }
      connection.send(Self.ok + Self.last.dropLast(1))
      while connection.hasMore() { _ = connection.readRequest() }
    }
    #expect((counts[.cut] ?? 0) > 0)
    #expect((counts[.cut] ?? 0) + (counts[.resetBeforeResponse] ?? 0) + report.ok == 8)
  }

  @Test func aSilentServerIsATimeOut() async throws {
    let (_, counts) = try await run(timeout: .milliseconds(150)) { connection in connection.awaitEnd() }
    #expect(counts == [.timeout: 8])
  }

  @Test func responsesAfterAnAnnouncedCloseAreNotTaken() {
    var exchange = PipelinedExchange(request: [1, 2], count: 3, reused: false)
    #expect(exchange.handle(.sent(6)) == nil)
    let verdict = exchange.handle(.received(Array((Self.last + Self.ok).utf8)[...]))
    #expect(verdict?.outcomes.map { $0 == .again } == [false, true, true])
    #expect(verdict?.announced == true)
  }

  @Test func inWhateverPiecesResponsesComeTheVerdictIsTheSame() {
    let bytes = Array((Self.ok + Self.ok + Self.last).utf8)
    for size in 1...bytes.count {
      var exchange = PipelinedExchange(request: [1, 2], count: 3, reused: true)
      #expect(exchange.handle(.sent(3)) == nil)
      #expect(exchange.handle(.sent(3)) == nil)
      var verdict: PipelinedExchange.Verdict?
      for start in stride(from: 0, to: bytes.count, by: size) where verdict == nil {
        verdict = exchange.handle(.received(bytes[start..<min(bytes.count, start + size)]))
      }
      #expect(verdict?.outcomes.count == 3)
      #expect(verdict?.outcomes.contains(.again) == false)
      #expect(verdict?.announced == true)
    }
  }

  @Test func whatWasNotSentIsNotLost() {
    var exchange = PipelinedExchange(request: [1, 2, 3, 4], count: 4, reused: false)
    #expect(exchange.handle(.sent(6)) == nil)
    let outcomes = exchange.handle(.endOfStream)?.outcomes ?? []
    #expect(outcomes.map { $0 == .again } == [false, false, true, true])
  }

  @Test func anIdleConnectionThatIsResetLosesNothing() {
    var exchange = PipelinedExchange(request: [1], count: 2, reused: true)
    #expect(exchange.handle(.receiveFailed(104))?.idleReset == true)
    var new = PipelinedExchange(request: [1], count: 2, reused: false)
    #expect(
      new.handle(.receiveFailed(104))?.outcomes.first
        == .lost(.resetBeforeResponse, "\(errnoText(104)), 0 of 1 bytes sent, before the status line"))
  }

  @Test func aBadStatusIsThatRequestsOwn() async throws {
    let (_, counts) = try await run(requests: 3) { connection in
      while connection.readRequest() != nil { connection.send("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n") }
    }
    #expect(counts == [.status5xx: 3])
  }
}
