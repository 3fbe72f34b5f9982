/// The times of a crontab's first five fields, as Vixie's cron reads them (`man 5 crontab`, Debian).
///
/// A day is one whose month is right and whose day of the month or of the week is right; both have to be when one of those two fields begins
/// with `*`.
public struct CronSchedule: Equatable, Sendable {
  /// Why a text is no schedule: a sentence for its writer.
  public struct Mistake: Error, Equatable, Sendable, CustomStringConvertible {
    /// What is wrong and what would be right.
    public let description: String
  }

  /// As it was written.
  public let text: String
  private var minutes: Field
  private var hours: Field
  private var days: Field
  private var months: Field
  private var weekdays: Field

  /// A field: the bit of every value that is meant.
  private struct Field: Equatable {
    var bits: UInt64 = 0
    var beginsWithStar = false

    func contains(_ value: Int) -> Bool { bits & (1 << UInt64(value)) != 0 }

    func first(from value: Int) -> Int? {
      let rest = value > 63 ? 0 : bits >> UInt64(value)
      return rest == 0 ? nil : value + rest.trailingZeroBitCount
    }
  }

  private static let names: [String: String] = [
    "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
  ]

  /// Reads a schedule such as `*/15 8-18 * * mon-fri` or `@daily`.
  public init(_ text: String) throws(Mistake) {
    self.text = text
    let written = text.split { $0 == " " || $0 == "\t" }.map(String.init)
    if let name = written.first, name.hasPrefix("@"), Self.names[name.lowercased()] == nil || written.count > 1 {
      throw Mistake(description: "\(text) is not a schedule; known are @hourly, @daily, @weekly, @monthly and @yearly")
    }
    let fields = written.first.flatMap { Self.names[$0.lowercased()] }?.split(separator: " ").map(String.init) ?? written
    guard fields.count == 5 else {
      throw Mistake(
        description: "a schedule has 5 fields: minute, hour, day of the month, month, day of the week; \"\(text)\" has \(fields.count)")
    }
    minutes = try Self.read(fields[0], .minute)
    hours = try Self.read(fields[1], .hour)
    days = try Self.read(fields[2], .day)
    months = try Self.read(fields[3], .month)
    weekdays = try Self.read(fields[4], .weekday)
    if weekdays.contains(7) { weekdays.bits = weekdays.bits & 0x7f | 1 }
    guard comes else { throw Mistake(description: "\"\(text)\" never comes: no such month has that day") }
  }

  private var comes: Bool {
    if !days.beginsWithStar, !weekdays.beginsWithStar { return true }
    let lengths = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    guard let first = days.first(from: 1) else { return false }
    return (1...12).contains { months.contains($0) && first <= lengths[$0 - 1] }
  }

  // MARK: - When it comes

  /// Whether it comes in every hour, so that it goes by the time that passes, not by what the clock shows.
  private var isEveryHour: Bool { hours.bits == 1 << 24 - 1 }

  /// The first time after `moment`.
  ///
  /// A time that clocks put forward leave out comes at the first moment after; one that clocks put back show twice comes once, the first time.
  /// What comes in every hour follows the hours that pass: it is neither made up for nor left out. Seconds are 0.
  /// - Returns: nil when there is none within a hundred years.
  public func next(after moment: WallTime, in zone: CivilZone) -> WallTime? {
    let offsets = zone.offsets(about: moment.seconds)
    // Clocks that were put back show again what they had shown: begin to look so much earlier.
    var shown = zone.shown(at: moment) - (offsets.upperBound - offsets.lowerBound) - 60
    var best: WallTime?
    while let next = self.next(afterShown: shown) {
      shown = next
      if let best, shown - zone.offsets(about: shown).upperBound > best.seconds { break }
      let moments = isEveryHour ? zone.moments(showing: shown) : [zone.first(showing: shown)]
      for candidate in moments where candidate > moment { best = min(best ?? candidate, candidate) }
    }
    return best
  }

  /// The next that is meant after what is shown, as if no clock were ever put forward or back.
  public func next(after civil: CivilTime) -> CivilTime? { next(afterShown: civil.shown).map(CivilTime.init(shown:)) }

