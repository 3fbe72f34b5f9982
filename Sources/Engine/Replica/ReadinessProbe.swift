import AppSpec
import Foundation
import Linux
import NIOCore
import NIOPosix
import StopPlan

/// Looks once whether a replica is ready, or still works.
struct ReadinessProbe: Sendable {
  let command: HookCommand
  let port: Int?

  /// - Parameters:
  ///   - check: what is looked at.
  ///   - timeout: how long it may take.
  ///   - keeper: whose tree has to answer.
  /// - Returns: nil when it holds, else why not.
  func look(_ check: Readiness.Check, _ timeout: TimeSpan, keeper: Int32) async -> String? {
    switch check {
    case .notify: return "it has not said READY=1"
    case .tcp(let number):
      guard let port = number ?? port else { return "it has no port" }
      return await connect(port, keeper: keeper, request: nil, timeout)
    case .http(let target):
      guard let port = target.port ?? port else { return "it has no port" }
      return await connect(port, keeper: keeper, request: target, timeout)
    case .exec(let words): return await command.run(words, within: timeout)
    }
  }

  private func connect(_ port: Int, keeper: Int32, request: HTTPTarget?, _ timeout: TimeSpan) async -> String? {
    // Somebody else's answer on this port must not be taken for the replica's.
    guard PortOwner.isListening(on: port, below: keeper) else { return "nothing of it listens on port \(port)" }
    guard let request else { return nil }
    do {
      let status = try await HTTPProbe.status(port: port, target: request, timeout: timeout)
      return (200..<400).contains(status) ? nil : "\(request.path) answers \(status)"
    } catch {
      return "\(request.path): \(error)"
    }
  }
}

/// The least of HTTP that a probe needs: one request, the status of its response.
enum HTTPProbe {
  struct NoStatus: Error, CustomStringConvertible {
    var description: String { "no HTTP status in the answer" }
  }

  static func status(port: Int, target: HTTPTarget, timeout: TimeSpan) async throws -> Int {
    let limit = TimeAmount.nanoseconds(timeout.nanoseconds)
    let channel = try await ClientBootstrap(group: LineChannels.group).connectTimeout(limit)
      .connect(host: "127.0.0.1", port: port) { channel in
        channel.eventLoop.makeCompletedFuture { try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel) }
      }
    let expiry = channel.channel.eventLoop.scheduleTask(in: limit) { channel.channel.close(promise: nil) }
    defer { expiry.cancel() }
    return try await channel.executeThenClose { inbound, outbound in
      let head =
        "\(target.method.rawValue) \(target.path) HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\nUser-Agent: lastcall\r\nConnection: close\r\n"
      let body = target.method == .post ? "Content-Length: 0\r\n\r\n" : "\r\n"
      try await outbound.write(ByteBuffer(string: head + body))
      var received = ""
      for try await part in inbound {
        received += String(buffer: part)
        if received.contains("\r\n") || received.utf8.count > 4096 { break }
      }
      let words = received.split(separator: " ", maxSplits: 2)
      guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(words[1].prefix(3)) else { throw NoStatus() }
      return status
    }
  }
}
