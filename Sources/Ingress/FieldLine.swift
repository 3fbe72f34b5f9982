/// The fields that decide about framing, routing or the connection; all others are passed on unread.
enum KnownField: UInt8 {
  case other
  case contentLength
  case transferEncoding
  case connection
  case keepAlive
  case proxyConnection
  case te
  case upgrade
  case expect
  case host
  case forwardedFor
  case forwardedProto
  case forwardedHost

  /// Recognises a field name, without regard to case.
  init(_ name: UnsafeRawBufferPointer) {
    self = .other
    switch name.count {
    case 2: if ASCII.equal(name, "te") { self = .te }
    case 4: if ASCII.equal(name, "host") { self = .host }
    case 6: if ASCII.equal(name, "expect") { self = .expect }
    case 7: if ASCII.equal(name, "upgrade") { self = .upgrade }
    case 10:
      if ASCII.equal(name, "connection") {
        self = .connection
      } else if ASCII.equal(name, "keep-alive") {
        self = .keepAlive
      }
    case 14: if ASCII.equal(name, "content-length") { self = .contentLength }
    case 15: if ASCII.equal(name, "x-forwarded-for") { self = .forwardedFor }
    case 16:
      if ASCII.equal(name, "proxy-connection") {
        self = .proxyConnection
      } else if ASCII.equal(name, "x-forwarded-host") {
        self = .forwardedHost
      }
    case 17:
      if ASCII.equal(name, "transfer-encoding") {
        self = .transferEncoding
      } else if ASCII.equal(name, "x-forwarded-proto") {
        self = .forwardedProto
      }
    default: break
    }
  }

  /// Whether the field is for one connection only and never passed on as it is (RFC 9110 §7.6.1).
  var isHopByHop: Bool {
    switch self {
    case .connection, .keepAlive, .proxyConnection, .te, .upgrade: true
    default: false
    }
  }

  /// Whether a peer may have the field dropped by naming it in Connection. Dropping what frames or routes a message would
  /// change its meaning, so such a wish is ignored.
  var mayBeNamedByConnection: Bool { self == .other || isHopByHop }
}

/// Where one field line lies in its head.
struct FieldLine {
  /// The most field lines a head may have; 431 beyond it, so that no work is quadratic in what a peer sends.
  static let limit = 200

  var start: Int
  var nameEnd: Int
  var value: Range<Int>
  /// The first octet after the line's CRLF.
  var end: Int
  var kind: KnownField

  var name: Range<Int> { start..<nameEnd }

  /// Parses all field lines of a head (RFC 9112 §5).
  ///
  /// - Parameters:
  ///   - bytes: the head.
  ///   - first: where the first field line starts.
  ///   - end: the first octet after the empty line.
  static func parse(_ bytes: UnsafeRawBufferPointer, from first: Int, to end: Int) throws(MessageError) -> [FieldLine] {
    var lines: [FieldLine] = []
    lines.reserveCapacity(16)
    var position = first
    let last = end - 2
    while position < last {
      if lines.count == limit { throw .tooManyFields }
      let start = position
      if ASCII.isWhitespace(bytes[start]) { throw .obsoleteFolding }
      while position < last, ASCII.isToken(bytes[position]) { position += 1 }
      let nameEnd = position
      guard nameEnd > start, position < last, bytes[position] == ASCII.colon else { throw .badFieldName }
      position += 1
      while position < last, ASCII.isWhitespace(bytes[position]) { position += 1 }
      let valueStart = position
      while position < last, ASCII.isFieldValue(bytes[position]) { position += 1 }
      var valueEnd = position
      guard position + 1 < end, bytes[position] == ASCII.carriageReturn else { throw .badFieldValue }
      guard bytes[position + 1] == ASCII.lineFeed else { throw .bareCarriageReturn }
      while valueEnd > valueStart, ASCII.isWhitespace(bytes[valueEnd - 1]) { valueEnd -= 1 }
      position += 2
      lines.append(
        FieldLine(
          start: start, nameEnd: nameEnd, value: valueStart..<valueEnd, end: position,
          kind: KnownField(UnsafeRawBufferPointer(rebasing: bytes[start..<nameEnd]))))
    }
    return lines
  }
}

