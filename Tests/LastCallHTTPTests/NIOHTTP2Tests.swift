import NIOCore
import NIOEmbedded
import NIOHPACK
import NIOHTTP2
import Testing

/// Why `HTTP2DrainHandler` writes its first GOAWAY past NIOHTTP2. When this fails, it need not any more.
@Suite struct NIOHTTP2Tests {
  private final class StreamCount: NIOHTTP2StreamDelegate, @unchecked Sendable {
    // Unchecked: an EmbeddedChannel has one thread.
    var created = 0

    func streamCreated(_ id: HTTP2StreamID, channel: any Channel) { created += 1 }
    func streamClosed(_ id: HTTP2StreamID, channel: any Channel) {}
  }

  @Test(arguments: [true, false]) func aGoAwayWithTheGreatestIdentifierRefusesStreams(_ isSent: Bool) throws {
    let streams = StreamCount()
    let server = EmbeddedChannel()
    let client = EmbeddedChannel()
    for (channel, mode) in [(server, NIOHTTP2Handler.ParserMode.server), (client, .client)] {
      try channel.pipeline.syncOperations.addHandler(
        NIOHTTP2Handler(
          mode: mode, eventLoop: channel.eventLoop, connectionConfiguration: .init(), streamConfiguration: .init(),
          streamDelegate: mode == .server ? streams : nil
        ) { $0.eventLoop.makeSucceededVoidFuture() })
      try channel.connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    }
    try exchange(client, server)
    let goAway = HTTP2Frame.FramePayload.goAway(lastStreamID: .maxID, errorCode: .noError, opaqueData: nil)
    if isSent { try server.writeOutbound(HTTP2Frame(streamID: .rootStream, payload: goAway)) }
    // The client has not seen it yet.
    let head = HPACKHeaders([(":method", "GET"), (":scheme", "http"), (":authority", "test"), (":path", "/")])
    try client.writeOutbound(HTTP2Frame(streamID: 1, payload: .headers(.init(headers: head, endStream: true))))
    try? exchange(client, server)
    #expect(streams.created == (isSent ? 0 : 1))
  }

  private func exchange(_ first: EmbeddedChannel, _ second: EmbeddedChannel) throws {
    var moved = true
    while moved {
      moved = false
      for (from, to) in [(first, second), (second, first)] {
        while let bytes = try from.readOutbound(as: ByteBuffer.self) {
          moved = true
          try to.writeInbound(bytes)
        }
      }
    }
  }
}
