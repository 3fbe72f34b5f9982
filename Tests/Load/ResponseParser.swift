/// The head of a response.
public struct ResponseHead: Sendable, Equatable {
  /// 0 for HTTP/1.0, 1 for HTTP/1.1.
  public var minorVersion: Int
  /// The status code, 100…599.
  public var status: Int
  /// Field names in lower case with their values, in the order they came.
  public var fields: [Field]

  /// One field line.
  public struct Field: Sendable, Equatable {
    /// The name in lower case.
    public var name: String
    /// The value without the white space around it.
    public var value: String
  }

  /// The values of all fields of this lower-case name.
  public func values(_ name: String) -> [String] {
    fields.filter { $0.name == name }.map(\.value)
  }

  /// The members of a comma-separated list field, in lower case.
  public func members(_ name: String) -> [String] {
    values(name).flatMap { value in
      value.lowercased().split(separator: ",").map { $0.drop { $0 == " " || $0 == "\t" } }.map { member in
        String(member.prefix { $0 != " " && $0 != "\t" })
      }
    }.filter { !$0.isEmpty }
  }

  /// Whether the server will close the connection after this response (RFC 9112 section 9.3).
  public var closes: Bool {
    let options = members("connection")
    return options.contains("close") || (minorVersion == 0 && !options.contains("keep-alive"))
  }
}

/// What makes a response invalid.
public enum FramingError: Error, Equatable, Sendable {
  /// The status line, or what should be one.
  case statusLine(String)
  /// A field line or a trailer line.
  case field(String)
  /// Head or trailers are larger than 64 KiB, or a chunk's size line is longer than 4 KiB.
  case tooLong
  /// `Content-Length` is no number, contradicts itself, or stands beside `Transfer-Encoding`.
  case contentLength(String)
  /// A transfer coding that was not asked for.
  case transferEncoding(String)
  /// A chunk's size line, or no CRLF after its data.
  case chunk(String)
  /// Bytes after the end of the response, with no request under way that they could answer.
  case excess(Int)
}

/// Reads one response of HTTP/1.0 or 1.1 to a request other than HEAD or CONNECT, in whatever pieces it comes (RFC 9112).
///
/// It is strict: lines end in CRLF, no field is folded, no framing is guessed. Its memory is bounded; bodies are handed on, not kept.
public struct ResponseParser: Sendable {
  private enum State: Equatable {
    case statusLine
    case fields
    case fixedBody(remaining: UInt64)
    case chunkSize
    case chunkData(remaining: UInt64)
    case chunkEnd
    case trailers
    case untilClose
    case complete
  }

  private static let headLimit = 65_536
  private static let chunkLineLimit = 4_096

  private var state = State.statusLine
  private var line: [UInt8] = []
  private var headBytes = 0
  private var pending = ResponseHead(minorVersion: 1, status: 0, fields: [])

  /// The head of the final response, once it is whole.
  public private(set) var head: ResponseHead?
  /// The trailers of a chunked body.
  public private(set) var trailers: [ResponseHead.Field] = []
  /// Whether any byte has come.
  public private(set) var hasStarted = false
  /// The length that `Content-Length` gives.
  public private(set) var contentLength: UInt64?

  /// A parser that waits for a status line.
  public init() {}

  /// Whether the response is whole.
  public var isComplete: Bool { state == .complete }

  /// Where an unfinished response stands, in words.
  public var position: String {
    switch state {
    case .statusLine: hasStarted ? "in the status line" : "before the status line"
    case .fields: "in the head"
    case .fixedBody(let remaining): "in the body, \(remaining) of \(contentLength ?? 0) bytes missing"
    case .chunkSize: "before a chunk"
    case .chunkData(let remaining): "in a chunk, \(remaining) bytes of it missing"
    case .chunkEnd: "at the end of a chunk"
    case .trailers: "in the trailers"
    case .untilClose: "in a body that ends with the connection"
    case .complete: "after the end"
    }
  }

  /// Takes in the bytes that follow those before.
  /// - Parameters:
  ///   - bytes: any number of bytes.
  ///   - body: called with each piece of the body.
  /// - Throws: what is invalid; the parser is of no use after that.
  public mutating func receive(
    _ bytes: ArraySlice<UInt8>, body: (ArraySlice<UInt8>) -> Void
  ) throws(FramingError) {
    var rest = bytes
    if !rest.isEmpty { hasStarted = true }
    while !rest.isEmpty {
      switch state {
      case .fixedBody(let remaining):
        let piece = rest.prefix(Int(min(remaining, UInt64(rest.count))))
        body(piece)
        rest = rest.dropFirst(piece.count)
        let left = remaining - UInt64(piece.count)
        state = left == 0 ? .complete : .fixedBody(remaining: left)
      case .chunkData(let remaining):
        let piece = rest.prefix(Int(min(remaining, UInt64(rest.count))))
        body(piece)
        rest = rest.dropFirst(piece.count)
        let left = remaining - UInt64(piece.count)
        state = left == 0 ? .chunkEnd : .chunkData(remaining: left)
      case .untilClose:
        body(rest)
        rest = []
      case .complete:
        throw .excess(rest.count)
      case .statusLine, .fields, .trailers, .chunkSize, .chunkEnd:
        if try takeLine(&rest) { try finishLine() }
      }
    }
  }

  /// Says that the connection has ended.
  /// - Returns: whether that was the proper end of the response.
  public mutating func endOfStream() -> Bool {
    if state == .untilClose { state = .complete }
    return state == .complete
  }

