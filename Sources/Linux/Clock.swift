import CLinux
import StopPlan

/// The clocks of clock_gettime(2).
public enum Clock {
  /// Now on the monotonic clock, which all processes of one boot share.
  public static var now: Instant { Instant(nanoseconds: lc_now()) }

  /// Nanoseconds since 1970-01-01 00:00 UTC.
  public static var wall: Int64 { lc_wall_clock() }

  /// Appends a time of the wall clock as RFC 3339 with nanoseconds, in UTC: `2026-11-21T01:18:24.000000001Z`.
  public static func appendTimestamp(_ wall: Int64, to text: inout [UInt8]) {
    let seconds = wall / 1_000_000_000
    let (year, month, day) = date(daysSince1970: seconds / 86_400)
    let time = seconds % 86_400
    append(year, digits: 4, to: &text)
    text.append(UInt8(ascii: "-"))
    append(month, digits: 2, to: &text)
    text.append(UInt8(ascii: "-"))
    append(day, digits: 2, to: &text)
    text.append(UInt8(ascii: "T"))
    append(time / 3600, digits: 2, to: &text)
    text.append(UInt8(ascii: ":"))
    append(time / 60 % 60, digits: 2, to: &text)
    text.append(UInt8(ascii: ":"))
    append(time % 60, digits: 2, to: &text)
    text.append(UInt8(ascii: "."))
    append(wall % 1_000_000_000, digits: 9, to: &text)
    text.append(UInt8(ascii: "Z"))
  }

  /// The Gregorian date of a day (Howard Hinnant, chrono-Compatible Low-Level Date Algorithms, civil_from_days).
  private static func date(daysSince1970 days: Int64) -> (year: Int64, month: Int64, day: Int64) {
    let shifted = days + 719_468
    let era = shifted / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
  }

  private static func append(_ value: Int64, digits: Int, to text: inout [UInt8]) {
    var divisor: Int64 = 1
    for _ in 1..<digits { divisor *= 10 }
    while divisor > 0 {
      text.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value / divisor % 10))
      divisor /= 10
    }
  }
}
