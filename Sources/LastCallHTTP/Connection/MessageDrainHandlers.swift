import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOHTTPTypes

/// Tells a ``DrainHandler`` of the HTTP/1.1 messages that pass, and writes `Connection: close` for it. For parts of NIOHTTPTypes.
///
/// Its place is behind the codec. Removing it from an active channel says that the connection is handed over to another protocol, as
/// NIO's upgrade handlers do with their `extraHTTPHandlers`.
public final class HTTPDrainHandler: ChannelDuplexHandler, RemovableChannelHandler {
  /// A part of a request.
  public typealias InboundIn = HTTPRequestPart
  /// The same part.
  public typealias InboundOut = HTTPRequestPart
  /// A part of a response.
  public typealias OutboundIn = HTTPResponsePart
  /// The same part.
  public typealias OutboundOut = HTTPResponsePart

  private let drain: DrainHandler
  private var discardsRequest = false

  /// A handler for the connection of `drain`.
  public init(drain: DrainHandler) {
    self.drain = drain
  }

  /// Called by NIO.
  public func handlerRemoved(context: ChannelHandlerContext) {
    if context.channel.isActive { drain.handOver(bounded: true) }
  }

  /// Called by NIO.
  public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    if case .head(let head) = unwrapInboundIn(data) {
      let closes = head.headerFields.asksForClose || head.headerFields.contains(.upgrade) || head.method == .connect
      discardsRequest = !drain.requestBegan(closes: closes) { head.requestName }
    }
    if !discardsRequest { context.fireChannelRead(data) }
  }

  /// Called by NIO.
  public func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if error is HTTPParserError { drain.clientFailed() }
    context.fireErrorCaught(error)
  }

  /// Called by NIO.
  public func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    switch unwrapOutboundIn(data) {
    case .head(var head) where head.status.kind != .informational:
      // What is not changed is handed on as it is: to wrap it again would cost a copy.
      guard drain.responseBegins(closes: head.headerFields.asksForClose) else { return context.write(data, promise: promise) }
      head.headerFields[.connection] = "close"
      context.write(wrapOutboundOut(.head(head)), promise: promise)
    case .end: context.write(data, promise: drain.responseEnds(promise, context))
    default: context.write(data, promise: promise)
    }
  }
}

/// As ``HTTPDrainHandler``, for the parts of NIOHTTP1.
public final class HTTP1DrainHandler: ChannelDuplexHandler, RemovableChannelHandler {
  /// A part of a request.
  public typealias InboundIn = HTTPServerRequestPart
  /// The same part.
  public typealias InboundOut = HTTPServerRequestPart
  /// A part of a response.
  public typealias OutboundIn = HTTPServerResponsePart
  /// The same part.
  public typealias OutboundOut = HTTPServerResponsePart

  private let drain: DrainHandler
  private let upgradeRequestEnded: (() -> Void)?
  private let flushReachesSocket: Bool
  private var discardsRequest = false
  private var offer = UpgradeOffer.none

  /// A handler for the connection of `drain`.
  public init(drain: DrainHandler) {
    self.drain = drain
    upgradeRequestEnded = nil
    flushReachesSocket = false
  }

  /// For a pipeline in which nothing between this and the socket holds bytes back.
  ///
  /// - Parameter upgradeRequestEnded: Called when a request that asks for another protocol has been handed on to its end.
  package init(drain: DrainHandler, upgradeRequestEnded: @escaping () -> Void) {
    self.drain = drain
    self.upgradeRequestEnded = upgradeRequestEnded
    flushReachesSocket = true
  }

  /// Called by NIO.
  public func handlerRemoved(context: ChannelHandlerContext) {
    if context.channel.isActive { drain.handOver(bounded: true) }
  }

