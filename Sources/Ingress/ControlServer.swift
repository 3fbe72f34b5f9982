import NIOCore
import NIOPosix

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Carries out what comes over the control socket, on the worker's loop. Nothing that comes on it can end the proxy, and the
/// pool does not care how many engines come and go.
final class ControlServer {
  /// The most engines that may be connected at a time.
  static let connectionLimit = 64

  private let worker: ProxyWorker
  private var connections: [ObjectIdentifier: ControlConnection] = [:]

  init(worker: ProxyWorker) {
    self.worker = worker
    worker.onEvent = { [weak self] event in self?.publish(event) }
  }

  func opened(_ connection: ControlConnection) -> Bool {
    guard connections.count < Self.connectionLimit else { return false }
    connections[ObjectIdentifier(connection)] = connection
    return true
  }

  func closed(_ connection: ControlConnection) { connections[ObjectIdentifier(connection)] = nil }

  func closeAll() {
    for connection in Array(connections.values) { connection.closeAfterFlush() }
  }

  private func publish(_ event: IngressEvent) {
    for connection in Array(connections.values) where connection.isSubscribed { connection.send(event) }
  }

  /// Handles one line of a connection.
  func handle(_ line: ByteBuffer, from connection: ControlConnection) {
    let request: ControlProtocol.Request
    switch ControlProtocol.decodeRequest(line) {
    case .failure(let refused): return connection.send(ControlProtocol.Answer(id: refused.id, error: refused.reason))
    case .success(let decoded): request = decoded
    }
    do {
      try carryOut(request, for: connection)
    } catch {
      connection.send(ControlProtocol.Answer(id: request.id, error: "\(request.op): \(error)"))
    }
  }

  private func carryOut(_ request: ControlProtocol.Request, for connection: ControlConnection) throws {
    var answer = ControlProtocol.Answer(ok: request.id)
    switch request.op {
    case "hello":
      answer.v = ControlProtocol.version
      answer.pid = Int(getpid())
    case "subscribe": connection.isSubscribed = true
    case "status": answer.status = worker.status
    case "add":
      let id = try replica(request)
      guard let text = request.address, let address = ReplicaAddress(text), (try? address.socketAddress()) != nil else {
        throw ControlError("address has to be an IP address with a port, as 127.0.0.1:8080 or [::1]:8080, or the path of a socket")
      }
      try worker.add(id, address)
    case "drain":
      let id = try replica(request)
      let actions = try worker.drain(id)
      let status = worker.status.replicas.last { $0.replica == id }
      answer.inFlight = status?.inFlight
      answer.drained = status?.inFlight == 0
      connection.send(answer)
      return worker.perform(actions)
    case "remove":
      let id = try replica(request)
      let status = worker.status.replicas.last { $0.replica == id }
      try worker.remove(id)
      answer.inFlight = status?.inFlight
      answer.tunnels = status?.tunnels
    case "hold": worker.hold(true)
    case "refuse": worker.hold(false)
    default: throw ControlError("no such operation; there are hello, subscribe, status, add, drain, remove, hold, refuse")
    }
    connection.send(answer)
  }

  private func replica(_ request: ControlProtocol.Request) throws -> String {
    guard let id = request.replica, (1...128).contains(id.utf8.count),
      id.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F })
    else { throw ControlError("replica has to be an id of 1 to 128 octets without control characters") }
    return id
  }
}

/// Why a control request was refused.
private struct ControlError: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) {
    self.description = description
  }
}

/// One engine's connection to the control socket.
final class ControlConnection: ChannelInboundHandler, StreamEndpoint {
  typealias InboundIn = ByteBuffer

  var isSubscribed = false
  private(set) var context: ChannelHandlerContext?
  let inputEnded = false
  private let server: ControlServer
  private var framer = LineFramer(limit: ControlProtocol.requestLimit)

  init(server: ControlServer) {
    self.server = server
  }

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }

  func channelActive(context: ChannelHandlerContext) {
    if !server.opened(self) { closeNow() }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    framer.append(unwrapInboundIn(data))
    while self.context != nil, let line = framer.next() {
      switch line {
      case .line(let line): server.handle(line, from: self)
      case .tooLong:
        send(ControlProtocol.Answer(id: nil, error: "a line is longer than \(ControlProtocol.requestLimit) octets; it was ignored"))
      }
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    self.context = nil
    server.closed(self)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

  func send(_ answer: ControlProtocol.Answer) { send { try ControlProtocol.encode(answer) } }

  func send(_ event: IngressEvent) { send { try ControlProtocol.encode(event) } }

  private func send(_ encode: () throws -> ByteBuffer) {
    // Whoever asks and does not read is cut off; the next connection asks for the status anyway.
    guard isWritable, let bytes = try? encode() else { return closeNow() }
    write(bytes)
    flush()
  }
}
