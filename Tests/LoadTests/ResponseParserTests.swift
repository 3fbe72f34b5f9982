import Seeded
import Testing

@testable import Load

@Suite struct ResponseParserTests {
  private struct Outcome: Equatable {
    var status: Int?
    var body: [UInt8] = []
    var complete = false
    var failed = false
  }

  private func parse(_ pieces: [ArraySlice<UInt8>], ends: Bool = false) -> Outcome {
    var parser = ResponseParser()
    var outcome = Outcome()
    do {
      for piece in pieces { try parser.receive(piece) { outcome.body += $0 } }
      if ends { _ = parser.endOfStream() }
    } catch {
      outcome.failed = true
      outcome.body = []
    }
    outcome.status = parser.head?.status
    outcome.complete = parser.isComplete && !outcome.failed
    return outcome
  }

  private func parse(_ text: String, ends: Bool = false) -> Outcome {
    parse([Array(text.utf8)[...]], ends: ends)
  }

  @Test(arguments: [
    ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello"),
    ("HTTP/1.1 200\r\ncontent-length:5\r\n\r\nhello", "hello"),
    ("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello", "hello"),
    ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "hello"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3;a=b\r\nhel\r\n002\r\nlo\r\n0\r\nX: y\r\n\r\n", "hello"),
    ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", "x"),
    ("HTTP/1.1 204 No Content\r\n\r\n", ""),
    ("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", ""),
    ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""),
  ])
  func wholeResponses(_ text: String, _ body: String) {
    let bytes = Array(text.utf8)
    for split in 0...bytes.count {
      let outcome = parse([bytes[..<split], bytes[split...]])
      #expect(outcome.complete && outcome.body == Array(body.utf8), "split at \(split)")
    }
  }

  @Test func untilTheConnectionEnds() {
    let text = "HTTP/1.0 200 OK\r\n\r\nhello"
    #expect(!parse(text).complete)
    #expect(parse(text, ends: true) == Outcome(status: 200, body: Array("hello".utf8), complete: true))
  }

  @Test(arguments: [
    "HTTP/2 200 OK\r\n", "HTTP/1.1 20 OK\r\n", "HTTP/1.1 2000 OK\r\n", "HTTP/1.1 999 OK\r\n", "ICY 200 OK\r\n", "\r\n",
    "HTTP/1.1 200 OK\r\n folded: x\r\n", "HTTP/1.1 200 OK\r\nname : x\r\n", "HTTP/1.1 200 OK\r\n: x\r\n", "HTTP/1.1 200 OK\r\nname\r\n",
    "HTTP/1.1 200 OK\r\na: x\u{1}y\r\n", "HTTP/1.1 200 OK\nA: b\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-0\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxy",
  ])
  func invalidResponses(_ text: String) {
    #expect(parse(text).failed)
  }

  @Test func memoryIsBounded() {
    let line = "A: \(String(repeating: "x", count: 1000))\r\n"
    #expect(parse("HTTP/1.1 200 OK\r\n" + String(repeating: line, count: 70)).failed)
    #expect(parse("HTTP/1.1 200 OK\r\n" + String(repeating: "x", count: 70_000)).failed)
    #expect(parse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + String(repeating: "0", count: 5_000)).failed)
    #expect(parse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + String(repeating: line, count: 70)).failed)
  }

  @Test func interimResponsesAreBoundedTogether() {
    #expect(parse(String(repeating: "HTTP/1.1 100 Continue\r\n\r\n", count: 4_000)).failed)
  }

  /// Damaged responses, cut into random pieces: never a crash, and the pieces make no difference.
  @Test func damagedResponsesInRandomPieces() {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededRandom(seed: seed)
    let origin = Array("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n3;a=b\r\nhel\r\n002\r\nlo\r\n0\r\nX: y\r\n\r\n".utf8)
    for _ in 0..<3_000 {
      var bytes = origin
      for _ in 0..<Int.random(in: 0...4, using: &random) {
        let place = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0...2, using: &random) {
        case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes.remove(at: place)
        default: bytes.insert(UInt8.random(in: 0...255, using: &random), at: place)
        }
      }
      var pieces: [ArraySlice<UInt8>] = []
      var rest = bytes[...]
      while !rest.isEmpty {
        pieces.append(rest.prefix(Int.random(in: 1...12, using: &random)))
        rest = rest.dropFirst(pieces[pieces.count - 1].count)
      }
      #expect(parse(pieces, ends: true) == parse([bytes[...]], ends: true), "seed \(seed)")
    }
  }
}
