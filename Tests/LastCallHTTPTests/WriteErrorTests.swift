import NIOCore
import NIOEmbedded
import NIOHTTP1
import Testing

@testable import LastCallHTTP

/// Fails what is written, as a broken connection does.
private final class BrokenOutput: ChannelOutboundHandler {
  typealias OutboundIn = ByteBuffer

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    promise?.fail(ChannelError.ioOnClosedChannel)
  }
}

@Suite struct WriteErrorTests {
  /// Go: after a write that failed the connection is not used for another request.
  @Test("TestServerKeepAliveAfterWriteError") func testServerKeepAliveAfterWriteError() throws {
    let connections = Connections()
    let channel = EmbeddedChannel()
    let drain = DrainHandler(connections: connections)
    let pipeline = channel.pipeline.syncOperations
    try pipeline.addHandlers([BrokenOutput(), drain, HTTPResponseEncoder(), ByteToMessageHandler(HTTPRequestDecoder())])
    try pipeline.addHandler(HTTP1DrainHandler(drain: drain))
    try channel.connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    try channel.writeInbound(ByteBuffer(string: "GET / HTTP/1.1\r\nHost: test\r\n\r\n"))
    #expect(connections.counts.active == 1)
    channel.write(HTTPServerResponsePart.head(HTTPResponseHead(version: .http1_1, status: .ok)), promise: nil)
    #expect(throws: (any Error).self) { try channel.writeAndFlush(HTTPServerResponsePart.end(nil)).wait() }
    channel.embeddedEventLoop.run()
    #expect(!channel.isActive)
    #expect(connections.counts.connections == 0)
    #expect(connections.counts.requestsCompleted == 0)
  }

  private struct BrokenTransport: Error {}

  /// TLS has errors of its own, as of a client that ends without saying so; they come from before the bytes that this sees.
  @Test func anErrorOfTheTransportIsNoCut() throws {
    let connections = Connections()
    let channel = EmbeddedChannel()
    let drain = DrainHandler(connections: connections)
    try channel.pipeline.syncOperations.addHandlers([drain, HTTPResponseEncoder(), ByteToMessageHandler(HTTPRequestDecoder())])
    try channel.pipeline.syncOperations.addHandler(HTTP1DrainHandler(drain: drain))
    try channel.connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    try channel.writeInbound(ByteBuffer(string: "GET / HTTP/1.1\r\nHost: test\r\n\r\n"))
    channel.pipeline.fireErrorCaught(BrokenTransport())
    channel.close(promise: nil)
    channel.embeddedEventLoop.run()
    #expect(connections.counts.requestsAbandoned == 1)
    #expect(connections.counts.requestsCut == 0)
  }
}
