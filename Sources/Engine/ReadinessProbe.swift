import AppSpec
import Foundation
import Linux
import NIOCore
import NIOPosix
import StopPlan

/// Looks once whether a replica is ready.
struct ReadinessProbe: Sendable {
  let app: App
  let values: ReplicaValues
  let port: Int?
  let children: Children
  let environment: [[UInt8]]

  /// - Returns: nil when it is ready, else why not.
  func look(_ readiness: Readiness, keeper: Int32) async -> String? {
    let timeout = readiness.timeout
    switch readiness.check {
    case .notify: return "it has not said READY=1"
    case .tcp(let number):
      guard let port = number ?? port else { return "it has no port" }
      return await connect(port, keeper: keeper, request: nil, timeout)
    case .http(let target):
      guard let port = target.port ?? port else { return "it has no port" }
      return await connect(port, keeper: keeper, request: target, timeout)
    case .exec(let command): return await execute(command, timeout)
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

  private func execute(_ command: CommandWords, _ timeout: TimeSpan) async -> String? {
    do {
      let words = command.argv(for: values).map { Array($0.utf8) }
      let file = try command.executable(searchPath: ProcessInfo.processInfo.environment["PATH"])
      var program = Program(executable: Path(string: file), arguments: words, environment: environment)
      program.directory = Path(string: app.directory)
      let null = try Path("/dev/null").open(2)
      defer { null.close() }
      (program.input, program.output, program.error) = (null, null, null)
      let pid = try await children.start(program)
      let limit = Task {
        try await Task.sleep(nanoseconds: UInt64(max(0, timeout.nanoseconds)))
        // The probe leads a group of its own, and it is ours until it is reaped.
        try? DirectSignal.send(.kill, to: -pid)
      }
      let status = await children.wait(for: pid)
      limit.cancel()
      return status.isSuccess ? nil : "\(command.program) ended with \(status.shellCode)"
    } catch {
      return "\(command.program): \(error)"
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
