/// A frame of HTTP/2 (RFC 9113 section 4.1).
package struct HTTP2WireFrame: Sendable, Equatable {
  package enum Kind: UInt8, Sendable {
    case data = 0
    case headers = 1
    case reset = 3
    case settings = 4
    case ping = 6
    case goAway = 7
    case windowUpdate = 8
  }

  package var kind: Kind?
  package var flags: UInt8 = 0
  package var stream: UInt32 = 0
  package var payload: [UInt8] = []

  package init(_ kind: Kind, flags: UInt8 = 0, stream: UInt32 = 0, payload: [UInt8] = []) {
    self.kind = kind
    self.flags = flags
    self.stream = stream
    self.payload = payload
  }

  package var endsStream: Bool { (kind == .data || kind == .headers) && flags & 1 != 0 }
  package var isAcknowledgement: Bool { flags & 1 != 0 }
  /// Of a GOAWAY.
  package var lastStream: UInt32 { Self.number(payload.prefix(4)) & 0x7fff_ffff }
  /// Of a GOAWAY or RST_STREAM.
  package var errorCode: UInt32 { Self.number(kind == .goAway ? payload.dropFirst(4).prefix(4) : payload.prefix(4)) }

  package static func number(_ bytes: some Sequence<UInt8>) -> UInt32 { bytes.reduce(0) { $0 << 8 | UInt32($1) } }

  static func bytes(_ number: UInt32) -> [UInt8] { [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: number >> UInt32($0)) } }
}

extension Socket {
  /// Begins HTTP/2 with prior knowledge.
  package func beginHTTP2() throws {
    try send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    try send(HTTP2WireFrame(.settings))
  }

  package func send(_ frame: HTTP2WireFrame) throws {
    let length = HTTP2WireFrame.bytes(UInt32(frame.payload.count)).dropFirst()
    try send(Array(length) + [frame.kind?.rawValue ?? 255, frame.flags] + HTTP2WireFrame.bytes(frame.stream) + frame.payload)
  }

  /// A GET without a body: indexed `:method` and `:scheme`, literal `:path` and `:authority` (RFC 7541 appendix A).
  package func get(_ path: String, stream: UInt32) throws {
    let block = [0x82, 0x86, 0x04, UInt8(path.utf8.count)] + Array(path.utf8) + [0x01, 4] + Array("test".utf8)
    try send(HTTP2WireFrame(.headers, flags: 0x5, stream: stream, payload: block))
  }

  package func readFrame() throws -> HTTP2WireFrame {
    let head = try read(9)
    var frame = HTTP2WireFrame(.data, flags: head[4], stream: HTTP2WireFrame.number(head[5..<9]) & 0x7fff_ffff)
    frame.kind = HTTP2WireFrame.Kind(rawValue: head[3])
    frame.payload = try read(Int(HTTP2WireFrame.number(head[0..<3])))
    return frame
  }

  /// The next frame of a kind. Those before it are dropped; SETTINGS among them are acknowledged.
  package func next(_ kind: HTTP2WireFrame.Kind) throws -> HTTP2WireFrame {
    while true {
      let frame = try readFrame()
      if frame.kind == .settings, !frame.isAcknowledgement { try send(HTTP2WireFrame(.settings, flags: 1)) }
      if frame.kind == kind { return frame }
    }
  }

  package func acknowledge(_ ping: HTTP2WireFrame) throws { try send(HTTP2WireFrame(.ping, flags: 1, payload: ping.payload)) }

  /// Reads to the end of a stream's response; its body. Other frames are dropped.
  package func body(ofStream stream: UInt32) throws -> String {
    var body: [UInt8] = []
    while true {
      let frame = try readFrame()
      guard frame.stream == stream else { continue }
      if frame.kind == .data { body += frame.payload }
      if frame.endsStream { return String(decoding: body, as: UTF8.self) }
    }
  }
}
