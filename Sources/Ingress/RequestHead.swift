/// What a proxy has to know of a request's head; positions are relative to the octets it was parsed from.
struct RequestHead {
  /// The methods that the proxy treats apart.
  enum Method: Equatable {
    case get
    case head
    case options
    case trace
    case other

    /// Safe methods may be sent again when a reused connection turns out to be closed (RFC 9110 §9.2.1, RFC 9112 §9.3.1).
    var isSafe: Bool { self != .other }
  }

  var method: Method
  var methodRange: Range<Int>
  /// The target in origin-form or asterisk-form, as it is to be sent on; may be empty for an absolute-form without a path.
  var target: Range<Int>
  /// The authority of an absolute-form target, which then replaces Host (RFC 9112 §3.2.2).
  var authority: Range<Int>?
  /// 0 or 1: the minor version of HTTP/1.
  var minorVersion: Int
  var startLine: Range<Int>
  var fields: [FieldLine]
  var framing: FramingFields
  var connection: ConnectionOptions
  var host: Range<Int>?
  /// Whether the client asks to leave HTTP/1.1 for another protocol, and may.
  var wantsUpgrade: Bool
  var expectsContinue: Bool

  /// How the body is framed (RFC 9112 §6.3).
  var body: BodyFraming {
    if framing.isChunked { return BodyFraming(.chunked) }
    return BodyFraming(.length(framing.contentLength ?? 0))
  }

  /// Whether the client is willing to keep its connection (RFC 9112 §9.3).
  var keepsAlive: Bool {
    if connection.close { return false }
    return minorVersion >= 1 || connection.keepAlive
  }

  /// Parses a complete head.
  ///
  /// - Parameters:
  ///   - bytes: octets that hold the head.
  ///   - extent: where `HeadScanner` found it.
  static func parse(_ bytes: UnsafeRawBufferPointer, _ extent: HeadScanner.Extent) throws(MessageError) -> RequestHead {
    var line = try RequestLine.parse(bytes, extent)
    if bytes[line.method].elementsEqual("CONNECT".utf8) { throw .connectRefused }
    let authority = try line.splitTarget(bytes)
    var head = RequestHead(
      method: Self.method(bytes[line.method]), methodRange: line.method, target: line.target, authority: authority,
      minorVersion: line.minorVersion, startLine: extent.start..<line.end,
      fields: try FieldLine.parse(bytes, from: line.end, to: extent.end), framing: FramingFields(),
      connection: ConnectionOptions(), host: nil, wantsUpgrade: false, expectsContinue: false)
    try head.readFields(bytes)
    return head
  }

  private mutating func readFields(_ bytes: UnsafeRawBufferPointer) throws(MessageError) {
    var upgrade: Range<Int>?
    for line in fields {
      switch line.kind {
      case .contentLength, .transferEncoding: try framing.add(line, of: bytes)
      case .connection: try connection.add(line, of: bytes)
      case .upgrade: upgrade = line.value
      case .expect:
        guard ASCII.equal(bytes[line.value], "100-continue") else { throw .unsupportedExpectation }
        expectsContinue = minorVersion >= 1
      case .host:
        guard host == nil, RequestLine.isHost(bytes[line.value]) else { throw .badHost }
        host = line.value
      default: break
      }
    }
    try framing.finish()
    // RFC 9112 §6.1: Transfer-Encoding in a message of HTTP/1.0 means faulty framing.
    if minorVersion == 0, framing.hasCoding { throw .badTransferCoding }
    if minorVersion >= 1, host == nil { throw .badHost }
    if let upgrade, connection.upgrade, minorVersion >= 1, !upgrade.isEmpty {
      // An h2c tunnel would carry requests that nobody counts (and RFC 9113 §3.1 withdrew it).
      wantsUpgrade = !ListElements(bytes, upgrade).contains { ASCII.equal(bytes[$0], "h2c") }
    }
  }

  private static func method(_ bytes: Slice<UnsafeRawBufferPointer>) -> Method {
    // Methods are case-sensitive (RFC 9110 §9.1).
    if bytes.elementsEqual("GET".utf8) { return .get }
    if bytes.elementsEqual("HEAD".utf8) { return .head }
    if bytes.elementsEqual("OPTIONS".utf8) { return .options }
    if bytes.elementsEqual("TRACE".utf8) { return .trace }
    return .other
  }
}

