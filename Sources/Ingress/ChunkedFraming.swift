/// Follows a chunked body octet by octet (RFC 9112 §7.1) without keeping any of it.
struct ChunkedFraming {
  /// The most octets of chunk extensions in one body. They carry nothing here, and a flood of them is an attack.
  static let extensionLimit = 16 * 1024
  /// The most octets of the trailer section.
  static let trailerLimit = 16 * 1024

  /// What the first octets that were looked at are; the count is at least 1.
  enum Step: Equatable {
    case framing(Int)
    case data(Int)
    /// The last octets of the body.
    case end(Int)
  }

  private enum State {
    case size
    case sizeExtension
    case sizeLineFeed
    case data
    case dataCarriageReturn
    case dataLineFeed
    case trailerStart
    case trailerName
    case trailerValue
    case trailerLineFeed
    case endLineFeed
  }

  private var state = State.size
  private var remaining: UInt64 = 0
  private var digits = 0
  private var extensionBytes = 0
  private var trailerBytes = 0
  private var name: [UInt8] = []

  /// Takes in octets.
  ///
  /// - Parameter bytes: not empty.
  mutating func step(_ bytes: UnsafeRawBufferPointer) throws(MessageError) -> Step {
    if state == .data {
      let count = Int(min(remaining, UInt64(bytes.count)))
      remaining -= UInt64(count)
      if remaining == 0 { state = .dataCarriageReturn }
      return .data(count)
    }
    for (index, byte) in bytes.enumerated() {
      if try consume(byte) { return .end(index + 1) }
      if state == .data { return .framing(index + 1) }
    }
    return .framing(bytes.count)
  }

  /// Takes in one octet of framing; true when the body ends with it.
  private mutating func consume(_ byte: UInt8) throws(MessageError) -> Bool {
    switch state {
    case .size, .sizeExtension, .sizeLineFeed: try consumeSizeLine(byte)
    case .data: break
    case .dataCarriageReturn:
      guard byte == ASCII.carriageReturn else { throw .badChunk }
      state = .dataLineFeed
    case .dataLineFeed:
      guard byte == ASCII.lineFeed else { throw .badChunk }
      state = .size
    case .trailerStart, .trailerName, .trailerValue, .trailerLineFeed: try consumeTrailer(byte)
    case .endLineFeed:
      guard byte == ASCII.lineFeed else { throw .badTrailer }
      return true
    }
    return false
  }

  private mutating func consumeSizeLine(_ byte: UInt8) throws(MessageError) {
    switch state {
    case .size:
      if let digit = ASCII.hexValue(byte) {
        digits += 1
        // 15 digits cannot overflow; whoever sends more wants a parser to.
        guard digits <= 15 else { throw .badChunk }
        remaining = remaining << 4 | digit
        return
      }
      guard digits > 0 else { throw .badChunk }
      if byte == ASCII.carriageReturn {
        state = .sizeLineFeed
      } else if byte == ASCII.semicolon {
        state = .sizeExtension
      } else {
        throw .badChunk
      }
    case .sizeExtension:
      if byte == ASCII.carriageReturn {
        state = .sizeLineFeed
        return
      }
      extensionBytes += 1
      guard ASCII.isFieldValue(byte), extensionBytes <= Self.extensionLimit else { throw .badChunk }
    default:
      guard byte == ASCII.lineFeed else { throw .badChunk }
      state = remaining == 0 ? .trailerStart : .data
      digits = 0
    }
  }

  private mutating func consumeTrailer(_ byte: UInt8) throws(MessageError) {
    trailerBytes += 1
    guard trailerBytes <= Self.trailerLimit else { throw .badTrailer }
    switch state {
    case .trailerStart:
      if byte == ASCII.carriageReturn {
        state = .endLineFeed
        return
      }
      guard ASCII.isToken(byte) else { throw .badTrailer }
      name = [byte]
      state = .trailerName
    case .trailerName:
      if byte == ASCII.colon {
        // RFC 9110 §6.5.1: fields for framing and routing must not come as trailers.
        guard name.withUnsafeBytes(KnownField.init) == .other else { throw .badTrailer }
        state = .trailerValue
        return
      }
      guard ASCII.isToken(byte) else { throw .badTrailer }
      name.append(byte)
    case .trailerValue:
      if byte == ASCII.carriageReturn {
        state = .trailerLineFeed
        return
      }
      guard ASCII.isFieldValue(byte) else { throw .badTrailer }
    default:
      guard byte == ASCII.lineFeed else { throw .badTrailer }
      state = .trailerStart
    }
  }
}
