import AppSpec
import ArgumentParser
import Engine
import Foundation

/// The app file that a command is about.
struct FileOption: ParsableArguments {
  @Option(name: [.customShort("f"), .customLong("file")], help: "The app file.", completion: .file(extensions: ["yaml", "yml"]))
  var path = AppFile.defaultName

  var environment: [String: String] { ProcessInfo.processInfo.environment }

  var absolutePath: String { URL(fileURLWithPath: path).standardizedFileURL.path }

  var paths: EnginePaths { EnginePaths(file: absolutePath, environment: environment) }

  /// Reads and checks the file.
  func read() throws -> AppFile {
    do throws(AppFileError) {
      let file = try AppFile(contentsOf: path, environment: environment)
      try file.checkCommands()
      return file
    } catch {
      throw CommandFailure(code: 2, message: error.description)
    }
  }

  /// Throws when there is neither the file nor what an engine has left of it.
  func checkExists(or left: String) throws {
    if !FileManager.default.fileExists(atPath: absolutePath), !FileManager.default.fileExists(atPath: left) {
      throw CommandFailure(code: 2, message: "there is no \(path); name the app file with -f")
    }
  }

  /// Asks the file's engine and prints what happens meanwhile.
  func ask(_ request: EngineRequest) async throws -> EngineAnswer {
    try checkExists(or: paths.socket)
    let answer: EngineAnswer
    do {
      answer = try await EngineClient.ask(request, paths: paths, file: path) { line in
        if let event = line.event { Output.event(event) }
        if let progress = line.progress { Output.progress(progress) }
      }
    } catch let error as EngineError {
      throw CommandFailure(code: 3, message: error.description)
    }
    if let code = answer.end, code != 0 { throw CommandFailure(code: Int32(code), message: answer.error ?? "it failed") }
    return answer
  }
}