  private func next(afterShown shown: Int64) -> Int64? {
    var at = CivilTime(shown: shown + 60)
    let lastYear = at.year + 100
    while at.year <= lastYear {
      guard months.contains(at.month) else {
        at = at.month == 12 ? CivilTime(at.year + 1, 1, 1) : CivilTime(at.year, at.month + 1, 1)
        continue
      }
      if isDay(at), let time = timeOfDay(from: at) { return CivilTime(at.year, at.month, at.day, time.hour, time.minute).shown }
      at = CivilTime(shown: CivilTime(at.year, at.month, at.day).shown + 86_400)
    }
    return nil
  }

  private func isDay(_ at: CivilTime) -> Bool {
    let (day, weekday) = (days.contains(at.day), weekdays.contains(at.weekday))
    return days.beginsWithStar || weekdays.beginsWithStar ? day && weekday : day || weekday
  }

  private func timeOfDay(from at: CivilTime) -> (hour: Int, minute: Int)? {
    guard let hour = hours.first(from: at.hour) else { return nil }
    if hour == at.hour, let minute = minutes.first(from: at.minute) { return (hour, minute) }
    guard let later = hour > at.hour ? hour : hours.first(from: at.hour + 1), let minute = minutes.first(from: 0) else { return nil }
    return (later, minute)
  }

  // MARK: - Reading

  private enum Kind: String {
    case minute, hour
    case day = "day of the month"
    case month
    case weekday = "day of the week"

    var range: ClosedRange<Int> {
      switch self {
      case .minute: 0...59
      case .hour: 0...23
      case .day: 1...31
      case .month: 1...12
      case .weekday: 0...7
      }
    }

    var names: [String] {
      switch self {
      case .month: ["", "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
      case .weekday: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
      default: []
      }
    }
  }

  private static func read(_ text: String, _ kind: Kind) throws(Mistake) -> Field {
    var field = Field(beginsWithStar: text.hasPrefix("*"))
    for item in text.split(separator: ",", omittingEmptySubsequences: false) {
      let parts = item.split(separator: "/", omittingEmptySubsequences: false)
      let isRange = parts[0] == "*" || parts[0].contains("-")
      var step = 1
      if parts.count > 1 {
        guard parts.count == 2, let number = number(parts[1]), number > 0 else {
          throw Mistake(description: "\(kind.rawValue): \"\(item)\" has no step of 1 or more behind its /")
        }
        guard isRange else {
          throw Mistake(description: "\(kind.rawValue): a step needs a range: \(parts[0])-\(kind.range.upperBound)/\(number)")
        }
        step = number
      }
      let range = parts[0] == "*" ? kind.range : try range(parts[0], kind)
      for value in stride(from: range.lowerBound, through: range.upperBound, by: step) { field.bits |= 1 << UInt64(value) }
    }
    return field
  }

  private static func range(_ text: Substring, _ kind: Kind) throws(Mistake) -> ClosedRange<Int> {
    let ends = text.split(separator: "-", omittingEmptySubsequences: false)
    let first = try value(ends[0], kind)
    guard ends.count > 1 else { return first...first }
    guard ends.count == 2 else { throw Mistake(description: "\(kind.rawValue): \"\(text)\" is not a range such as 1-5") }
    var last = try value(ends[1], kind)
    // Sunday ends a week as well as it begins one.
    if kind == .weekday, last == 0, first > 0 { last = 7 }
    guard first <= last else { throw Mistake(description: "\(kind.rawValue): \"\(text)\" ends before it begins; write two ranges") }
    return first...last
  }

  private static func value(_ text: Substring, _ kind: Kind) throws(Mistake) -> Int {
    if let index = kind.names.firstIndex(of: text.lowercased()), !text.isEmpty { return index }
    guard let number = number(text), kind.range.contains(number) else {
      let names = kind.names.isEmpty ? "" : ", or a name such as \(kind.names[1])"
      throw Mistake(
        description: "\(kind.rawValue): \"\(text)\" is not a number of \(kind.range.lowerBound) to \(kind.range.upperBound)\(names)")
    }
    return number
  }

  private static func number(_ text: Substring) -> Int? {
    !text.isEmpty && text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ? Int(text) : nil
  }
}

extension CronSchedule: Codable {
  /// Reads what was written.
  public init(from decoder: any Decoder) throws { try self.init(decoder.singleValueContainer().decode(String.self)) }

  /// Writes what was written.
  public func encode(to encoder: any Encoder) throws {
    var value = encoder.singleValueContainer()
    try value.encode(text)
  }
}
