import Foundation
import NIOCore
import NIOPosix

/// Lines over a unix socket, both ways.
typealias LineChannel = NIOAsyncChannel<ByteBuffer, ByteBuffer>

/// Cuts a stream at line feeds; a line beyond the limit ends the connection.
struct LineDecoder: ByteToMessageDecoder {
  typealias InboundOut = ByteBuffer
  static let limit = 1 << 20

  struct LineTooLong: Error {}

  mutating func decode(context: ChannelHandlerContext, buffer: inout ByteBuffer) throws -> DecodingState {
    guard let end = buffer.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) else {
      if buffer.readableBytes > Self.limit { throw LineTooLong() }
      return .needMoreData
    }
    let length = end - buffer.readerIndex
    if let line = buffer.readSlice(length: length) { context.fireChannelRead(wrapInboundOut(line)) }
    buffer.moveReaderIndex(forwardBy: 1)
    return .continue
  }

  mutating func decodeLast(context: ChannelHandlerContext, buffer: inout ByteBuffer, seenEOF: Bool) throws -> DecodingState {
    try decode(context: context, buffer: &buffer)
  }
}

enum LineChannels {
  static let group = MultiThreadedEventLoopGroup.singleton

  /// Connects to the socket at `path`.
  static func connect(_ path: String) async throws -> LineChannel {
    try await ClientBootstrap(group: group).connect(unixDomainSocketPath: path) { channel in wrap(channel) }
  }

  /// Listens at `path` and takes connections. The file is 0600; until it is, its directory, which is 0700, keeps others out.
  static func listen(at path: String) async throws -> NIOAsyncChannel<LineChannel, Never> {
    let server = try await ServerBootstrap(group: group).bind(unixDomainSocketPath: path) { channel in wrap(channel) }
    guard chmod(path, 0o600) == 0 else { throw EngineError("cannot make \(path) private") }
    return server
  }

  private static func wrap(_ channel: any Channel) -> EventLoopFuture<LineChannel> {
    channel.eventLoop.makeCompletedFuture {
      try channel.pipeline.syncOperations.addHandler(ByteToMessageHandler(LineDecoder()))
      return try LineChannel(wrappingChannelSynchronously: channel)
    }
  }
}
