/// A frame of WebSocket (RFC 6455 section 5.2) with less than 126 bytes.
package struct WebSocketWireFrame: Sendable, Equatable {
  package var opcode: UInt8
  package var payload: [UInt8]

  package static let text: UInt8 = 1
  package static let close: UInt8 = 8

  package init(_ opcode: UInt8, _ payload: [UInt8]) {
    self.opcode = opcode
    self.payload = payload
  }

  /// As a client sends it; the mask is 0, which RFC 6455 does not forbid.
  package var clientBytes: [UInt8] { [0x80 | opcode, 0x80 | UInt8(payload.count), 0, 0, 0, 0] + payload }

  package var text: String { String(decoding: payload, as: UTF8.self) }
  package var closeCode: Int? { payload.count < 2 ? nil : Int(payload[0]) << 8 | Int(payload[1]) }
}

extension Socket {
  /// The request that asks for the upgrade.
  package static func upgradeRequest(_ path: String) -> String {
    "GET \(path) HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
      + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
  }

  package func send(_ frame: WebSocketWireFrame) throws { try send(frame.clientBytes) }

  package func readWebSocketFrame() throws -> WebSocketWireFrame {
    let head = try read(2)
    return WebSocketWireFrame(head[0] & 0xf, try read(Int(head[1] & 0x7f)))
  }
}
