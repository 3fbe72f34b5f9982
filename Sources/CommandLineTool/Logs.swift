import ArgumentParser
import Engine
import Foundation
import StopPlan

/// lastcall logs
struct Logs: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what the programs have written, in the order of time.",
    discussion: """
      Names an app or a replica; an app's proxy is named APP-proxy. Shows what runs; what ran last when nothing of what is named does. Hooks
      are shown of what has ended, too.
      """)
  @OptionGroup var file: LongFileOption
  @Option(name: [.customShort("n", allowingJoined: true), .customLong("tail")], help: "How many of the last lines, or all.")
  var tail = LineCount(1000)
  @Flag(name: [.customShort("f"), .customLong("follow")], help: "Go on with what is written, until Ctrl-C.") var follows = false
  @Option(help: "Only what was written since then: an age such as 90s, 5m or 2h, or a time such as 2026-11-22T08:00:00Z.") var since:
    String?
  @Flag(help: "Of replicas that have ended.") var previous = false
  @Flag(help: "What their hooks wrote, instead of the programs.") var hooks = false
  @Flag(name: .shortAndLong, help: "Show the time of each line.") var timestamps = false
  @OptionGroup var target: OptionalNames

  private var kind: String { hooks ? "hooks.log" : "log" }

  func validate() throws {
    if follows, previous { throw ValidationError("what has ended writes no more: -f and --previous do not go together") }
    _ = try begin()
  }

  /// The time of the first line that is shown, as lines have it but for their fraction and Z: they sort after it as text.
  private func begin() throws -> String? {
    guard let since else { return nil }
    let formatter = ISO8601DateFormatter()
    if let date = formatter.date(from: since) { return String(formatter.string(from: date).dropLast()) }
    guard let age = TimeSpan(since) else {
      throw ValidationError("expected an age such as 90s, 5m or 2h, or a time such as 2026-11-22T08:00:00Z; found \(since)")
    }
    return String(formatter.string(from: Date(timeIntervalSinceNow: -Double(age.nanoseconds) / 1e9)).dropLast())
  }

  func run() async throws {
    try file.checkExists(or: file.paths.run + "/r")
    let begin = try begin()
    try file.checkIsKnown(target.names) { name in ReplicaLogs.all(file.paths).contains { ReplicaLogs.isMeant($0.replica, by: name) } }
    let logs = chosen()
    if logs.isEmpty, !follows { try refuse() }
    var follower: LogFollower? = nil
    if follows { follower = try LogFollower(root: file.paths.run + "/r", file: kind) }
    for log in ReplicaLogs.all(file.paths) where !logs.contains(where: { $0.replica == log.replica }) { follower?.skip(log.replica) }
    var joiner = LineJoiner()
    var lines: [LogLine] = []
    for log in logs {
      var ends: [LogLine] = []
      for path in log.files(kind) {
        // What comes after this is the follower's.
        let text = follower.map { $0.take(log.replica, path) } ?? (try? Data(contentsOf: URL(fileURLWithPath: path))) ?? Data()
        // By bytes: for a String CR LF is one character.
        for line in text.split(separator: UInt8(ascii: "\n")) {
          guard let entry = LogLine(replica: log.replica, String(decoding: line, as: UTF8.self)[...]),
            let whole = joiner.take(entry), begin.map({ whole.time >= $0 }) ?? true
          else { continue }
          ends.append(whole)
        }
        ends = ends.suffix(tail.value)
      }
      lines += ends
    }
    for line in lines.sorted(by: { $0.time < $1.time }).suffix(tail.value) { show(line) }
    try follower?.follow { replica in
      isMeant(replica)
    } each: { part in
      if let line = joiner.take(part) { show(line) }
    }
  }

  private func isMeant(_ replica: String) -> Bool {
    target.names.isEmpty || target.names.contains { ReplicaLogs.isMeant(replica, by: $0) }
  }

  /// Says why there is nothing to show.
  private func refuse() throws {
    let names = target.names
    let whose = names.isEmpty ? "" : " of \(names.joined(separator: ", "))"
    let what =
      switch (hooks, previous) {
      case (true, _): "no hook\(whose) has written anything that is kept"
      case (false, true): "no logs\(whose) are kept that have ended"
      case (false, false): "there are no logs\(whose)"
      }
    throw CommandFailure(code: 1, message: "\(what) for \(file.path); lastcall ps shows what runs")
  }

  /// Of each name what lives; what has ended when nothing does, or when that is asked for.
  private func chosen() -> [ReplicaLogs] {
    let all = ReplicaLogs.all(file.paths)
    let byName = target.names.isEmpty ? [all] : target.names.map { name in all.filter { ReplicaLogs.isMeant($0.replica, by: name) } }
    let chosen = byName.flatMap { logs in
      if hooks { return logs.filter { $0.files(kind).contains(where: FileManager.default.fileExists(atPath:)) } }
      if previous { return logs.filter { !$0.isLiving } }
      let living = logs.filter(\.isLiving)
      return living.isEmpty ? logs : living
    }
    return Dictionary(chosen.map { ($0.replica, $0) }, uniquingKeysWith: { first, _ in first }).values.sorted { $0.replica < $1.replica }
  }

  private func show(_ line: LogLine) {
    Output.line("\(line.replica.padded(to: 14)) | \(timestamps ? "\(line.time) " : "")\(line.text)")
  }
}

/// How many lines are shown: a number, or all.
struct LineCount: ExpressibleByArgument, CustomStringConvertible {
  let value: Int

  init(_ value: Int) { self.value = value }

  init?(argument: String) {
    guard let value = argument == "all" ? Int.max : Int(argument), value >= 0 else { return nil }
    self.value = value
  }

  var description: String { value == .max ? "all" : "\(value)" }
}

/// One line of a log in the CRI's form: time, stream, F or P, text.
struct LogLine {
  var replica: String
  var time: Substring
  var text: String
  /// Whether the line goes on in the next entry of its stream.
  var isPart: Bool
  let stream: Substring
  /// How long the parts of a line are that go on (lastcall-keeper, OutputStream.lineLimit).
  private static let partLength = 16_384

  init?(replica: String, _ line: Substring) {
    let fields = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false)
    guard fields.count == 4 else { return nil }
    self.replica = replica
    (time, stream) = (fields[0], fields[1])
    // A shorter one is what a stream had at its end, without a newline.
    isPart = fields[2] == "P" && fields[3].utf8.count >= Self.partLength
    text = String(!isPart && fields[3].unicodeScalars.last == "\r" ? fields[3].dropLast() : fields[3])
  }
}

/// Puts lines together that were too long for one entry.
struct LineJoiner {
  private var parts: [String: LogLine] = [:]
  /// What is longer is shown in pieces.
  private static let longest = 1 << 20

  /// - Returns: a whole line, at its first entry's time; nil while more of it is to come.
  mutating func take(_ entry: LogLine) -> LogLine? {
    let key = entry.replica + " " + entry.stream
    var line = entry
    if var begun = parts.removeValue(forKey: key) {
      begun.text += entry.text
      begun.isPart = entry.isPart
      line = begun
    }
    guard line.isPart, line.text.utf8.count < Self.longest else { return line }
    parts[key] = line
    return nil
  }
}