/// What Content-Length and Transfer-Encoding say, before the kind of message is looked at.
struct FramingFields {
  var contentLength: UInt64?
  var isChunked = false
  /// Whether Content-Length has to be written anew because a peer sent it twice or as a list of equal values.
  var repeatsLength = false
  private var sawCoding = false
  private var codingEnded = false
  private var unknownCoding = false

  mutating func add(_ line: FieldLine, of bytes: UnsafeRawBufferPointer) throws(MessageError) {
    switch line.kind {
    case .contentLength: try addLength(line, of: bytes)
    case .transferEncoding: try addCoding(line, of: bytes)
    default: break
    }
  }

  private mutating func addLength(_ line: FieldLine, of bytes: UnsafeRawBufferPointer) throws(MessageError) {
    var elements = 0
    for element in ListElements(bytes, line.value) {
      guard let length = ASCII.decimal(bytes[element]) else { throw .badContentLength }
      if let contentLength {
        guard contentLength == length else { throw .badContentLength }
        repeatsLength = true
      }
      contentLength = length
      elements += 1
      // `5,` is a list of one; it is written anew too.
      if element != line.value { repeatsLength = true }
    }
    if elements == 0 { throw .badContentLength }
  }

  private mutating func addCoding(_ line: FieldLine, of bytes: UnsafeRawBufferPointer) throws(MessageError) {
    var elements = 0
    for element in ListElements(bytes, line.value) {
      elements += 1
      if codingEnded { throw .badTransferCoding }
      if ASCII.equal(bytes[element], "chunked") {
        codingEnded = true
      } else {
        guard bytes[element].first.map(ASCII.isToken) == true else { throw .badTransferCoding }
        unknownCoding = true
      }
    }
    if elements == 0 { throw .badTransferCoding }
    // Two lines, or `chunked,`, would have to be written anew; nobody honest sends them.
    if sawCoding { throw .badTransferCoding }
    sawCoding = true
    isChunked = codingEnded
    if !unknownCoding, !ASCII.equal(bytes[line.value], "chunked") { throw .badTransferCoding }
  }

  /// Checks what only the whole head can tell.
  func finish() throws(MessageError) {
    if sawCoding, contentLength != nil { throw .conflictingFraming }
    if unknownCoding { throw .unknownTransferCoding }
  }

  var hasCoding: Bool { sawCoding }
}

/// What the Connection fields of a head say.
struct ConnectionOptions {
  /// The most options that a head may name.
  static let limit = 32

  var close = false
  var keepAlive = false
  var upgrade = false
  /// Names of fields that are for this connection only.
  var named: [Range<Int>] = []

  mutating func add(_ line: FieldLine, of bytes: UnsafeRawBufferPointer) throws(MessageError) {
    for element in ListElements(bytes, line.value) {
      let option = bytes[element]
      guard option.allSatisfy(ASCII.isToken) else { throw .badConnectionOption }
      if ASCII.equal(option, "close") {
        close = true
      } else if ASCII.equal(option, "keep-alive") {
        keepAlive = true
      } else if ASCII.equal(option, "upgrade") {
        upgrade = true
      } else {
        if named.count == Self.limit { throw .badConnectionOption }
        named.append(element)
      }
    }
  }

  /// Whether a field line was named by Connection.
  func names(_ line: FieldLine, of bytes: UnsafeRawBufferPointer) -> Bool {
    if named.isEmpty || !line.kind.mayBeNamedByConnection { return false }
    return named.contains { range in
      range.count == line.name.count
        && zip(bytes[range], bytes[line.name]).allSatisfy { ASCII.lowercased($0) == ASCII.lowercased($1) }
    }
  }
}
