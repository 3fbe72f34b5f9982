import ArgumentParser
import Engine
import Foundation

/// lastcall logs
struct Logs: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what the programs have written, in the order of time.",
    discussion: "Names an app or a replica; an app's proxy is named APP-proxy.")
  @OptionGroup var file: FileOption
  @Option(name: [.customShort("n"), .customLong("tail")], help: "How many of the last lines.") var tail = 1000
  @Argument(help: "The app or replica; all of them without it.") var name: String?

  func validate() throws {
    if tail < 1 { throw ValidationError("expected a number of lines of at least 1, found \(tail)") }
  }

  func run() async throws {
    let root = file.paths.run + "/r"
    try file.checkExists(or: root)
    let replicas = ((try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []).filter { replica in
      name == nil || replica == name || replica.hasPrefix((name ?? "") + "-") && Int(replica.dropFirst((name ?? "").count + 1)) != nil
    }
    guard !replicas.isEmpty else {
      throw CommandFailure(
        code: 1, message: "there are no logs\(name.map { " of \($0)" } ?? "") for \(file.path); lastcall ps shows what runs")
    }
    var lines: [LogLine] = []
    for replica in replicas {
      let text = (try? String(decoding: Data(contentsOf: URL(fileURLWithPath: "\(root)/\(replica)/log")), as: UTF8.self)) ?? ""
      for line in text.split(separator: "\n").suffix(tail) {
        if let entry = LogLine(replica: replica, line) { lines.append(entry) }
      }
    }
    for line in lines.sorted(by: { $0.time < $1.time }).suffix(tail) { Output.line("\(line.replica.padded(to: 14)) | \(line.text)") }
  }
}

/// One line of a log in the CRI's form: time, stream, F or P, text.
struct LogLine {
  var replica: String
  var time: Substring
  var text: Substring

  init?(replica: String, _ line: Substring) {
    let fields = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false)
    guard fields.count == 4 else { return nil }
    self.replica = replica
    time = fields[0]
    text = fields[3]
  }
}
