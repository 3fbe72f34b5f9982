import LastCallHTTP
import NIOCore
import NIOHTTP1

/// Decides before NIO's upgrade handler whether a connection's first request is upgraded, and hides from it an offer that is not taken.
///
/// Of a request whose offer it does not take, NIO's handler drops the head and the end (NIOTypedHTTPServerUpgraderStateMachine.swift,
/// `awaitingUpgrader` buffers neither). A server may ignore an offer (RFC 9110 section 7.8), so the request is then served as if it had none.
final class WebSocketOffer: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias InboundOut = HTTPServerRequestPart

  private let shouldUpgrade: @Sendable (HTTPRequestHead) -> HTTPHeaders?
  private var isDecided = false
  /// The fields to add to the response; nil when the offer is not taken.
  private(set) var taken: HTTPHeaders?

  init(shouldUpgrade: @escaping @Sendable (HTTPRequestHead) -> HTTPHeaders?) {
    self.shouldUpgrade = shouldUpgrade
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard !isDecided, case .head(var head) = unwrapInboundIn(data) else { return context.fireChannelRead(data) }
    isDecided = true
    taken = head.opensWebSocket ? shouldUpgrade(head) : nil
    if taken == nil { head.headers.remove(name: "upgrade") }
    context.fireChannelRead(wrapInboundOut(.head(head)))
  }
}

extension HTTPRequestHead {
  /// What RFC 6455 section 4.2.1 asks of a client's opening handshake.
  fileprivate var opensWebSocket: Bool {
    method == .GET && version == .http1_1 && upgradeOffer == .certain
      && headers[canonicalForm: "upgrade"].contains { $0.lowercased() == "websocket" }
      && headers[canonicalForm: "sec-websocket-key"].count == 1 && headers[canonicalForm: "sec-websocket-version"] == ["13"]
      && !headers.contains(name: "transfer-encoding") && headers["content-length"].allSatisfy { $0 == "0" }
  }
}
