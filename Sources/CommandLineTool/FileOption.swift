import AppSpec
import ArgumentParser
import Engine
import Foundation

/// The app file that a command is about.
struct FileOption: ParsableArguments, FileNaming {
  @Option(
    name: [.customShort("f", allowingJoined: true), .customLong("file")], help: "The app file.",
    completion: .file(extensions: ["yaml", "yml"]))
  var path = AppFile.defaultName
}

/// The app file, where -f means to follow.
struct LongFileOption: ParsableArguments, FileNaming {
  @Option(name: .customLong("file"), help: "The app file.", completion: .file(extensions: ["yaml", "yml"])) var path = AppFile.defaultName
}

/// What names an app file.
protocol FileNaming {
  var path: String { get }
}

extension FileNaming {
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
  func ask(_ request: EngineRequest, each: (EngineAnswer) throws -> Void = { _ in }) async throws -> EngineAnswer {
    try checkExists(or: paths.socket)
    let answer: EngineAnswer
    do {
      answer = try await EngineClient.ask(request, paths: paths, file: path) { line in
        if let event = line.event { Output.event(event) }
        if let progress = line.progress { Output.progress(progress) }
        if let text = line.line { Output.line(text) }
        try each(line)
      }
    } catch let error as EngineError {
      throw CommandFailure(code: 3, message: error.description + whatIsLeft)
    }
    if let code = answer.end, code != 0 { throw CommandFailure(code: Int32(code), message: answer.error ?? "it failed") }
    return answer
  }

  /// What a killed engine has left, for the end of a sentence that says that none runs.
  private var whatIsLeft: String {
    let names = Leftovers.living(paths)
    let more = names.count > 5 ? ", …" : ""
    return names.isEmpty
      ? "" : "; an engine that was killed has left these, which go on and are taken over: \(names.prefix(5).joined(separator: ", "))\(more)"
  }

  /// All that is known of these apps, or of all.
  func describe(_ apps: [String]) async throws -> [AppDescription] {
    var descriptions: [AppDescription] = []
    _ = try await ask(EngineRequest(op: .describe, apps)) { if let description = $0.description { descriptions.append(description) } }
    return descriptions
  }

  /// Refuses a name that neither the file nor what is kept of its apps knows.
  /// - Parameter isKept: whether something of it is kept.
  func checkIsKnown(_ names: [String], isKept: (String) throws -> Bool) throws {
    guard let file = try? AppFile(contentsOf: path, environment: environment) else { return }
    for name in names where try !file.apps.contains(where: { $0.name == name }) && !isKept(name) {
      let known = file.apps.map(\.name).joined(separator: ", ")
      throw CommandFailure(code: 2, message: "no app or replica is named \(name); there are: \(known)")
    }
  }

  /// Passes on every event from now on, until the engine ends.
  /// - Parameter id: the last event that is known.
  func watch(after id: Int64 = .max, _ each: @escaping (EngineEvent) async throws -> Void) async throws {
    var request = EngineRequest(op: .watch)
    request.after = id
    _ = try await EngineClient.ask(request, paths: paths, file: path) { line in
      if let event = line.event { try await each(event) }
    }
  }
}

/// The names of apps and replicas, for shells that complete them.
enum AppNames {
  static func completion(suffix: String = "") -> CompletionKind {
    .custom { words, _, _ in
      var path = AppFile.defaultName
      for (index, word) in words.enumerated() where word == "-f" || word == "--file" {
        if index + 1 < words.count { path = words[index + 1] }
      }
      if let word = words.last(where: { $0.hasPrefix("-f") && $0.count > 2 }) { path = String(word.dropFirst(2)) }
      guard let file = try? AppFile(contentsOf: path, environment: ProcessInfo.processInfo.environment) else { return [] }
      return file.apps.map { $0.name + suffix }
    }
  }
}
