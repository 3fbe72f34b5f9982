import Foundation
import NIOCore
import NIOPosix
import StopPlan

/// What a keeper says, one JSON object a line (control protocol versions 1 and 2).
struct KeeperMessage: Decodable, Sendable {
  var event: String?
  var reply: String?
  var `protocol`: Int64?
  var version: String?
  var seq: Int64?
  var keeper: Int32?
  var main: Int32?
  var mainStart: UInt64?
  var pid: Int32?
  var state: String?
  var ready: Bool?
  var status: String?
  var code: Int?
  var signal: String?
  var sent: String?
  var command: String?
  var reason: String?
  var leftover: Bool?
  var step: Int?
  var swept: Int?
  var lines: Int64?
  var microseconds: Int64?
  var until: Int64?
  var stored: Int?
  var ok: Bool?
  var error: String?

  /// How the process that the message is about ended.
  var exitStatus: ExitStatus? {
    if let code { return .code(UInt8(truncatingIfNeeded: code)) }
    return signal.flatMap { Signal($0) }.map { .signal($0, core: false) }
  }
}

/// The engine's connection to one keeper.
struct KeeperLink: Sendable {
  /// What comes of it.
  enum Event: Sendable {
    /// The keeper has said something.
    case said(KeeperMessage)
    /// The connection has ended; the last one.
    case closed
  }

  private let channel: any Channel
  /// What a keeper says at a time is a line of some hundred bytes or a few.
  private static let chunk = 512

  /// Connects to the control socket in a replica's directory.
  /// - Parameters:
  ///   - sequence: the last event that is known.
  ///   - receive: is given what the keeper says from its first event after that on, in its order.
  static func connect(_ path: String, after sequence: Int64, _ receive: @escaping @Sendable (Event) -> Void) async throws -> KeeperLink {
    let channel = try await ClientBootstrap(group: LineChannels.group)
      .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: chunk))
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandlers(ByteToMessageHandler(LineDecoder()), KeeperReader(receive: receive))
        }
      }
      .connect(unixDomainSocketPath: path).get()
    let link = KeeperLink(channel: channel)
    link.tell("follow \(sequence)")
    return link
  }

  /// In the order of the calls, whichever thread they come from: on the channel's own loop a write would overtake those that wait for it.
  private func tell(_ line: String) {
    channel.eventLoop.execute { channel.writeAndFlush(ByteBuffer(string: line + "\n"), promise: nil) }
  }

  /// Asks for the stop by the keeper's own plan, to be over by the deadline; or to kill at once.
  func stop(_ request: ReplicaRecord.Stop) {
    tell(request.isAtOnce ? "kill \(request.id)" : "stop \(request.id) \(request.deadline) -")
  }
  /// Asks for the stop by the keeper's own plan within its own grace.
  func stop(id: UInt64) { tell("stop \(id) - -") }
  /// Asks for a signal to the main process.
  func send(_ signal: Signal) { tell("signal \(signal) main") }
  /// Asks to skip to the next signal.
  func escalate(id: UInt64) { tell("escalate \(id)") }
  /// Asks to skip what comes before the first signal, if none was sent yet.
  func skipToFirstSignal(id: UInt64) { tell("escalate \(id) first") }
  /// Asks it to become the lastcall-keeper of that file. The connection's end says that it has, an error that it has not.
  func upgrade(to path: String) { tell("upgrade \(path)") }
  /// Ends the connection.
  func close() { channel.close(promise: nil) }
}

/// Reads what a keeper says. What is no message is passed over: a newer keeper may say more than we know.
private final class KeeperReader: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  private let receive: @Sendable (KeeperLink.Event) -> Void
  private static let decoder = JSONDecoder()

  init(receive: @escaping @Sendable (KeeperLink.Event) -> Void) { self.receive = receive }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let line = unwrapInboundIn(data)
    if let message = try? Self.decoder.decode(KeeperMessage.self, from: Data(line.readableBytesView)) { receive(.said(message)) }
  }

  func channelInactive(context: ChannelHandlerContext) {
    receive(.closed)
    context.fireChannelInactive()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
