/// Why a schedule is none: what was expected, and how many bytes of the text come before the mistake.
struct ScheduleError: Error, Equatable {
  var message: String
  var offset: Int
}

/// The text of a schedule as of crontab(5): five fields or an @word. It is only checked here; who carries it out computes its times.
///
/// What implementations disagree about is refused: a step without a range (`5/15`), a range that wraps (`FRI-MON`), `?`, `L`, `W`, `#`.
enum CronText {
  /// The words in place of fields. `@reboot` is none of them: a job without a schedule is that.
  static let words = ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"]

  struct FieldRule {
    var name: String
    var range: ClosedRange<Int>
    /// Names for numbers from the range's lower bound on.
    var names: [String] = []

    var expected: String {
      let named = names.first.flatMap { first in names.last.map { " (or \(first) to \($0))" } } ?? ""
      return "a number of \(range.lowerBound) to \(range.upperBound)\(named), *, a range such as 1-5, a step such as */2, "
        + "or a list of these with commas"
    }
  }

  static let fields = [
    FieldRule(name: "minute", range: 0...59), FieldRule(name: "hour", range: 0...23), FieldRule(name: "day of month", range: 1...31),
    FieldRule(
      name: "month", range: 1...12,
      names: ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]),
    FieldRule(name: "day of week", range: 0...7, names: ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]),
  ]

  /// Checks a text.
  static func check(_ text: String) throws(ScheduleError) {
    let all = "@hourly, @daily, @weekly, @monthly or @yearly"
    guard text.utf8.count <= 1000 else { throw ScheduleError(message: "a schedule has at most 1000 bytes", offset: 0) }
    if text.hasPrefix("@") {
      guard !words.contains(text) else { return }
      let hint = text == "@reboot" ? "; a job without a schedule runs once, when lastcall is started" : ""
      throw ScheduleError(message: "expected five fields, or one of \(all), found \(shown(text))\(hint)", offset: 0)
    }
    let parts = text.utf8.split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
    guard parts.count == fields.count else {
      throw ScheduleError(
        message:
          "expected five fields (\(fields.map(\.name).joined(separator: ", "))), or one of \(all); found \(parts.count) in \(shown(text))",
        offset: 0)
    }
    var sets: [Set<Int>] = []
    for (part, rule) in zip(parts, fields) {
      sets.append(try read(String(Substring(part)), rule, offset: text.utf8.distance(from: text.startIndex, to: part.startIndex)))
    }
    try checkDays(parts.map { String(Substring($0)) }, sets, offset: text.utf8.distance(from: text.startIndex, to: parts[2].startIndex))
  }

  /// The numbers that a field stands for.
  private static func read(_ text: String, _ rule: FieldRule, offset: Int) throws(ScheduleError) -> Set<Int> {
    var numbers: Set<Int> = []
    for item in text.split(separator: ",", omittingEmptySubsequences: false) {
      guard let found = read(item: item, rule) else {
        throw ScheduleError(message: "\(rule.name): expected \(rule.expected); found \(shown(String(item)))", offset: offset)
      }
      numbers.formUnion(found)
    }
    return numbers
  }

  private static func read(item: Substring, _ rule: FieldRule) -> StrideThrough<Int>? {
    let halves = item.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    guard let base = halves.first else { return nil }
    let step = halves.count == 2 ? wholeNumber(String(halves[1])) : 1
    // A longer step than the range has would be no step: */90 of the minutes is once an hour.
    guard let step, step >= 1, step <= rule.range.upperBound else { return nil }
    if base == "*" { return stride(from: rule.range.lowerBound, through: rule.range.upperBound, by: step) }
    let ends = base.split(separator: "-", omittingEmptySubsequences: false)
    guard ends.count <= 2, let first = ends.first.flatMap({ number($0, rule) }), let last = ends.last.flatMap({ number($0, rule) }),
      first <= last, halves.count == 1 || ends.count == 2
    else { return nil }
    return stride(from: first, through: last, by: step)
  }

  private static func number(_ text: Substring, _ rule: FieldRule) -> Int? {
    if let index = rule.names.firstIndex(of: text.uppercased()) { return rule.range.lowerBound + index }
    return wholeNumber(String(text), digits: 2).flatMap { rule.range.contains($0) ? $0 : nil }
  }

  /// A day that no month of the schedule has would never come. With days of the week written too, either is enough (crontab(5)).
  private static func checkDays(_ texts: [String], _ sets: [Set<Int>], offset: Int) throws(ScheduleError) {
    guard !texts[4].hasPrefix("*") || texts[2].hasPrefix("*") else {
      let lengths = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
      let longest = sets[3].map { lengths[$0 - 1] }.max() ?? 31
      if let first = sets[2].min(), first > longest {
        throw ScheduleError(
          message: "day of month: no month of \(shown(texts[3])) has a day \(first), so that it would never run", offset: offset)
      }
      return
    }
  }
}
