/// What a proxy has to know of a response's head; positions are relative to the octets it was parsed from.
struct ResponseHead {
  var status: Int
  /// 0 or 1: the minor version of HTTP/1.
  var minorVersion: Int
  var startLine: Range<Int>
  var fields: [FieldLine]
  var framing: FramingFields
  var connection: ConnectionOptions

  var isInterim: Bool { (100...199).contains(status) && status != 101 }

  /// Responses that never have a body nor framing fields (RFC 9112 §6.3, RFC 9110 §8.6).
  var forbidsFraming: Bool { status < 200 || status == 204 }

  /// How the body is framed (RFC 9112 §6.3).
  ///
  /// - Parameter isHead: whether this answers a HEAD request.
  func body(isHead: Bool) -> BodyFraming {
    if isHead || forbidsFraming || status == 304 { return BodyFraming(.length(0)) }
    if framing.isChunked { return BodyFraming(.chunked) }
    if let length = framing.contentLength { return BodyFraming(.length(length)) }
    return BodyFraming(.untilClose)
  }

  /// Whether the upstream is willing to keep its connection (RFC 9112 §9.3).
  var keepsAlive: Bool {
    if connection.close { return false }
    return minorVersion >= 1 || connection.keepAlive
  }

  /// Parses a complete head. The reason phrase and the space before it may be missing: it frames nothing.
  ///
  /// - Parameters:
  ///   - bytes: octets that hold the head.
  ///   - extent: where `HeadScanner` found it.
  static func parse(_ bytes: UnsafeRawBufferPointer, _ extent: HeadScanner.Extent) throws(MessageError) -> ResponseHead {
    var position = extent.start
    let minorVersion = try Version.parse(bytes, at: position, to: extent.end)
    position += Version.length
    guard position + 5 < extent.end, bytes[position] == ASCII.space, let code = ASCII.decimal(bytes[position + 1..<position + 4]),
      (100...599).contains(code)
    else { throw .badStartLine }
    position += 4
    guard bytes[position] == ASCII.space || bytes[position] == ASCII.carriageReturn else { throw .badStartLine }
    while position < extent.end, ASCII.isFieldValue(bytes[position]) { position += 1 }
    guard position + 1 < extent.end, bytes[position] == ASCII.carriageReturn, bytes[position + 1] == ASCII.lineFeed else {
      throw .badStartLine
    }
    position += 2
    var head = ResponseHead(
      status: Int(code), minorVersion: minorVersion, startLine: extent.start..<position,
      fields: try FieldLine.parse(bytes, from: position, to: extent.end), framing: FramingFields(), connection: ConnectionOptions())
    for line in head.fields {
      switch line.kind {
      case .contentLength, .transferEncoding: try head.framing.add(line, of: bytes)
      case .connection: try head.connection.add(line, of: bytes)
      default: break
      }
    }
    try head.framing.finish()
    if minorVersion == 0, head.framing.hasCoding { throw .badTransferCoding }
    return head
  }
}
