import NIOCore
import NIOHTTP1

/// NIO's decoder, and another one when it has stopped for an upgrade that does not happen.
///
/// NIO's decoder takes nothing more of a connection once a request has asked for another protocol (`stopParsing` in HTTPDecoder.swift): the
/// next request would never be answered. Java's HttpClient begins every plaintext connection with such an offer.
final class RenewableDecoder: ByteToMessageDecoder {
  typealias InboundOut = HTTPServerRequestPart

  private let limits: NIOHTTPDecoderLimitConfiguration
  private var decoder: HTTPRequestDecoder
  /// A request that asked for another protocol has been decoded to its end.
  var hasStopped = false
  /// The connection stays with HTTP/1.1.
  var isServed = false

  init(limits: NIOHTTPDecoderLimitConfiguration) {
    self.limits = limits
    decoder = Self.makeDecoder(limits)
  }

  private static func makeDecoder(_ limits: NIOHTTPDecoderLimitConfiguration) -> HTTPRequestDecoder {
    HTTPRequestDecoder(leftOverBytesStrategy: .forwardBytes, limitConfiguration: limits)
  }

  func decoderAdded(context: ChannelHandlerContext) { decoder.decoderAdded(context: context) }

  func decoderRemoved(context: ChannelHandlerContext) { decoder.decoderRemoved(context: context) }

  func decode(context: ChannelHandlerContext, buffer: inout ByteBuffer) throws -> DecodingState {
    var state = DecodingState.needMoreData
    // What is left behind such a request is the next decoder's.
    repeat {
      renew(context)
      state = try decoder.decode(context: context, buffer: &buffer)
    } while hasStopped && isServed && buffer.readableBytes > 0
    return state
  }

  func decodeLast(context: ChannelHandlerContext, buffer: inout ByteBuffer, seenEOF: Bool) throws -> DecodingState {
    renew(context)
    return try decoder.decodeLast(context: context, buffer: &buffer, seenEOF: seenEOF)
  }

  private func renew(_ context: ChannelHandlerContext) {
    guard hasStopped, isServed else { return }
    hasStopped = false
    decoder.decoderRemoved(context: context)
    decoder = Self.makeDecoder(limits)
    decoder.decoderAdded(context: context)
  }
}
