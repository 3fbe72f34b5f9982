/// The line that says what a stop still waits for.
enum ProgressText {
  /// How many are named one by one; the rest is counted.
  static let namedAtMost = 5

  /// - Parameters:
  ///   - hooks: names of participants, with how long they have been waited for.
  ///   - work: the oldest first.
  ///   - counts: of all work, by kind.
  static func line(
    hooks: [(name: String, age: Duration)], work: [WorkRegistry.Snapshot], counts: [(kind: TrackedWork.Kind, count: Int)], now: Duration,
    left: Duration
  ) -> String {
    var parts: [String] = []
    for (kind, count) in counts {
      guard let plural = kind.plural else { continue }
      let oldest = work.first { $0.kind == kind }.map { " (\($0.name), \(seconds(now - $0.began))\(note($0)))" } ?? ""
      parts.append("\(count) \(count == 1 ? kind.description : plural)\(oldest)")
    }
    let single = work.filter { $0.kind.plural == nil }
    parts += single.prefix(namedAtMost).map { "\($0.name) (\(seconds(now - $0.began))\(note($0)))" }
    let singleCount = counts.reduce(0) { $0 + ($1.kind.plural == nil ? $1.count : 0) }
    // The oldest are known by name, and may all be of other kinds.
    let named = min(single.count, namedAtMost)
    if singleCount > named {
      parts.append("\(singleCount - named) \(named == 0 ? "" : "more ")\(singleCount - named == 1 ? "task" : "tasks")")
    }
    parts += hooks.prefix(namedAtMost).map { "\($0.name) (\(seconds($0.age)))" }
    if hooks.count > namedAtMost { parts.append("\(hooks.count - namedAtMost) more") }
    return "still waiting: \(parts.joined(separator: ", ")); \(seconds(left)) left"
  }

  private static func note(_ work: WorkRegistry.Snapshot) -> String { work.note.map { ", \($0)" } ?? "" }

  /// With one decimal: `4.1 s`.
  static func seconds(_ duration: Duration) -> String {
    let tenths = max(duration, .zero).tenths
    return "\(tenths / 10).\(tenths % 10) s"
  }
}

extension Duration {
  /// Rounded to tenths of a second.
  var tenths: Int64 {
    let (seconds, attoseconds) = components
    return seconds * 10 + (attoseconds + 50_000_000_000_000_000) / 100_000_000_000_000_000
  }

  /// In seconds.
  var inSeconds: Double {
    let (seconds, attoseconds) = components
    return Double(seconds) + Double(attoseconds) / 1e18
  }
}
