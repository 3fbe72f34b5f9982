#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

extension TerminationReport: CustomStringConvertible {
  /// One line for a log.
  public var description: String {
    var parts = ["stopped (\(reason)) after \(Self.text(took)) of \(Self.text(grace)), \(outcome)"]
    let active = phases.filter { $0.took >= 0.05 || $0.wasCut }
    if !active.isEmpty {
      parts.append(active.map { "\($0.name) \(Self.text($0.took))\($0.wasCut ? " (cut)" : "")" }.joined(separator: ", "))
    }
    let notable = hooks.filter { ![.succeeded, .endedBefore].contains($0.outcome) }
    if !notable.isEmpty {
      parts.append(notable.map { "\($0.name) \($0.outcome.rawValue)\($0.error.map { ": \($0)" } ?? "")" }.joined(separator: ", "))
    }
    for work in work { parts.append("\(work.kind): \(work.completed) completed, \(work.cut) cut") }
    if !abandoned.isEmpty {
      parts.append("abandoned: " + abandoned.prefix(10).map { "\($0.name) (\(Self.text($0.age)), \($0.location))" }.joined(separator: ", "))
    }
    let line = parts.joined(separator: "; ") + "; exit code \(exitCode)"
    // An error's text may have several lines; the log's line is one.
    return line.split(whereSeparator: \.isNewline).joined(separator: " ")
  }

  private var outcome: String {
    switch result {
    case .clean: "clean"
    case .forced: "forced"
    case .serviceFailed: "a service failed"
    case .flushFailed: "not everything was flushed and closed"
    }
  }

  private static func text(_ seconds: Double) -> String { ProgressText.seconds(.seconds(seconds)) }

  /// The report as one line of JSON, keys in alphabetical order.
  public var json: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // Strings, numbers and arrays of them: there is nothing that cannot be encoded.
    guard let data = try? encoder.encode(self) else { return "{}" }
    return String(decoding: data, as: UTF8.self)
  }
}