/// `method SP request-target SP HTTP-version CRLF` (RFC 9112 §3).
private struct RequestLine {
  var method: Range<Int>
  var target: Range<Int>
  var minorVersion: Int
  var end: Int

  static func parse(_ bytes: UnsafeRawBufferPointer, _ extent: HeadScanner.Extent) throws(MessageError) -> RequestLine {
    var position = extent.start
    while position < extent.end, ASCII.isToken(bytes[position]) { position += 1 }
    let method = extent.start..<position
    guard !method.isEmpty, position < extent.end, bytes[position] == ASCII.space else { throw .badStartLine }
    position += 1
    let targetStart = position
    // Octets above 0x7F are not URI characters, but real clients send them and they are no danger to framing.
    while position < extent.end, bytes[position] > 0x20, bytes[position] != 0x7F { position += 1 }
    let target = targetStart..<position
    guard !target.isEmpty, position < extent.end, bytes[position] == ASCII.space else { throw .badStartLine }
    position += 1
    let minorVersion = try Version.parse(bytes, at: position, to: extent.end)
    position += Version.length
    guard position + 1 < extent.end, bytes[position] == ASCII.carriageReturn, bytes[position + 1] == ASCII.lineFeed else {
      throw .badStartLine
    }
    return RequestLine(method: method, target: target, minorVersion: minorVersion, end: position + 2)
  }

  /// Reduces an absolute-form target to its path and query and returns its authority (RFC 9112 §3.2).
  mutating func splitTarget(_ bytes: UnsafeRawBufferPointer) throws(MessageError) -> Range<Int>? {
    if bytes[target.lowerBound] == ASCII.slash { return nil }
    if target.count == 1, bytes[target.lowerBound] == UInt8(ascii: "*") {
      guard bytes[method].elementsEqual("OPTIONS".utf8) else { throw .badTarget }
      return nil
    }
    for scheme in ["http://", "https://"] as [StaticString] {
      let length = scheme.utf8CodeUnitCount
      guard target.count > length, ASCII.equal(bytes[target.lowerBound..<target.lowerBound + length], scheme) else { continue }
      let start = target.lowerBound + length
      var end = start
      while end < target.upperBound, bytes[end] != ASCII.slash, bytes[end] != UInt8(ascii: "?") { end += 1 }
      guard end > start, Self.isHost(bytes[start..<end]) else { throw .badTarget }
      target = end..<target.upperBound
      return start..<end
    }
    throw .badTarget
  }

  /// `uri-host [":" port]` (RFC 9110 §7.2); may be empty. A comma is legal in a reg-name but is refused: it would read as a list.
  static func isHost(_ bytes: Slice<UnsafeRawBufferPointer>) -> Bool {
    bytes.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "#"), UInt8(ascii: "^"), UInt8(ascii: "`"), UInt8(ascii: "|"): false
      case ASCII.colon, ASCII.semicolon, UInt8(ascii: "["), UInt8(ascii: "]"): true
      case UInt8(ascii: "="), UInt8(ascii: "("), UInt8(ascii: ")"): true
      default: ASCII.isToken(byte)
      }
    }
  }
}

/// `HTTP/1.x` (RFC 9112 §2.3).
enum Version {
  static let length = 8

  /// The minor version: 0 for HTTP/1.0, 1 for every later HTTP/1.
  static func parse(_ bytes: UnsafeRawBufferPointer, at position: Int, to end: Int) throws(MessageError) -> Int {
    guard position + length <= end, bytes[position..<position + 5].elementsEqual("HTTP/".utf8),
      ASCII.isDigit(bytes[position + 5]), bytes[position + 6] == UInt8(ascii: "."), ASCII.isDigit(bytes[position + 7])
    else { throw .badStartLine }
    guard bytes[position + 5] == UInt8(ascii: "1") else { throw .unsupportedVersion }
    return bytes[position + 7] == UInt8(ascii: "0") ? 0 : 1
  }
}
