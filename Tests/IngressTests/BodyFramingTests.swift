import NIOCore
import Seeded
import Testing

@testable import Ingress

/// Runs a chunked body through in pieces; what was passed on, what was left over, or the error.
private func run(_ text: String, pieces: [Int], decoding: Bool) -> String {
  var framing = BodyFraming(.chunked)
  var output = ByteBuffer()
  var pending = ByteBuffer()
  var position = 0
  let all = Array(text.utf8)
  for piece in pieces + [all.count] {
    let end = min(all.count, position + piece)
    pending.writeBytes(all[position..<end])
    position = end
    do throws(MessageError) {
      if var passed = try framing.advance(&pending, decoding: decoding) { output.writeBuffer(&passed) }
    } catch {
      return "error \(error)"
    }
  }
  return "\(String(buffer: output))|\(String(buffer: pending))|\(framing.isComplete)"
}

private func inEveryWay(_ text: String, decoding: Bool = false) -> String {
  let whole = run(text, pieces: [], decoding: decoding)
  #expect(run(text, pieces: Array(repeating: 1, count: text.utf8.count), decoding: decoding) == whole, "\(text.debugDescription)")
  for seed in 0..<20 {
    var random = SeededRandom(seed: UInt64(seed))
    let pieces = (0..<text.utf8.count).map { _ in Int.random(in: 1...5, using: &random) }
    #expect(run(text, pieces: pieces, decoding: decoding) == whole, "seed \(seed): \(text.debugDescription)")
  }
  return whole
}

@Suite struct BodyFramingTests {
  @Test(arguments: [
    "0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n", "5;a=b;c=\"d e\"\r\nhello\r\nA\r\n0123456789\r\n0\r\nX-T: 1\r\nY:\r\n\r\n",
    "0005\r\nhello\r\n000\r\n\r\n",
    "1\r\n\r\r\n1\r\n\n\r\n0\r\n\r\n",
  ])
  func chunkedVerbatim(body: String) {
    #expect(inEveryWay(body + "GET /next") == "\(body)|GET /next|true")
  }

  @Test func chunkedDecoded() {
    #expect(inEveryWay("5;x\r\nhello\r\n1\r\n!\r\n0\r\nT: 1\r\n\r\nrest", decoding: true) == "hello!|rest|true")
  }

  @Test(arguments: [
    "\r\n", "g\r\n", "-5\r\n", "5 \r\nhello", "0x5\r\nhello", "5\nhello", "5\r\r\n", "5\r\nhelloX", "5\r\nhello\n", "5\r\nhello\rX",
    "1111111111111111\r\n",
    "5;a\nb\r\nhello", "5;\0\r\nhello", "5;a\rb",
  ])
  func badChunks(body: String) { #expect(inEveryWay(body) == "error badChunk", "\(body.debugDescription)") }

  @Test(arguments: [
    "0\r\nX : 1\r\n\r\n", "0\r\n X: 1\r\n\r\n", "0\r\nX: 1\n\r\n", "0\r\nContent-Length: 1\r\n\r\n",
    "0\r\ntransfer-encoding: chunked\r\n\r\n",
    "0\r\nHost: b\r\n\r\n", "0\r\nX: \0\r\n\r\n", "0\r\n\rX",
  ])
  func badTrailers(body: String) { #expect(inEveryWay(body) == "error badTrailer", "\(body.debugDescription)") }

  @Test func floodsEnd() {
    #expect(run("1;" + String(repeating: "x", count: ChunkedFraming.extensionLimit + 1), pieces: [], decoding: false) == "error badChunk")
    #expect(
      run("0\r\n" + String(repeating: "a:\r\n", count: ChunkedFraming.trailerLimit), pieces: [], decoding: false) == "error badTrailer")
  }

  @Test func lengthAndUntilClose() throws {
    var buffer = ByteBuffer(string: "hello world")
    var framing = BodyFraming(.length(5))
    #expect(try framing.advance(&buffer).map { String(buffer: $0) } == "hello")
    #expect(framing.isComplete)
    #expect(String(buffer: buffer) == " world")
    var open = BodyFraming(.untilClose)
    #expect(try open.advance(&buffer).map { String(buffer: $0) } == " world")
    #expect(!open.isComplete)
    #expect(BodyFraming(.length(0)).isComplete)
  }
}
