import Wire
import Foundation
import Glibc
import Testing

@testable import Ingress

/// A proxy on a port of its own with an engine connected to it.
struct Harness: Sendable {
  let proxy: IngressProxy
  let engine: IngressClient
  let port: Int
  let controlPath: String

  func connect(receiveBuffer: CInt? = nil) throws -> Socket { try Socket.connect(port: port, receiveBuffer: receiveBuffer) }

  /// Sends a request on a new connection and reads the response to it.
  func ask(_ text: String, hasNoBody: Bool = false) async throws -> Message {
    try await blocking {
      let socket = try connect()
      try socket.send(text)
      return try socket.response(hasNoBody: hasNoBody)
    }
  }

  /// Waits until the proxy's status is as wanted.
  func eventually(_ what: String, _ condition: (IngressStatus) -> Bool) async throws {
    let end = ContinuousClock.now + .seconds(120)
    while true {
      let status = try await engine.status()
      if condition(status) { return }
      guard ContinuousClock.now < end else {
        Issue.record("\(what) did not come: \(status)")
        throw CancellationError()
      }
      try await Task.sleep(for: .milliseconds(5))
    }
  }

  func waitForEvent(_ event: IngressEvent) async -> Bool {
    for await seen in engine.events where seen == event { return true }
    return false
  }
}

/// Runs a test with a proxy in front of some replicas named `r0`, `r1` and so on.
func withProxy(
  _ replicas: [ReplicaAddress] = [], _ configure: (inout IngressConfiguration) -> Void = { _ in },
  _ body: (Harness) async throws -> Void
) async throws {
  let (listener, port) = try Socket.listening()
  let path = "\(NSTemporaryDirectory())/ingress-\(getpid())-\(port)-\(UInt32.random(in: 0 ... .max)).sock"
  var configuration = IngressConfiguration(listener: listener, controlPath: path)
  // Nothing but what a test is about may depend on how fast the machine is.
  configuration.limits.upstreamIdle = .seconds(600)
  configuration.limits.holdTime = .seconds(600)
  configuration.limits.connectTimeout = .seconds(60)
  configuration.limits.clientHead = .seconds(600)
  configuration.limits.clientIdle = .seconds(600)
  configuration.limits.clientStall = .seconds(600)
  configure(&configuration)
  let proxy = try await IngressProxy.start(configuration)
  do {
    let engine = try await IngressClient.connect(path, timeout: .seconds(120))
    for (index, replica) in replicas.enumerated() { try await engine.add("r\(index)", replica) }
    try await body(Harness(proxy: proxy, engine: engine, port: port, controlPath: path))
    await engine.close()
  } catch {
    await proxy.drainAndClose(grace: .zero)
    throw error
  }
  await proxy.drainAndClose(grace: .zero)
}

/// A request without a body.
func get(_ target: String = "/", _ fields: String = "", method: String = "GET", version: String = "1.1") -> String {
  "\(method) \(target) HTTP/\(version)\r\nHost: test\r\n\(fields)\r\n"
}
