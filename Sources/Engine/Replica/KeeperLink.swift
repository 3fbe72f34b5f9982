import Foundation
import NIOCore
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
  /// What the keeper says, from its first event on; ends with the connection.
  let messages: AsyncStream<KeeperMessage>
  private let commands: AsyncStream<String>.Continuation

  /// Connects to the control socket in a replica's directory.
  /// - Parameter sequence: the last event that is known.
  static func connect(_ path: String, after sequence: Int64) async throws -> KeeperLink {
    let channel = try await LineChannels.connect(path)
    let (messages, received) = AsyncStream.makeStream(of: KeeperMessage.self)
    let (lines, commands) = AsyncStream.makeStream(of: String.self)
    Task {
      defer { received.finish() }
      try? await channel.executeThenClose { inbound, outbound in
        await withTaskGroup { group in
          group.addTask {
            do {
              for try await line in inbound {
                if let message = try? JSONDecoder().decode(KeeperMessage.self, from: Data(line.readableBytesView)) {
                  received.yield(message)
                }
              }
            } catch {}
            commands.finish()
          }
          for await line in lines { try? await outbound.write(ByteBuffer(string: line + "\n")) }
          group.cancelAll()
        }
      }
    }
    commands.yield("follow \(sequence)")
    return KeeperLink(messages: messages, commands: commands)
  }

  /// Asks for the stop by the keeper's own plan, to be over by the deadline; or to kill at once.
  func stop(_ request: ReplicaRecord.Stop) {
    commands.yield(request.isAtOnce ? "kill \(request.id)" : "stop \(request.id) \(request.deadline) -")
  }
  /// Asks for the stop by the keeper's own plan within its own grace.
  func stop(id: UInt64) { commands.yield("stop \(id) - -") }
  /// Asks for a signal to the main process.
  func send(_ signal: Signal) { commands.yield("signal \(signal) main") }
  /// Asks to skip to the next signal.
  func escalate(id: UInt64) { commands.yield("escalate \(id)") }
  /// Asks it to become the lastcall-keeper of that file. The connection's end says that it has, an error that it has not.
  func upgrade(to path: String) { commands.yield("upgrade \(path)") }
  /// Ends the connection.
  func close() { commands.finish() }
}
