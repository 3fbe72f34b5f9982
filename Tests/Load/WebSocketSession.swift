/// A WebSocket connection whose server echoes every message (RFC 6455): judges what happened from what the socket said.
///
/// A Close frame 1000 or 1001 from the server, and the end of the connection after the client has answered it, is a clean end. A message
/// that was sent before that frame came and was not echoed is lost; so is an end without a Close frame.
struct WebSocketSession: Conversation {
  enum Verdict: Sendable, Equatable {
    /// Messages can be sent.
    case upgraded
    /// The message that was sent has come back.
    case echoed
    /// The server has closed by the book; says whether a message had not come back then.
    case closed(messageLost: Bool)
    case lost(FailureClass, String)
  }

  private enum State {
    case upgrading(ResponseParser)
    case open
    case closing
  }

  private static let text: UInt8 = 1
  private static let close: UInt8 = 8
  private static let ping: UInt8 = 9
  private static let pong: UInt8 = 10
  /// RFC 6455 section 1.3: a key and what accepts it.
  private static let key = "dGhlIHNhbXBsZSBub25jZQ=="
  private static let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
  private static let largestFrame = 1 << 20

  private var state = State.upgrading(ResponseParser())
  private var output: [UInt8]
  private var sent = 0
  private var sendFailed = false
  private var input: [UInt8] = []
  private var awaited: [UInt8]?

  init(path: String, host: String) {
    let fields = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: \(Self.key)\r\n\r\n"
    output = Array("GET \(path) HTTP/1.1\r\nHost: \(host)\r\n\(fields)".utf8)
  }

  var unsent: ArraySlice<UInt8> { sendFailed ? [] : output[sent...] }

  /// Whether the server's Close has come and the end of the connection is awaited.
  var isClosing: Bool {
    if case .closing = state { true } else { false }
  }

  /// Sends a message whose echo is then awaited.
  mutating func send(_ message: [UInt8], mask: UInt32) {
    awaited = message
    queue(Self.text, message, mask)
  }

  /// What ends a connection from this side.
  static func farewell(mask: UInt32) -> [UInt8] { frame(close, [0x03, 0xe8], mask) }

  mutating func handle(_ event: Exchange.Event) -> Verdict? {
    switch event {
    case .sent(let count):
      sent += count
      if sent == output.count { (sent, output) = (0, []) }
      return nil
    case .sendFailed:
      // What the server said before is read before anything is judged.
      sendFailed = true
      return nil
    case .received(let bytes):
      input += bytes
      return read()
    case .endOfStream: return ended("the server closed the connection")
    case .receiveFailed(let code): return ended(errnoText(code))
    case .silence: return .lost(.timeout, "no byte moved for the time limit, \(position)")
    case .overrun: return .lost(.timeout, "it took longer than its bound, \(position)")
    }
  }

  private var position: String {
    switch state {
    case .upgrading: "before the upgrade"
    case .open: awaited == nil ? "between messages" : "before the echo"
    case .closing: "after the Close frames"
    }
  }

  private func ended(_ how: String) -> Verdict {
    switch state {
    case .upgrading(let parser): .lost(parser.hasStarted ? .cut : .resetBeforeResponse, "\(how), \(position)")
    case .open: .lost(.cut, "\(how) without a Close frame, \(position)")
    case .closing: .closed(messageLost: awaited != nil)
    }
  }

  private mutating func read() -> Verdict? {
    if case .upgrading(var parser) = state {
      let bytes = input[...]
      input = []
      do throws(FramingError) {
        try parser.receive(bytes) { _ in }
      } catch {
        guard case .excess(let count) = error, parser.head?.status == 101 else { return .lost(.badBody, "invalid response: \(error)") }
        input = Array(bytes.suffix(count))
      }
      guard let head = parser.head else {
        state = .upgrading(parser)
        return nil
      }
      guard head.status == 101 else {
        return .lost((500...599).contains(head.status) ? .status5xx : .unexpectedStatus, "status \(head.status) to an upgrade")
      }
      guard head.values("sec-websocket-accept") == [Self.accept] else { return .lost(.badBody, "wrong Sec-WebSocket-Accept") }
      state = .open
      return .upgraded
    }
    while case .open = state, let frame = takeFrame() {
      if let verdict = receive(frame) { return verdict }
    }
    return nil
  }

  private mutating func receive(_ frame: (first: UInt8, second: UInt8, payload: [UInt8])) -> Verdict? {
    // A server's frame is not masked; an echo of a whole message is one whole frame.
    guard frame.first & 0xf0 == 0x80, frame.second & 0x80 == 0 else { return .lost(.badBody, "a frame that is masked or no whole message") }
    switch frame.first & 0xf {
    case Self.text:
      guard let wanted = awaited, wanted == frame.payload else { return .lost(.badBody, "a message that is not the echo") }
      awaited = nil
      return .echoed
    case Self.ping:
      queue(Self.pong, frame.payload, 0)
      return nil
    case Self.pong: return nil
    case Self.close:
      let code = frame.payload.count < 2 ? 1005 : Int(frame.payload[0]) << 8 | Int(frame.payload[1])
      guard code == 1000 || code == 1001 else { return .lost(.unexpectedStatus, "closed with \(code), \(position)") }
      queue(Self.close, Array(frame.payload.prefix(2)), 0)
      state = .closing
      return nil
    default: return .lost(.badBody, "a frame with opcode \(frame.first & 0xf)")
    }
  }

  /// Section 5.2.
  private mutating func takeFrame() -> (first: UInt8, second: UInt8, payload: [UInt8])? {
    guard input.count >= 2 else { return nil }
    let short = Int(input[1] & 0x7f)
    let extra = short == 126 ? 2 : short == 127 ? 8 : 0
    guard input.count >= 2 + extra else { return nil }
    let length = extra == 0 ? short : input[2..<(2 + extra)].reduce(0) { min($0 << 8 | Int($1), Self.largestFrame + 1) }
    let start = 2 + extra
    guard length <= Self.largestFrame else { return (0, 0, []) }
    guard input.count >= start + length else { return nil }
    defer { input.removeFirst(start + length) }
    return (input[0], input[1], Array(input[start..<(start + length)]))
  }

  private mutating func queue(_ opcode: UInt8, _ payload: [UInt8], _ mask: UInt32) {
    output += Self.frame(opcode, payload, mask)
  }

  private static func frame(_ opcode: UInt8, _ payload: [UInt8], _ mask: UInt32) -> [UInt8] {
    let key = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: mask >> UInt32($0)) }
    let length: [UInt8] =
      payload.count < 126
      ? [0x80 | UInt8(payload.count)]
      : [0x80 | 126, UInt8(truncatingIfNeeded: payload.count >> 8), UInt8(truncatingIfNeeded: payload.count)]
    return [0x80 | opcode] + length + key + payload.enumerated().map { $1 ^ key[$0 & 3] }
  }
}
