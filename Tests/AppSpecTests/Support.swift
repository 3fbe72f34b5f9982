import Foundation
import Testing

@testable import AppSpec

/// A directory of the test's own, removed with it.
final class Scratch {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.appendingPathComponent("appspec-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  @discardableResult
  func write(_ name: String, _ text: String, mode: Int = 0o644) throws -> String {
    let file = "\(path)/\(name)"
    try FileManager.default.createDirectory(atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try Data(text.utf8).write(to: URL(fileURLWithPath: file))
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file)
    return file
  }
}

let environment = ["HOME": "/home/it", "PATH": "/usr/bin:/bin", "COLOR": "red"]

func read(_ text: String, directory: String = "/tmp") throws(AppFileError) -> AppFile {
  try AppFile(text: text, path: "lastcall.yaml", directory: directory, environment: environment)
}

/// Reads a file with one app, `web`, that has these fields beside its command; each on a line of its own.
func web(_ fields: String...) throws -> App {
  let file = try read(file(fields))
  return try #require(file.apps.first)
}

func file(_ fields: [String]) -> String {
  "apps:\n  web:\n    command: [./server]\n" + fields.map { "    \($0)\n" }.joined()
}

/// The mistakes of a text, each as it is shown.
func mistakes(_ text: String, directory: String = "/tmp") -> [String] {
  do throws(AppFileError) {
    _ = try read(text, directory: directory)
    return []
  } catch {
    return error.mistakes.map(\.description)
  }
}

/// One wrong field of the app `web`: what stands on line 4, and the mistake without its `lastcall.yaml:4:`.
struct FieldCase: CustomTestStringConvertible, Sendable {
  var field: String
  var mistake: String
  var testDescription: String { field }

  init(_ field: String, _ mistake: String) {
    self.field = field
    self.mistake = mistake
  }

  func expect(sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(mistakes(file([field])) == ["lastcall.yaml:4:" + mistake], sourceLocation: sourceLocation)
  }
}

/// The keys of an app, as a message has them.
let appKeys = AppKey.allCases.map(\.rawValue).joined(separator: ", ")
