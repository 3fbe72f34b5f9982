import HTTPTypes
import Logging
import NIOCore
import NIOEmbedded
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import Testing
import Wire

@testable import LastCallHTTP

/// A server of SwiftNIO alone: NIO's own pipeline, with the parts of NIOHTTP1 or with those of NIOHTTPTypes.
private struct PlainPipeline: ConnectionPipeline {
  let isTyped: Bool

  func setUp(_ channel: any Channel, drain: DrainHandler) -> EventLoopFuture<EventLoopFuture<Void>> {
    channel.eventLoop.makeCompletedFuture {
      let pipeline = channel.pipeline.syncOperations
      try pipeline.configureHTTPServerPipeline(withErrorHandling: false)
      if isTyped {
        try pipeline.addHandlers(HTTP1ToHTTPServerCodec(secure: false), HTTPDrainHandler(drain: drain), TypedAnswers())
      } else {
        let decoder = try pipeline.handler(type: ByteToMessageHandler<HTTPRequestDecoder>.self)
        try pipeline.addHandler(HTTP1DrainHandler(drain: drain), position: .after(decoder))
        try pipeline.addHandler(Answers())
      }
      return channel.closeFuture
    }
  }

  func serve(_ closed: EventLoopFuture<Void>) async { _ = try? await closed.get() }
}

private final class Answers: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard case .end = unwrapInboundIn(data) else { return }
    let head = HTTPResponseHead(version: .http1_1, status: .ok, headers: ["content-length": "3"])
    context.write(wrapOutboundOut(.head(head)), promise: nil)
    context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: "ok\n")))), promise: nil)
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
  }
}

private final class TypedAnswers: ChannelInboundHandler {
  typealias InboundIn = HTTPRequestPart
  typealias OutboundOut = HTTPResponsePart

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard case .end = unwrapInboundIn(data) else { return }
    context.write(wrapOutboundOut(.head(HTTPResponse(status: .ok, headerFields: [.contentLength: "3"]))), promise: nil)
    context.write(wrapOutboundOut(.body(ByteBuffer(string: "ok\n"))), promise: nil)
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
  }
}

/// Notes that it was told of a stop.
private final class Successor: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  var wasTold = false

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if event is ChannelShouldQuiesceEvent { wasTold = true }
  }
}

@Suite struct PlainNIOTests {
  @Test(arguments: [false, true]) func aPlainServerDrains(_ isTyped: Bool) async throws {
    // What it sees must be no bound of the drain, however long it waits for the processor.
    var limits = DrainLimits()
    (limits.linger, limits.request, limits.readOff) = (.seconds(600), .seconds(600), .seconds(600))
    let server = DrainingServer(
      listener: try .bind(host: "127.0.0.1", port: 0), pipeline: PlainPipeline(isTyped: isTyped), connections: Connections(limits: limits),
      logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
    let running = Task { try await server.run() }
    let client = try Socket.connect(port: Int(server.port ?? 0))
    let get = "GET / HTTP/1.1\r\nHost: test\r\n\r\n"
    try client.send(get)
    #expect(try await blocking { try client.response() }["connection"].isEmpty)
    server.connections.drain()
    // A request that was on its way. It can be read, and answered, before the connection's loop hears of the drain; the next cannot.
    try client.send(get)
    var response = try await blocking { try client.response() }
    if response["connection"].isEmpty {
      try client.send(get)
      response = try await blocking { try client.response() }
    }
    #expect(response.text == "ok\n")
    #expect(response["connection"] == ["close"])
    #expect(try await blocking { try client.readToEnd() }.isEmpty)
    client.close()
    let report = await server.drain()
    #expect(report.isClean)
    try await running.value
    #expect(server.connections.counts.requestsCompleted >= 2)
    #expect(server.connections.counts.connections == 0)
  }

  /// The hook for protocols other than WebSocket.
  @Test func whoeverHasTakenOverIsToldByNIOsEvent() throws {
    let connections = Connections()
    let channel = EmbeddedChannel()
    let drain = DrainHandler(connections: connections)
    let successor = Successor()
    try channel.pipeline.syncOperations.addHandlers([drain, successor])
    try channel.connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    drain.handOver(bounded: true)
    #expect(connections.counts.hijacked == 1)
    connections.drain()
    channel.embeddedEventLoop.run()
    #expect(successor.wasTold)
    #expect(drain.isDraining)
    connections.cut()
    channel.embeddedEventLoop.run()
    #expect(!channel.isActive)
    #expect(connections.counts.connections == 0)
  }

  /// A name stands in a log line each second, and the client has chosen it.
  @Test func namesOfRequestsAreBounded() {
    let long = HTTPRequestHead(version: .http1_1, method: .GET, uri: "/" + String(repeating: "\u{1f600}", count: 5_000) + "?token=secret")
    #expect((1...1_000).contains(long.requestName.utf8.count))
    #expect(HTTPRequestHead(version: .http1_1, method: .GET, uri: "/export?token=secret").requestName == "GET /export")
  }
}