  /// Moves bytes to `line` up to and including a line feed; true when there was one.
  private mutating func takeLine(_ rest: inout ArraySlice<UInt8>) throws(FramingError) -> Bool {
    let end = rest.firstIndex(of: 10)
    let piece = rest[..<(end.map { $0 + 1 } ?? rest.endIndex)]
    line += piece
    rest = rest[piece.endIndex...]
    let isChunkLine = state == .chunkSize || state == .chunkEnd
    if isChunkLine {
      if line.count > Self.chunkLineLimit { throw .tooLong }
    } else {
      headBytes += piece.count
      if headBytes > Self.headLimit { throw .tooLong }
    }
    return end != nil
  }

  private mutating func finishLine() throws(FramingError) {
    defer { line.removeAll(keepingCapacity: true) }
    guard line.count >= 2, line[line.count - 2] == 13 else {
      throw state == .statusLine ? .statusLine(printable(line)) : .field("no CR before LF in '\(printable(line))'")
    }
    let content = line.dropLast(2)
    switch state {
    case .statusLine: try finishStatusLine(content)
    case .fields:
      if content.isEmpty { try finishHead() } else { pending.fields.append(try Self.field(content)) }
    case .trailers:
      if content.isEmpty { state = .complete } else { trailers.append(try Self.field(content)) }
    case .chunkSize: try finishChunkSize(content)
    case .chunkEnd:
      guard content.isEmpty else { throw .chunk("no CRLF after a chunk's data") }
      state = .chunkSize
    case .fixedBody, .chunkData, .untilClose, .complete: break
    }
  }

  private mutating func finishStatusLine(_ content: ArraySlice<UInt8>) throws(FramingError) {
    let bytes = Array(content)
    let digits = bytes.dropFirst(9).prefix(3)
    guard bytes.starts(with: Array("HTTP/1.".utf8)), bytes.count >= 12, bytes[7] == 0x30 || bytes[7] == 0x31, bytes[8] == 0x20,
      digits.allSatisfy({ (0x30...0x39).contains($0) }), bytes.count == 12 || bytes[12] == 0x20
    else { throw .statusLine(printable(bytes)) }
    let status = digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    guard (100...599).contains(status) else { throw .statusLine(printable(bytes)) }
    pending = ResponseHead(minorVersion: Int(bytes[7] - 0x30), status: status, fields: [])
    state = .fields
  }

  private static func field(_ content: ArraySlice<UInt8>) throws(FramingError) -> ResponseHead.Field {
    guard let colon = content.firstIndex(of: 0x3a), colon > content.startIndex, content[..<colon].allSatisfy(isTokenByte) else {
      throw .field(printable(content))
    }
    let isBlank = { (byte: UInt8) in byte == 0x20 || byte == 0x09 }
    var value = content[(colon + 1)...].drop(while: isBlank)
    while let last = value.last, isBlank(last) { value.removeLast() }
    guard value.allSatisfy({ $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }) else { throw .field(printable(content)) }
    return ResponseHead.Field(
      name: String(decoding: content[..<colon], as: UTF8.self).lowercased(), value: String(decoding: value, as: UTF8.self))
  }

  /// RFC 9112 section 6.3: which framing the body has.
  private mutating func finishHead() throws(FramingError) {
    if (100...199).contains(pending.status), pending.status != 101 {
      state = .statusLine
      return
    }
    head = pending
    if pending.status == 204 || pending.status == 304 || pending.status == 101 {
      state = .complete
      return
    }
    let codings = pending.members("transfer-encoding")
    let lengths = pending.members("content-length")
    if !codings.isEmpty {
      guard codings == ["chunked"], pending.minorVersion == 1 else { throw .transferEncoding(codings.joined(separator: ", ")) }
      guard lengths.isEmpty else { throw .contentLength("beside Transfer-Encoding") }
      state = .chunkSize
      return
    }
    guard let first = lengths.first else {
      state = .untilClose
      return
    }
    guard lengths.allSatisfy({ $0 == first }), first.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let length = UInt64(first) else {
      throw .contentLength(lengths.joined(separator: ", "))
    }
    contentLength = length
    state = length == 0 ? .complete : .fixedBody(remaining: length)
  }

  private mutating func finishChunkSize(_ content: ArraySlice<UInt8>) throws(FramingError) {
    let digits = content.prefix { $0 != 0x3b && $0 != 0x20 && $0 != 0x09 }
    let isHexadecimal = digits.allSatisfy { UnicodeScalar($0).properties.isASCIIHexDigit }
    guard (1...15).contains(digits.count), isHexadecimal, let size = UInt64(String(decoding: digits, as: UTF8.self), radix: 16) else {
      throw .chunk("size line '\(printable(content))'")
    }
    state = size == 0 ? .trailers : .chunkData(remaining: size)
  }
}

/// `token` of RFC 9110 section 5.6.2.
private func isTokenByte(_ byte: UInt8) -> Bool {
  switch byte {
  case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
  case 0x21, 0x23, 0x24, 0x25, 0x26, 0x27, 0x2a, 0x2b, 0x2d, 0x2e, 0x5e, 0x5f, 0x60, 0x7c, 0x7e: true
  default: false
  }
}

/// The first 60 bytes as text that does no harm to a terminal.
private func printable(_ bytes: some Collection<UInt8>) -> String {
  bytes.prefix(60).map { (0x20...0x7e).contains($0) ? String(UnicodeScalar($0)) : "\\x\(String($0, radix: 16))" }.joined()
}
