import Foundation
import Linux
import NIOCore
import StopPlan
import Synchronization

/// The engine's control socket (0600).
final class EngineServer: Sendable {
  private let path: String
  private let serving: Task<Void, Never>

  private init(path: String, serving: Task<Void, Never>) {
    self.path = path
    self.serving = serving
  }

  /// Listens at `path`, where only a dead engine's socket may be: the caller holds the engine's lock.
  static func start(_ engine: Engine, at path: String) async throws -> EngineServer {
    Path(string: path).unlink()
    let server = try await LineChannels.listen(at: path)
    let serving = Task<Void, Never> {
      try? await server.executeThenClose { connections in
        try await withThrowingDiscardingTaskGroup { group in
          for try await connection in connections { group.addTask { await Self.serve(connection, engine) } }
        }
      }
    }
    return EngineServer(path: path, serving: serving)
  }

  private static func serve(_ connection: LineChannel, _ engine: Engine) async {
    // The engine ends only after those who asked have got their answer and gone.
    await engine.connected()
    try? await connection.executeThenClose { inbound, outbound in
      for try await line in inbound {
        guard let request = try? JSONDecoder().decode(EngineRequest.self, from: Data(line.readableBytesView)) else {
          try await outbound.write(Self.line(EngineAnswer(end: 2, error: "expected a request as one JSON object on a line")))
          continue
        }
        let isTaken = Atomic(true)
        await engine.answer(request, isTaken: { isTaken.load(ordering: .relaxed) }) { answer in
          do { try await outbound.write(Self.line(engine.context.secrets.redacted(answer))) } catch {
            isTaken.store(false, ordering: .relaxed)
          }
        }
      }
    }
    await engine.disconnected()
  }

  private static func line(_ answer: EngineAnswer) -> ByteBuffer {
    var buffer = ByteBuffer()
    if let data = try? JSONEncoder().encode(answer) { buffer.writeBytes(data) }
    buffer.writeString("\n")
    return buffer
  }

  func close() {
    Path(string: path).unlink()
    serving.cancel()
  }
}
