import Glibc
import Testing

@testable import Load

@Suite struct ExchangeTests {
  private func verdict(
    reused: Bool = true, bytes: Int = 10, expectation: Exchange.Expectation = .init(), _ events: Exchange.Event...
  ) -> Exchange.Verdict? {
    var exchange = Exchange(reused: reused, requestBytes: bytes, expectation: expectation)
    for event in events {
      if let verdict = exchange.handle(event) { return verdict }
    }
    return nil
  }

  private func failure(_ verdict: Exchange.Verdict?) -> FailureClass? {
    guard case .lost(let failure, _) = verdict else { return nil }
    return failure
  }

  private func response(_ text: String) -> Exchange.Event {
    .received(Array(text.utf8)[...])
  }

  @Test func aResetOfAnIdleConnectionIsApartOnlyWhileNothingWasSent() {
    #expect(verdict(.sendFailed(ECONNRESET)) == .idleReset)
    #expect(verdict(.sendFailed(EPIPE)) == .idleReset)
    #expect(verdict(.receiveFailed(ECONNRESET)) == .idleReset)
    #expect(failure(verdict(.sent(1), .receiveFailed(ECONNRESET))) == .resetBeforeResponse)
    #expect(failure(verdict(.sent(1), .sendFailed(EPIPE), .endOfStream)) == .resetBeforeResponse)
    #expect(failure(verdict(.sent(10), .endOfStream)) == .resetBeforeResponse)
  }

  @Test func aNewConnectionThatIsResetBeforeAnythingWasSentIsLost() {
    #expect(failure(verdict(reused: false, .sendFailed(ECONNRESET), .endOfStream)) == .resetBeforeResponse)
    #expect(failure(verdict(reused: false, .receiveFailed(ECONNRESET))) == .resetBeforeResponse)
  }

  @Test func anAnswerBeforeTheWholeRequestIsSentEndsTheConnection() {
    guard case .ok(let answer) = verdict(.sent(5), response("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) else {
      Issue.record("no answer")
      return
    }
    #expect(!answer.reusable)
    let late = verdict(.sent(5), .sendFailed(EPIPE), response("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
    guard case .ok = late else {
      Issue.record("\(String(describing: late))")
      return
    }
  }

  @Test(arguments: [
    ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true),
    ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Close\r\n\r\n", false),
    ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: x, close\r\n\r\n", false),
    ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false),
    ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n", true),
    ("HTTP/1.1 204 No Content\r\n\r\n", true),
  ])
  func reuse(_ text: String, _ reusable: Bool) {
    guard case .ok(let answer) = verdict(.sent(10), response(text)) else {
      Issue.record("no answer")
      return
    }
    #expect(answer.reusable == reusable)
  }

  @Test func aBodyUntilTheEndIsWholeAtEOFAndCutByAReset() {
    let start = response("HTTP/1.1 200 OK\r\n\r\nabc")
    guard case .ok(let answer) = verdict(.sent(10), start, .endOfStream) else {
      Issue.record("no answer")
      return
    }
    #expect(!answer.reusable)
    #expect(failure(verdict(.sent(10), start, .receiveFailed(ECONNRESET))) == .cut)
  }

  @Test func replicas() {
    let texts = [
      ("x-replica: 77\r\nContent-Length: 0\r\n\r\n", "77"), ("Content-Length: 13\r\n\r\nhello from 77", "77"),
      ("Content-Length: 6\r\n\r\npid=77", "77"), ("Content-Length: 4\r\n\r\nfrom", nil),
    ]
    for (text, replica) in texts {
      guard case .ok(let answer) = verdict(.sent(10), response("HTTP/1.1 200 OK\r\n" + text)) else {
        Issue.record("no answer")
        continue
      }
      #expect(answer.replica == replica)
    }
  }

  @Test func uploadsAreCompared() {
    let upload = Exchange.Expectation.Upload(of: Array("foobar".utf8)[...])
    #expect(upload.fnv == "85944171f73967e8")
    let expectation = Exchange.Expectation(upload: upload)
    let json = "{\"bytes\":6,\"fnv\":\"85944171f73967e8\"}"
    let right = response("HTTP/1.1 200 OK\r\nContent-Length: \(json.utf8.count)\r\n\r\n\(json)")
    #expect(failure(verdict(expectation: expectation, .sent(10), right)) == nil)
    let none = response("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    #expect(failure(verdict(expectation: expectation, .sent(10), none)) == .badBody)
  }

  @Test func statusesThatAreAccepted() {
    let text = response("HTTP/1.1 405 Not Allowed\r\nContent-Length: 0\r\n\r\n")
    #expect(failure(verdict(.sent(10), text)) == .unexpectedStatus)
    #expect(failure(verdict(expectation: .init(statuses: [200, 405]), .sent(10), text)) == nil)
  }

  @Test func timeLimits() {
    #expect(failure(verdict(.sent(10), .silence)) == .timeout)
    #expect(failure(verdict(.sent(10), response("HTTP/1.1 2"), .overrun)) == .timeout)
  }
}
