import NIOCore

/// Splits a stream into lines of bounded length.
struct LineFramer {
  enum Line: Equatable {
    case line(ByteBuffer)
    /// A line that was longer than allowed; it was dropped up to its end.
    case tooLong
  }

  let limit: Int
  private var buffer = ByteBuffer()
  private var scanned = 0
  private var isSkipping = false

  /// - Parameter limit: the most octets of a line, without its line feed.
  init(limit: Int) {
    self.limit = limit
  }

  mutating func append(_ bytes: ByteBuffer) {
    var bytes = bytes
    buffer.writeBuffer(&bytes)
  }

  /// The next complete line, or nil while there is none. At most `limit` octets are kept meanwhile.
  mutating func next() -> Line? {
    while true {
      let view = buffer.readableBytesView
      let start = view.startIndex + scanned
      guard let end = view[start...].firstIndex(of: ASCII.lineFeed) else {
        if buffer.readableBytes > limit || isSkipping {
          defer { isSkipping = true }
          buffer = ByteBuffer()
          scanned = 0
          return isSkipping ? nil : .tooLong
        }
        scanned = buffer.readableBytes
        return nil
      }
      let length = end - view.startIndex
      scanned = 0
      let line = buffer.readSlice(length: length) ?? ByteBuffer()
      buffer.moveReaderIndex(forwardBy: 1)
      if isSkipping {
        isSkipping = false
        continue
      }
      return length > limit ? .tooLong : .line(line)
    }
  }
}
