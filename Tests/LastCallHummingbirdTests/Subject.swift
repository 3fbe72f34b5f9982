import Foundation
import Hummingbird
import LastCallHTTP
import LastCallHummingbird
import Logging
import NIOHTTP1
import NIOWebSocket
import ServiceLifecycle
import Wire

/// More than the kernel takes of one connection.
let bigBody = 20_000_000

/// The routes of both servers.
func makeRouter(_ gate: Gate) -> Router<BasicRequestContext> {
  let router = Router()
  router.get("/") { _, _ in "ok\n" }
  router.get("/big") { _, _ in ByteBuffer(repeating: UInt8(ascii: "x"), count: bigBody) }
  router.get("/cancelled") { _, _ -> String in throw CancellationError() }
  router.get("/hold") { _, _ in
    await gate.pass()
    return "held\n"
  }
  router.get("/stream") { _, _ in
    Response(
      status: .ok,
      body: .init { writer in
        try await writer.write(ByteBuffer(string: "begun\n"))
        await gate.pass()
        try await writer.write(ByteBuffer(string: "ended\n"))
        try await writer.finish(nil)
      })
  }
  router.get("/broken") { _, _ in
    Response(
      status: .ok,
      body: .init { writer in
        try await writer.write(ByteBuffer(string: "begun\n"))
        await gate.pass()
        throw CancellationError()
      })
  }
  router.post("/early") { _, _ in "early\n" }
  router.post("/echo") { request, _ in
    Response(
      status: .ok,
      body: .init { writer in
        for try await piece in request.body { try await writer.write(piece) }
        try await writer.finish(nil)
      })
  }
  router.post("/count") { request, _ in
    var count = 0
    for try await piece in request.body {
      count += piece.readableBytes
      gate.note()
    }
    return "\(count)\n"
  }
  return router
}

/// What the connections of a service did.
final class Recorder: RequestObserver {
  struct Requests: Sendable, Equatable {
    var began: [String] = []
    var ended: [Bool] = []
  }

  let states = Watched<[ConnectionID: [ConnectionState]]>([:])
  let requests = Watched(Requests())

  private struct Handle: RequestHandle {
    let recorder: Recorder

    func end(cut: Bool) { recorder.requests.change { $0.ended.append(cut) } }
  }

  func requestBegan(_ name: String) -> any RequestHandle {
    requests.change { $0.began.append(name) }
    return Handle(recorder: self)
  }

  /// Waits until the first connection has gone through these states, and no others.
  func sees(_ states: [ConnectionState]) async { await self.states.wait { all in all.min { $0.key < $1.key }?.value == states } }

  /// Waits until so many connections are in a state.
  func sees(_ count: Int, _ state: ConnectionState) async {
    await states.wait { all in all.values.count { $0.last == state } >= count }
  }
}

/// A server under test, in a task of its own.
struct Subject: Sendable {
  let host: String
  let port: Int
  let gate: Gate
  /// Ends when the server has.
  let running: Task<Void, any Error>
  let group: ServiceGroup
  /// Nil for plain Hummingbird.
  let service: HummingbirdService?
  let recorder: Recorder

  /// A ``HummingbirdService`` in a ServiceGroup. The bounds of the drain are ten minutes each unless a test says otherwise, so that what a
  /// test sees is no bound, also where a test waits a minute for the processor.
  static func ours(
    _ limits: DrainLimits = .ample, options: HummingbirdService.Options = .init(), listener: Listener? = nil, observes: Bool = false
  ) throws -> Subject {
    let host = ownLoopbackAddress()
    let gate = Gate()
    let recorder = Recorder()
    let connections = Connections(
      limits: limits, observer: observes ? recorder : nil,
      onStateChange: { id, state in recorder.states.change { $0[id, default: []].append(state) } })
    let service = HummingbirdService(
      listener: try listener ?? .bind(host: host, port: 0), router: makeRouter(gate), connections: connections, options: options,
      logger: .quiet)
    let configuration = ServiceGroupConfiguration(
      services: [.init(service: service, successTerminationBehavior: .ignore)], logger: .quiet)
    let group = ServiceGroup(configuration: configuration)
    let running = Task { try await group.run() }
    return Subject(
      host: host, port: Int(service.port ?? 0), gate: gate, running: running, group: group, service: service, recorder: recorder)
  }

  /// A Hummingbird `Application` in a ServiceGroup.
  static func plain() async throws -> Subject {
    let host = ownLoopbackAddress()
    let gate = Gate()
    let port = Watched<Int?>(nil)
    let application = Application(
      router: makeRouter(gate), configuration: .init(address: .hostname(host, port: 0)),
      onServerRunning: { channel in port.change { $0 = channel.localAddress?.port ?? 0 } }, logger: .quiet)
    let group = ServiceGroup(services: [application], logger: .quiet)
    let running = Task { try await group.run() }
    await port.wait { $0 != nil }
    return Subject(host: host, port: port.value ?? 0, gate: gate, running: running, group: group, service: nil, recorder: Recorder())
  }

  func connect() throws -> Socket { try Socket.connect(host: host, port: port) }

  /// Begins the stop; what was begun before is there when it returns, for ``ours(_:options:listener:observes:)``.
  func stop() async {
    // The group only notes that it is to shut down, and does so some time later.
    service?.connections.drain()
    await group.triggerGracefulShutdown()
  }

  /// Waits until a connection is refused.
  func refuses() async throws {
    try await blocking {
      while (try? Socket.connect(host: host, port: port)) != nil { usleep(1_000) }
    }
  }
}

extension DrainLimits {
  static var ample: DrainLimits {
    var limits = DrainLimits()
    for bound in [\.linger, \.request, \.readOff, \.upgraded, \.pingAck] as [WritableKeyPath<DrainLimits, Duration>] {
      limits[keyPath: bound] = .seconds(600)
    }
    return limits
  }

  func with(_ bound: WritableKeyPath<DrainLimits, Duration>, _ duration: Duration) -> DrainLimits {
    var limits = self
    limits[keyPath: bound] = duration
    return limits
  }
}

extension Logger {
  static var quiet: Logger { Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }) }
}

extension Socket {
  /// Sends a GET and reads the response.
  func get(_ path: String) throws -> Message {
    try send("GET \(path) HTTP/1.1\r\nHost: test\r\n\r\n")
    return try response()
  }
}

extension Message {
  /// Whether it says `Connection: close`.
  var saysClose: Bool { self["connection"].contains { $0.lowercased() == "close" } }
}
