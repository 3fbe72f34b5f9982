import Linux
import StopPlan

/// The keeper's last events, numbered, for clients that come late: as many lines as fit a bound, a gap marked as a gap.
struct EventRing {
  private(set) var lines: [UInt8] = []
  private(set) var firstSequence: Int64 = 1

  static let sizeLimit = 65_536

  init() {}

  /// The ring of the keeper that became us.
  init(lines: [UInt8], firstSequence: Int64) {
    self.lines = lines
    self.firstSequence = firstSequence
  }

  /// Keeps a line, and forgets the oldest when there are too many.
  mutating func keep(_ line: [UInt8]) {
    lines.append(bytes: line)
    guard lines.count > Self.sizeLimit else { return }
    // A quarter at once, so that not every event moves the rest.
    let kept = lines.withView { view in
      var rest = view
      while rest.count > Self.sizeLimit / 4 * 3 {
        _ = rest.take(before: UInt8(ascii: "\n"))
        firstSequence += 1
      }
      return rest.count
    }
    lines.drop(lines.count - kept)
  }

  /// The lines after `sequence`, with a line that marks what is no longer kept.
  func lines(after sequence: Int64) -> [UInt8] {
    var result: [UInt8] = []
    var next = firstSequence
    if sequence < firstSequence - 1 {
      var gap = JSONLine()
      gap.field("gap", true)
      gap.field("from", sequence + 1)
      gap.field("to", firstSequence - 1)
      gap.close()
      result = gap.bytes
    }
    lines.withView { view in
      var rest = view
      while next <= sequence, !rest.isEmpty {
        _ = rest.take(before: UInt8(ascii: "\n"))
        next += 1
      }
      result.append(text: rest)
    }
    return result
  }
}