  /// Called by NIO.
  public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    var ended = false
    switch unwrapInboundIn(data) {
    case .head(let head):
      offer = head.upgradeOffer
      let isUnderstood = offer == .none || (offer == .certain && upgradeRequestEnded != nil)
      discardsRequest = !drain.requestBegan(closes: !head.isKeepAlive || !isUnderstood) { head.requestName }
    case .body: break
    case .end: ended = true
    }
    if !discardsRequest { context.fireChannelRead(data) }
    if ended, offer != .none, let upgradeRequestEnded { offer == .certain ? upgradeRequestEnded() : drain.ignoreInput() }
  }

  /// Called by NIO. The output is closed behind what has been written: with the client's side closed NIO would drop that.
  public func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
    guard mode == .output, drain.isSending else { return context.close(mode: mode, promise: promise) }
    drain.whenSent { _ in context.close(mode: mode, promise: promise) }
  }

  /// Called by NIO.
  public func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if error is HTTPParserError { drain.clientFailed() }
    context.fireErrorCaught(error)
  }

  /// Called by NIO.
  public func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    switch unwrapOutboundIn(data) {
    case .head(var head) where !(100..<200).contains(head.status.code):
      guard drain.responseBegins(closes: head.headers.asksForClose) else { return context.write(data, promise: promise) }
      head.headers.replaceOrAdd(name: "connection", value: "close")
      context.write(wrapOutboundOut(.head(head)), promise: promise)
    case .end where flushReachesSocket && promise == nil:
      drain.responseEnds()
      context.write(data, promise: nil)
    case .end: context.write(data, promise: drain.responseEnds(promise, context))
    default: context.write(data, promise: promise)
    }
  }

  /// Called by NIO.
  public func flush(context: ChannelHandlerContext) { drain.flush(context) }
}

/// Whether a value of the Connection field, a list, has an option (RFC 9110 section 7.6.1: options are case-insensitive).
private func hasOption(_ name: String, _ value: some StringProtocol) -> Bool {
  value.split(separator: ",").contains { option in String(option.filter { !$0.isWhitespace }).lowercased() == name }
}

extension HTTPFields {
  fileprivate var asksForClose: Bool { contains(.connection) && self[values: .connection].contains { hasOption("close", $0) } }
}

extension HTTPHeaders {
  fileprivate var asksForClose: Bool { contains(name: "connection") && self["connection"].contains { hasOption("close", $0) } }
}

/// Whether NIO's decoder stops behind a request, since what follows may be another protocol's.
package enum UpgradeOffer {
  case none
  case certain
  /// It would take llhttp itself to tell: the response says close then, so that nobody waits for an answer to what comes behind it.
  case unclear
}

extension HTTPRequestHead {
  /// As llhttp decides it (llhttp__before_headers_complete in NIO's c_nio_http.c; Proxy-Connection counts as Connection).
  package var upgradeOffer: UpgradeOffer {
    if method == .CONNECT { return .certain }
    guard headers.contains(name: "upgrade") else { return .none }
    let isPlain = (headers["connection"] + headers["proxy-connection"]).contains { value in
      value.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f || $0 == 0x20 }
        && value.split(separator: ",").contains { option in option.drop { $0 == " " }.lowercased() == "upgrade" }
    }
    return isPlain ? .certain : .unclear
  }
}

extension HTTPRequest {
  /// Method and path, without the query: a name has to be short and must not carry secrets.
  var requestName: String { nameOfRequest(method.rawValue, path ?? "") }
}

extension HTTPRequestHead {
  var requestName: String { nameOfRequest(method.rawValue, uri) }
}

private let longestName = 200

/// Every request is named, so this looks at bytes and allocates once.
private func nameOfRequest(_ method: String, _ path: String) -> String {
  var end = path.utf8.firstIndex(of: UInt8(ascii: "?")) ?? path.utf8.endIndex
  // The client chose it, and it goes into a log line each second.
  if path.utf8.count > longestName, let limit = path.index(path.startIndex, offsetBy: longestName, limitedBy: end) { end = limit }
  var name = ""
  name.reserveCapacity(method.utf8.count + 1 + min(path.utf8.count, longestName))
  name += method
  name += " "
  name += path[..<end]
  return name
}
