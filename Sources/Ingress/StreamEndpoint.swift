import NIOCore
import NIOPosix

/// How much may be buffered for one connection, in octets.
enum StreamLimits {
  /// Reading from one side stops while more than the high mark waits to be written to the other. One read adds at most 64 KiB.
  static let waterMark = ChannelOptions.Types.WriteBufferWaterMark(low: 32 * 1024, high: 128 * 1024)
  /// What is kept of requests that a client sends ahead of the responses; then reading stops.
  static let pipelined = 64 * 1024
  /// A piece of a body up to this size is copied behind its head: cheaper than a second buffer in the system call.
  static let copied = 2 * 1024
  /// The kernel's buffer for what replicas send. On end of file SwiftNIO reads all of it at once, so it is bounded too.
  static let upstreamReceiveBuffer = 128 * 1024
}

/// One end of a proxied stream: what clients' and replicas' connections have in common.
protocol StreamEndpoint: AnyObject {
  var context: ChannelHandlerContext? { get }
  /// Whether the peer has sent its FIN.
  var inputEnded: Bool { get }
}

extension StreamEndpoint {
  var isWritable: Bool { context?.channel.isWritable ?? false }

  /// Octets that wait to be written.
  var buffered: Int { (try? context?.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0 }

  func write(_ bytes: ByteBuffer) { context?.write(NIOAny(bytes), promise: nil) }

  func flush() { context?.flush() }

  /// Closes at once; what was not written yet is lost.
  func closeNow() { context?.close(mode: .all, promise: nil) }

  /// Sends a FIN after everything that was written.
  ///
  /// - Parameter then: called when the FIN is out, or the connection is gone.
  func closeOutput(then: @escaping () -> Void = {}) {
    guard let context else { return then() }
    // With both directions closed SwiftNIO closes the socket without waiting for pending writes.
    if inputEnded { return closeAfterFlush() }
    let promise = context.eventLoop.makePromise(of: Void.self)
    promise.futureResult.assumeIsolated().whenComplete { _ in then() }
    context.close(mode: .output, promise: promise)
  }

  /// Closes when everything that was written is out.
  func closeAfterFlush() {
    guard let context else { return }
    let promise = context.eventLoop.makePromise(of: Void.self)
    promise.futureResult.assumeIsolated().whenComplete { [weak self] _ in self?.closeNow() }
    context.writeAndFlush(NIOAny(ByteBuffer()), promise: promise)
  }

  /// Makes the coming close a reset, for peers that could take a FIN for the end of a complete message.
  func resetOnClose() {
    guard let options = context?.channel as? any SocketOptionProvider else { return }
    options.setSoLinger(linger(l_onoff: 1, l_linger: 0)).whenComplete { _ in }
  }
}
