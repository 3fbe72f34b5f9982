import LastCallHummingbird
import NIOCore
import NIOHTTP1
import NIOWebSocket

/// A WebSocket endpoint that sends every message back.
func makeEcho(at path: String) -> WebSocketUpgrade {
  WebSocketUpgrade(
    shouldUpgrade: { head in head.uri.prefix { $0 != "?" } == path ? HTTPHeaders() : nil },
    serve: { channel in
      try await channel.executeThenClose { inbound, outbound in
        for try await frame in inbound {
          let data = frame.unmaskedData
          switch frame.opcode {
          case .text, .binary, .continuation:
            try await outbound.write(WebSocketFrame(fin: frame.fin, opcode: frame.opcode, data: data))
          case .ping: try await outbound.write(WebSocketFrame(fin: true, opcode: .pong, data: data))
          case .connectionClose:
            // RFC 6455 section 5.5.1: a Close is answered by one with the same status.
            try await outbound.write(WebSocketFrame(fin: true, opcode: .connectionClose, data: data))
            return
          default: break
          }
        }
      }
    })
}
