/// A moment on the wall clock: seconds since 1970-01-01 00:00:00 UTC, leap seconds not counted (POSIX).
public struct WallTime: Hashable, Comparable, Codable, Sendable {
  /// Seconds since 1970.
  public var seconds: Int64

  /// The moment so many seconds after the beginning of 1970.
  public init(seconds: Int64) { self.seconds = seconds }

  /// Whether `lhs` is earlier.
  public static func < (lhs: WallTime, rhs: WallTime) -> Bool { lhs.seconds < rhs.seconds }
}

/// The local time of a place: how far its clocks are ahead of UTC at a moment.
public struct CivilZone: Sendable {
  private let ahead: @Sendable (WallTime) -> Int

  /// A zone whose clocks are `ahead` seconds ahead of UTC at a moment (negative in the west), within ±14 h.
  public init(ahead: @escaping @Sendable (WallTime) -> Int) { self.ahead = ahead }

  /// UTC.
  public static let utc = CivilZone { _ in 0 }

  private static let day: Int64 = 86_400

  /// What the clocks show, as if it were UTC.
  func shown(at moment: WallTime) -> Int64 { moment.seconds + offset(at: moment.seconds) }

  private func offset(at seconds: Int64) -> Int64 { Int64(ahead(WallTime(seconds: seconds))) }

  /// The offsets in force about a moment, the day before and after included.
  func offsets(about seconds: Int64) -> ClosedRange<Int64> {
    let (before, now, after) = (offset(at: seconds - Self.day), offset(at: seconds), offset(at: seconds + Self.day))
    return min(before, now, after)...max(before, now, after)
  }

  /// When the clocks show this: once; twice when they were put back over it; never when they were put forward over it.
  func moments(showing shown: Int64) -> [WallTime] {
    let offsets = offsets(about: shown)
    return Set([shown - offsets.upperBound, shown - offsets.lowerBound]).filter { $0 + offset(at: $0) == shown }.sorted()
      .map(WallTime.init(seconds:))
  }

  /// The first moment at which the clocks show this or more: the end of the gap when they never show it.
  func first(showing shown: Int64) -> WallTime {
    if let first = moments(showing: shown).first { return first }
    let offsets = offsets(about: shown)
    var (low, high) = (shown - offsets.upperBound, shown - offsets.lowerBound)
    while high - low > 1 {
      let middle = low + (high - low) / 2
      if middle + offset(at: middle) < shown { low = middle } else { high = middle }
    }
    return WallTime(seconds: high)
  }
}

/// What a calendar and a clock show, to the minute, in the Gregorian calendar.
public struct CivilTime: Equatable, Sendable {
  /// The year, as 2026.
  public var year: Int
  /// 1…12.
  public var month: Int
  /// 1…31.
  public var day: Int
  /// 0…23.
  public var hour: Int
  /// 0…59.
  public var minute: Int

  /// A date and a time.
  public init(_ year: Int, _ month: Int, _ day: Int, _ hour: Int = 0, _ minute: Int = 0) {
    (self.year, self.month, self.day, self.hour, self.minute) = (year, month, day, hour, minute)
  }

  /// What is shown so many seconds after 1970-01-01 00:00; seconds of a minute are dropped.
  ///
  /// The days by Howard Hinnant's `civil_from_days` (http://howardhinnant.github.io/date_algorithms.html).
  public init(shown seconds: Int64) {
    let days = Self.floor(seconds, 86_400)
    let rest = Int(seconds - days * 86_400)
    let shifted = Int(days) + 719_468
    let era = Int(Self.floor(Int64(shifted), 146_097))
    let ofEra = shifted - era * 146_097
    let yearOfEra = (ofEra - ofEra / 1_460 + ofEra / 36_524 - ofEra / 146_096) / 365
    let ofYear = ofEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let part = (5 * ofYear + 2) / 153
    month = part < 10 ? part + 3 : part - 9
    day = ofYear - (153 * part + 2) / 5 + 1
    year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    (hour, minute) = (rest / 3_600, rest % 3_600 / 60)
  }

  /// Seconds from 1970-01-01 00:00 to what is shown, as if it were UTC.
  public var shown: Int64 { days * 86_400 + Int64(hour * 3_600 + minute * 60) }

  /// 0 for Sunday … 6 for Saturday.
  public var weekday: Int { Int((days % 7 + 11) % 7) }

  /// Days since 1970-01-01, by Hinnant's `days_from_civil`.
  private var days: Int64 {
    let shifted = Int64(month <= 2 ? year - 1 : year)
    let era = Self.floor(shifted, 400)
    let yearOfEra = shifted - era * 400
    let ofYear = Int64((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1)
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + ofYear - 719_468
  }

  private static func floor(_ value: Int64, _ divisor: Int64) -> Int64 {
    let quotient = value / divisor
    return value % divisor < 0 ? quotient - 1 : quotient
  }
}
