import Linux
import StopPlan

/// The keeper's last events, numbered, for clients that come late; a bound on count and bytes, a gap marked as a gap.
struct EventRing {
  private struct Entry {
    var sequence: Int64
    var line: [UInt8]
  }
  private var entries: [Entry] = []
  private var size = 0
  private(set) var lastSequence: Int64 = 0

  static let countLimit = 256
  static let sizeLimit = 65_536

  /// Numbers an event and keeps it.
  /// - Parameter fill: adds the event's own fields.
  /// - Returns: its line.
  mutating func append(_ name: StaticString, _ fill: (inout JSONLine) -> Void) -> [UInt8] {
    lastSequence += 1
    var json = JSONLine()
    json.field("seq", lastSequence)
    var time: [UInt8] = []
    Clock.appendTimestamp(Clock.wall, to: &time)
    json.field("at", text: time)
    json.field("event", word: name)
    fill(&json)
    let line = json.line()
    entries.append(Entry(sequence: lastSequence, line: line))
    size += line.count
    while entries.count > Self.countLimit || size > Self.sizeLimit { size -= entries.removeFirst().line.count }
    return line
  }

  /// The lines after `sequence`, with a line that marks what is no longer kept.
  func lines(after sequence: Int64) -> [UInt8] {
    var lines: [UInt8] = []
    let first = entries.first?.sequence ?? lastSequence + 1
    if sequence + 1 < first {
      var gap = JSONLine()
      gap.field("gap", true)
      gap.field("from", sequence + 1)
      gap.field("to", first - 1)
      lines = gap.line()
    }
    for entry in entries where entry.sequence > sequence { lines.append(contentsOf: entry.line) }
    return lines
  }
}
