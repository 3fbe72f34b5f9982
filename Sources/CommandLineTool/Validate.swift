import ArgumentParser
import Foundation

/// lastcall validate
struct Validate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Check an app file.", discussion: "Exit codes: 0 it can be used, 2 it cannot; every mistake is named with line and column.")
  @OptionGroup var file: FileOption

  func run() throws {
    let spec = try file.read()
    Output.line("\(spec.path) can be used: \(spec.apps.map { "\($0.name) (\($0.replicas))" }.joined(separator: ", "))")
  }
}
