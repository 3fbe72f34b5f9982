import NIOCore
import Seeded
import Testing

@testable import Ingress

/// What a head came to, in a form that can be compared.
private enum Outcome: Equatable, CustomStringConvertible {
  case incomplete
  case refused(MessageError)
  case request(rewritten: String, length: Int, body: String)
  case response(rewritten: String, length: Int, body: String)

  var description: String {
    switch self {
    case .incomplete: "incomplete"
    case .refused(let error): "refused(\(error))"
    case .request(let text, let length, let body), .response(let text, let length, let body): "\(length) \(body) \(text.debugDescription)"
    }
  }
}

private func describe(_ body: BodyFraming) -> String {
  if body.isComplete { return "none" }
  if body.isChunked { return "chunked" }
  return body.isUntilClose ? "until close" : "length"
}

private let identity = HeadRewrite.Client(address: "192.0.2.1", fallbackHost: "fallback:80", trustsForwarded: false)

/// Feeds a head in pieces of the given sizes and stops at the first outcome that is not `incomplete`.
private func parse(request text: String, pieces: [Int], as identity: HeadRewrite.Client = identity) -> Outcome {
  var scanner = HeadScanner(skipsEmptyLines: true)
  return feed(text, pieces) { bytes in
    do throws(MessageError) {
      guard let extent = try scanner.scan(bytes) else { return .incomplete }
      let head = try RequestHead.parse(bytes, extent)
      var out = ByteBuffer()
      HeadRewrite.request(head, bytes, client: identity, into: &out)
      return .request(rewritten: String(buffer: out), length: extent.end, body: describe(head.body))
    } catch {
      return .refused(error)
    }
  }
}

private func parse(
  response text: String, pieces: [Int], isHead: Bool = false,
  needs: HeadRewrite.ResponseNeeds = .init(clientMinorVersion: 1, closes: false, decodesChunks: false)
) -> Outcome {
  var scanner = HeadScanner(skipsEmptyLines: false)
  return feed(text, pieces) { bytes in
    do throws(MessageError) {
      guard let extent = try scanner.scan(bytes) else { return .incomplete }
      let head = try ResponseHead.parse(bytes, extent)
      var out = ByteBuffer()
      HeadRewrite.response(head, bytes, needs: needs, into: &out)
      return .response(rewritten: String(buffer: out), length: extent.end, body: describe(head.body(isHead: isHead)))
    } catch {
      return .refused(error)
    }
  }
}

private func feed(_ text: String, _ pieces: [Int], _ look: (UnsafeRawBufferPointer) -> Outcome) -> Outcome {
  let all = Array(text.utf8)
  var seen = 0
  for piece in pieces + [all.count] {
    seen = min(all.count, seen + piece)
    let outcome = all[..<seen].withUnsafeBytes(look)
    if outcome != .incomplete { return outcome }
    if seen == all.count { break }
  }
  return .incomplete
}

/// Whole, byte at a time and in random pieces: all have to give the same.
private func inEveryWay(_ text: String, _ parse: ([Int]) -> Outcome) -> Outcome {
  let whole = parse([])
  #expect(parse(Array(repeating: 1, count: text.utf8.count)) == whole, "byte at a time: \(text.debugDescription)")
  for seed in 0..<20 {
    var random = SeededRandom(seed: UInt64(seed))
    let pieces = (0..<text.utf8.count).map { _ in Int.random(in: 1...7, using: &random) }
    #expect(parse(pieces) == whole, "seed \(seed): \(text.debugDescription)")
  }
  return whole
}

