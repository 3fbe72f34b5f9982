import NIOCore

/// Where the body of a message ends; consumes it without copying (RFC 9112 §6.3).
struct BodyFraming {
  /// The kinds of framing.
  enum Kind {
    /// So many octets to come; none means no body.
    case length(UInt64)
    case chunked
    /// A response that ends with its connection.
    case untilClose
  }

  private(set) var isComplete: Bool
  let isUntilClose: Bool
  let isChunked: Bool
  private var remaining: UInt64 = 0
  private var chunks = ChunkedFraming()

  init(_ kind: Kind) {
    isComplete = false
    isUntilClose = if case .untilClose = kind { true } else { false }
    isChunked = if case .chunked = kind { true } else { false }
    if case .length(let length) = kind {
      remaining = length
      isComplete = length == 0
    }
  }

  /// Takes from a buffer what belongs to the body.
  ///
  /// - Parameters:
  ///   - buffer: what has arrived; what follows the body stays in it.
  ///   - decoding: whether chunk framing and trailers are taken out (for a receiver of HTTP/1.0).
  /// - Returns: the octets to pass on, sharing the buffer's storage where they are in one piece; nil for none.
  mutating func advance(_ buffer: inout ByteBuffer, decoding: Bool = false) throws(MessageError) -> ByteBuffer? {
    if isComplete || buffer.readableBytes == 0 { return nil }
    if isUntilClose { return take(&buffer, buffer.readableBytes) }
    if isChunked { return try advanceChunks(&buffer, decoding: decoding) }
    let count = Int(min(remaining, UInt64(buffer.readableBytes)))
    remaining -= UInt64(count)
    isComplete = remaining == 0
    return take(&buffer, count)
  }

  private mutating func advanceChunks(_ buffer: inout ByteBuffer, decoding: Bool) throws(MessageError) -> ByteBuffer? {
    var output: ByteBuffer?
    var verbatim = 0
    var copy = buffer
    while !isComplete, copy.readableBytes > 0 {
      var chunks = self.chunks
      let step = copy.withUnsafeReadableBytes { bytes in
        Result { () throws(MessageError) in try chunks.step(bytes) }
      }
      self.chunks = chunks
      switch try step.get() {
      case .framing(let count):
        copy.moveReaderIndex(forwardBy: count)
        verbatim += count
      case .end(let count):
        copy.moveReaderIndex(forwardBy: count)
        verbatim += count
        isComplete = true
      case .data(let count):
        if decoding, var data = copy.getSlice(at: copy.readerIndex, length: count) {
          if output == nil { output = data } else { output?.writeBuffer(&data) }
        }
        copy.moveReaderIndex(forwardBy: count)
        verbatim += count
      }
    }
    if decoding {
      buffer.moveReaderIndex(forwardBy: verbatim)
      return output
    }
    return take(&buffer, verbatim)
  }

  private func take(_ buffer: inout ByteBuffer, _ count: Int) -> ByteBuffer? {
    if count == buffer.readableBytes {
      let all = buffer
      buffer = ByteBuffer()
      return all
    }
    return buffer.readSlice(length: count)
  }
}
