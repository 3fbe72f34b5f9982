import Foundation
import Testing

/// A built lastcall-init: the normal one beside the tests, and the small static one when scripts/build-init-embedded has made it.
struct InitBinary: CustomTestStringConvertible, Sendable {
  let path: String
  let testDescription: String

  /// What is tested. `LASTCALL_INIT` names another one instead.
  static let all: [InitBinary] = {
    if let named = ProcessInfo.processInfo.environment["LASTCALL_INIT"] { return [InitBinary(path: named, testDescription: named)] }
    var found = [InitBinary(path: products + "/lastcall-init", testDescription: "normal")]
    let small = repository + "/bin/lastcall-init"
    if FileManager.default.isExecutableFile(atPath: small) { found.append(InitBinary(path: small, testDescription: "embedded")) }
    return found
  }()

  /// The lastcall-keeper beside it.
  var keeper: InitBinary {
    InitBinary(path: (path as NSString).deletingLastPathComponent + "/lastcall-keeper", testDescription: testDescription)
  }

  /// The test bundle is beside the products.
  private static var products: String {
    let executable = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
    return (executable as NSString).deletingLastPathComponent
  }

  private static var repository: String {
    var path = #filePath as NSString
    for _ in 0..<3 { path = path.deletingLastPathComponent as NSString }
    return path as String
  }
}

/// A directory of one test's own, removed with it.
final class ScratchDirectory: Sendable {
  let path: String

  init() throws {
    // Short, since sockets are made in it (unix(7): 107 bytes).
    var template = Array("/tmp/lc-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw Failure("mkdtemp: \(String(cString: strerror(errno)))") }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Writes a file and returns its path.
  func file(_ name: String, _ text: String) throws -> String {
    let file = path + "/" + name
    try text.write(toFile: file, atomically: true, encoding: .utf8)
    return file
  }
}

/// Why a test cannot go on.
struct Failure: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// Waits until something holds: it is looked at again and again, and given up only after a time that no slow machine needs.
func eventually(_ what: String, within seconds: Double = 60, _ holds: () throws -> Bool) async throws {
  let end = ContinuousClock.now + .seconds(seconds)
  while ContinuousClock.now < end {
    if try holds() { return }
    try await Task.sleep(for: .milliseconds(5))
  }
  throw Failure("not within \(seconds) s: \(what)")
}
