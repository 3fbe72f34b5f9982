import NIOCore

/// Knows whether NIOHTTP2 has given a connection up, by the GOAWAY with an error that it then writes. The errors that it fires do not tell: those of
/// one stream come without their `StreamError`, and an error of a stream must not end the others.
///
/// It sees NIOHTTP2's writes: each is a whole frame, or a DATA frame's head and then its payload (HTTP2ChannelHandler.swift, `encodeFrame`).
final class HTTP2FailureHandler: ChannelOutboundHandler {
  typealias OutboundIn = IOData
  typealias OutboundOut = IOData

  private static let headLength = 9
  private static let goAway: UInt8 = 7

  /// A GOAWAY with another code than NO_ERROR was written.
  private(set) var hasFailed = false
  private var payloadFollows = false

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    if payloadFollows {
      payloadFollows = false
    } else if case .byteBuffer(let frame) = unwrapOutboundIn(data), frame.readableBytes >= Self.headLength {
      look(at: frame)
    }
    context.write(data, promise: promise)
  }

  /// RFC 9113 sections 4.1 and 6.8: 24 bits of length, type, flags, stream; then the last stream and the code.
  private func look(at frame: ByteBuffer) {
    let start = frame.readerIndex
    guard let high = frame.getInteger(at: start, as: UInt8.self), let low = frame.getInteger(at: start + 1, as: UInt16.self) else { return }
    let length = Int(high) << 16 | Int(low)
    payloadFollows = length > 0 && frame.readableBytes == Self.headLength
    guard frame.getInteger(at: start + 3, as: UInt8.self) == Self.goAway else { return }
    let code = frame.getInteger(at: start + Self.headLength + 4, as: UInt32.self) ?? 0
    hasFailed = hasFailed || code != 0
  }
}
