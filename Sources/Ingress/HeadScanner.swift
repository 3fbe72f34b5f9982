#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Finds the end of a message head in octets that arrive in any pieces, and gives the same answer whatever the pieces are.
struct HeadScanner {
  /// The most octets a head may have, the empty line included; RFC 9112 §3 asks for at least 8,000 for the request line.
  static let limit = 32 * 1024

  /// Where a complete head lies, relative to the first octet that was scanned.
  struct Extent: Equatable {
    /// The first octet of the start line.
    var start: Int
    /// The first octet after the empty line.
    var end: Int
  }

  private var scanned = 0
  private var lineStart = 0
  private var start: Int?
  private let skipsEmptyLines: Bool

  /// - Parameter skipsEmptyLines: whether empty lines before the start line are ignored, as RFC 9112 §2.2 asks of servers.
  init(skipsEmptyLines: Bool) {
    self.skipsEmptyLines = skipsEmptyLines
  }

  /// Looks at what is new.
  ///
  /// - Parameter bytes: everything since the head began; each call has what the last one had, and more.
  /// - Returns: the head's extent, or nil while it is incomplete.
  mutating func scan(_ bytes: UnsafeRawBufferPointer) throws(MessageError) -> Extent? {
    guard let base = bytes.baseAddress else { return nil }
    let bound = min(bytes.count, Self.limit)
    while scanned < bound {
      guard let found = memchr(base + scanned, Int32(ASCII.lineFeed), bound - scanned) else {
        scanned = bound
        break
      }
      let index = UnsafeRawPointer(found) - base
      scanned = index + 1
      guard index > lineStart, bytes[index - 1] == ASCII.carriageReturn else { throw .bareLineFeed }
      let isEmpty = index - 1 == lineStart
      if let start {
        if isEmpty { return Extent(start: start, end: scanned) }
      } else if !isEmpty {
        try checkFirst(bytes[lineStart])
        start = lineStart
      } else if !skipsEmptyLines {
        throw .badStartLine
      }
      lineStart = scanned
    }
    // What cannot become a start line is refused at once, not after a timeout (a TLS hello on this port, say).
    if start == nil, lineStart < bound, !(skipsEmptyLines && bytes[lineStart] == ASCII.carriageReturn) {
      try checkFirst(bytes[lineStart])
    }
    if bytes.count >= Self.limit { throw .headTooLarge }
    return nil
  }

  private func checkFirst(_ byte: UInt8) throws(MessageError) {
    guard ASCII.isToken(byte) else { throw .badStartLine }
  }
}