@Suite struct HeadParsingTests {
  @Test func tokenCharactersAreTheRFCs() {
    let tokens = Set("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
    for byte in UInt8.min...UInt8.max { #expect(ASCII.isToken(byte) == tokens.contains(byte), "\(byte)") }
  }

  @Test(arguments: [
    // Framing that two parties could read in two ways.
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", MessageError.conflictingFraming),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", .conflictingFraming),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", .badContentLength),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 4\r\n\r\n", .badContentLength),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\n", .badContentLength),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\n", .badContentLength),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\n", .badContentLength),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3 3\r\n\r\n", .badContentLength),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", .badContentLength),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", .badContentLength),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", .unknownTransferCoding),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", .unknownTransferCoding),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", .unknownTransferCoding),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", .badTransferCoding),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", .badTransferCoding),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", .badTransferCoding),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n", .badTransferCoding),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \u{0B}chunked\r\n\r\n", .badFieldValue),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n", .badTransferCoding),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n", .badTransferCoding),
    ("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", .badTransferCoding),
    // Lines and fields.
    ("GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n folded\r\n\r\n", .obsoleteFolding),
    ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", .obsoleteFolding),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: 1\rY: 2\r\n\r\n", .bareCarriageReturn),
    ("GET / HTTP/1.1\nHost: a\n\n", .bareLineFeed),
    ("GET / HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n", .bareLineFeed),
    ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", .badFieldName),
    ("GET / HTTP/1.1\r\nHost\t: a\r\n\r\n", .badFieldName),
    ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length : 3\r\n\r\n", .badFieldName),
    ("GET / HTTP/1.1\r\nHost: a\r\nX(y): 3\r\n\r\n", .badFieldName),
    ("GET / HTTP/1.1\r\nHost: a\r\n: 3\r\n\r\n", .badFieldName),
    ("GET / HTTP/1.1\r\nHost: a\r\nnocolon\r\n\r\n", .badFieldName),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", .badFieldValue),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: a\u{7F}b\r\n\r\n", .badFieldValue),
    // Host.
    ("GET / HTTP/1.1\r\n\r\n", .badHost),
    ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", .badHost),
    ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", .badHost),
    ("GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", .badHost),
    ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", .badHost),
    ("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", .badHost),
    ("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", .badHost),
    // Request lines.
    ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", .badStartLine),
    ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", .badStartLine),
    ("GET /\r\nHost: a\r\n\r\n", .badStartLine),
    ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", .badStartLine),
    ("G@T / HTTP/1.1\r\nHost: a\r\n\r\n", .badStartLine),
    ("GET / http/1.1\r\nHost: a\r\n\r\n", .badStartLine),
    ("GET / HTTP/1.10\r\nHost: a\r\n\r\n", .badStartLine),
    ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", .unsupportedVersion),
    ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .unsupportedVersion),
    ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
    ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
    ("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
    ("GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
    ("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", .connectRefused),
    ("GET / HTTP/1.1\r\nHost: a\r\nExpect: magic\r\n\r\n", .unsupportedExpectation),
    ("GET / HTTP/1.1\r\nHost: a\r\nConnection: a b\r\n\r\n", .badConnectionOption),
    ("\u{16}\u{03}\u{01}", .badStartLine),
  ])
  func refuses(text: String, error: MessageError) {
    #expect(inEveryWay(text) { parse(request: text, pieces: $0) } == .refused(error), "\(text.debugDescription)")
  }

  @Test func limits() {
    let start = "GET / HTTP/1.1\r\nHost: a\r\n"
    let fits = start + "X: " + String(repeating: "x", count: HeadScanner.limit - start.utf8.count - 7) + "\r\n\r\n"
    #expect(fits.utf8.count == HeadScanner.limit)
    guard case .request = parse(request: fits, pieces: [1000, 20000]) else { return #expect(Bool(false), "a head of the limit's size") }
    let tooLong = fits.replacing("X: ", with: "X: x")
    #expect(parse(request: tooLong, pieces: []) == .refused(.headTooLarge))
    #expect(parse(request: tooLong, pieces: [30000, 1, 1, 1]) == .refused(.headTooLarge))
    #expect(parse(request: String(repeating: "\r\n", count: HeadScanner.limit / 2), pieces: []) == .refused(.headTooLarge))
    #expect(parse(request: start + String(repeating: "a:\r\n", count: FieldLine.limit) + "\r\n", pieces: []) == .refused(.tooManyFields))
    let options = String(repeating: "a,", count: ConnectionOptions.limit + 1)
    #expect(parse(request: start + "Connection: \(options)\r\n\r\n", pieces: []) == .refused(.badConnectionOption))
  }

  private static let forwarded = "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a\r\n"

  @Test(arguments: [
    ("GET /x?y HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n", "GET /x?y HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n" + forwarded + "\r\n", "none"),
    ("\r\n\r\nGET / HTTP/1.1\r\nHost:a\r\n\r\n", "GET / HTTP/1.1\r\nHost:a\r\n" + forwarded + "\r\n", "none"),
    (
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n" + forwarded + "\r\n",
      "length"
    ),
    (
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\nContent-Length: 7\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n" + forwarded + "\r\n", "length"
    ),
    (
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 007, 7\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n" + forwarded + "\r\n", "length"
    ),
    (
      "POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: Chunked\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: Chunked\r\n" + forwarded + "\r\n", "chunked"
    ),
    // Hop-by-hop fields, and those that Connection names; but framing and Host cannot be named away.
    (
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Drop, Host, X-Forwarded-For\r\nKeep-Alive: 5\r\nx-drop: 1\r\nTE: trailers\r\nProxy-Connection: close\r\nUpgrade: foo\r\nX-Keep: 1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nX-Keep: 1\r\n" + forwarded + "\r\n", "none"
    ),
    (
      "POST / HTTP/1.1\r\nHost: a\r\nConnection: Content-Length\r\nContent-Length: 7\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n" + forwarded + "\r\n", "length"
    ),
    (
      "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.1.1.1, 2.2.2.2, 192.0.2.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a\r\n\r\n",
      "none"
    ),
    (
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\n" + forwarded + "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n", "none"
    ),
    (
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\n" + forwarded + "\r\n", "none"
    ),
    // Absolute-form: its authority goes before Host.
    ("GET http://a/x HTTP/1.1\r\nHost: b\r\n\r\n", "GET /x HTTP/1.1\r\nHost: a\r\n" + forwarded + "\r\n", "none"),
    ("GET http://a?q HTTP/1.1\r\nHost: b\r\n\r\n", "GET /?q HTTP/1.1\r\nHost: a\r\n" + forwarded + "\r\n", "none"),
    ("OPTIONS http://a HTTP/1.1\r\nHost: b\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a\r\n" + forwarded + "\r\n", "none"),
    ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a\r\n" + forwarded + "\r\n", "none"),
    // HTTP/1.0.
    (
      "GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nHost: fallback:80\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\n\r\n",
      "none"
    ),
    (
      "POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n" + forwarded + "\r\n", "length"
    ),
    (
      "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n" + forwarded + "\r\n", "length"
    ),
  ])
  func passesOn(text: String, rewritten: String, body: String) {
    let outcome = inEveryWay(text + "rest") { parse(request: text + "rest", pieces: $0) }
    #expect(outcome == .request(rewritten: rewritten, length: text.utf8.count, body: body), "\(outcome)")
  }

  @Test func trustedForwardedFieldsAreKept() {
    let text = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: b\r\n\r\n"
    var trusting = identity
    trusting.trustsForwarded = true
    let expected = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: b\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"
    #expect(parse(request: text, pieces: [], as: trusting) == .request(rewritten: expected, length: text.utf8.count, body: "none"))
  }

  @Test(arguments: [
    ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", MessageError.conflictingFraming),
    ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", .badContentLength),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", .unknownTransferCoding),
    ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", .badTransferCoding),
    ("HTTP/1.1 20 OK\r\n\r\n", .badStartLine),
    ("HTTP/1.1 600 OK\r\n\r\n", .badStartLine),
    ("HTTP/1.1 2000\r\n\r\n", .badStartLine),
    ("HTTP/1.1 200 O\0K\r\n\r\n", .badStartLine),
    ("SSH-2.0-OpenSSH_9.2\r\n\r\n", .badStartLine),
    ("\r\nHTTP/1.1 200 OK\r\n\r\n", .badStartLine),
    ("HTTP/1.1 200 OK\nX: 1\n\n", .bareLineFeed),
    ("HTTP/1.1 200 OK\r\nX: 1\r\n folded\r\n\r\n", .obsoleteFolding),
  ])
  func refusesResponse(text: String, error: MessageError) {
    #expect(inEveryWay(text) { parse(response: text, pieces: $0) } == .refused(error), "\(text.debugDescription)")
  }

  @Test func responses() {
    func expect(
      _ text: String, _ rewritten: String, _ body: String, isHead: Bool = false, minor: Int = 1, closes: Bool = false, decodes: Bool = false
    ) {
      let needs = HeadRewrite.ResponseNeeds(clientMinorVersion: minor, closes: closes, decodesChunks: decodes)
      let outcome = inEveryWay(text + "rest") { parse(response: text + "rest", pieces: $0, isHead: isHead, needs: needs) }
      #expect(outcome == .response(rewritten: rewritten, length: text.utf8.count, body: body), "\(outcome)")
    }
    let five = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    expect(five, five, "length")
    expect(five, five, "none", isHead: true)
    expect(five, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n", "length", closes: true)
    expect(five, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n", "length", minor: 0)
    expect("HTTP/1.0 200 OK\r\nX: 1\r\n\r\n", "HTTP/1.1 200 OK\r\nX: 1\r\n\r\n", "until close")
    expect("HTTP/1.1 200\r\n\r\n", "HTTP/1.1 200\r\n\r\n", "until close")
    expect(
      "HTTP/1.1 200 OK\r\nConnection: close, X-A\r\nX-A: 1\r\nKeep-Alive: 1\r\nUpgrade: h2\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n",
      "until close")
    expect(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", "chunked", minor: 0,
      closes: true, decodes: true)
    expect("HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 204 No\r\n\r\n", "none")
    expect("HTTP/1.1 304 Not\r\nContent-Length: 9\r\n\r\n", "HTTP/1.1 304 Not\r\nContent-Length: 9\r\n\r\n", "none")
    expect("HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n", "none", closes: true)
    expect(
      "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
      "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", "none")
  }
}
