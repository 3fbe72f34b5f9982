import NIOCore
import NIOHTTP1

/// Gives a connection another decoder when its own has stopped for an upgrade that does not happen.
///
/// NIO's decoder takes nothing more of a connection once a request has asked for another protocol (`stopParsing` in HTTPDecoder.swift): the
/// next request would never be answered. Java's HttpClient begins every plaintext connection with such an offer.
final class DecoderRenewal {
  private let limits: NIOHTTPDecoderLimitConfiguration
  private(set) var decoder: ByteToMessageHandler<HTTPRequestDecoder>
  private var hasStopped = false
  private var isServed = false

  init(limits: NIOHTTPDecoderLimitConfiguration) {
    self.limits = limits
    decoder = Self.makeDecoder(limits)
  }

  private static func makeDecoder(_ limits: NIOHTTPDecoderLimitConfiguration) -> ByteToMessageHandler<HTTPRequestDecoder> {
    ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .forwardBytes, limitConfiguration: limits))
  }

  /// A request that asked for another protocol has been decoded to its end.
  func stopped(_ pipeline: ChannelPipeline.SynchronousOperations) {
    hasStopped = true
    renew(pipeline)
  }

  /// The connection stays with HTTP/1.1.
  func served(_ pipeline: ChannelPipeline.SynchronousOperations) {
    isServed = true
    renew(pipeline)
  }

  private func renew(_ pipeline: ChannelPipeline.SynchronousOperations) {
    guard hasStopped, isServed else { return }
    hasStopped = false
    let old = decoder
    decoder = Self.makeDecoder(limits)
    do {
      // Behind the old one, which hands over what it has left when it goes.
      try pipeline.addHandler(decoder, position: .after(old))
      pipeline.removeHandler(old).assumeIsolated().whenComplete { _ in
        // What it hands over comes outside of any read, and handlers that collect what they read wait for this.
        pipeline.fireChannelReadComplete()
      }
    } catch {
      // The old one has gone with its connection.
    }
  }
}
