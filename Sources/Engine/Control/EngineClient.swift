import Foundation
import NIOCore

/// The command line's side of an engine's control socket.
public enum EngineClient {
  /// Asks the engine of an app file.
  ///
  /// - Parameters:
  ///   - request: what is asked.
  ///   - paths: the file's directories.
  ///   - file: the file's path, for messages.
  ///   - each: gets every line of the answer.
  /// - Returns: the last line of the answer.
  /// - Throws: `EngineError` when no engine runs, or it ends before it has answered.
  public static func ask(
    _ request: EngineRequest, paths: EnginePaths, file: String, each: (EngineAnswer) async throws -> Void = { _ in }
  ) async throws -> EngineAnswer {
    guard let channel = try? await LineChannels.connect(paths.socket) else {
      if let pid = EngineLock.holder(paths) {
        throw EngineError(
          "\(paths.socket) does not answer, but the engine is there, process \(pid); if that was deleted: kill -HUP \(pid) has it made anew"
        )
      }
      throw EngineError("no engine runs for \(file); start it with: lastcall up -f \(file)")
    }
    let answer: EngineAnswer? = try await channel.executeThenClose { inbound, outbound in
      var line = ByteBuffer()
      line.writeBytes(try JSONEncoder().encode(request))
      line.writeString("\n")
      try await outbound.write(line)
      for try await line in inbound {
        let answer = try JSONDecoder().decode(EngineAnswer.self, from: Data(line.readableBytesView))
        if answer.end != nil { return answer }
        try await each(answer)
      }
      return nil
    }
    guard let answer else { throw EngineError("the engine ended before it had answered; see lastcall events") }
    return answer
  }
}
