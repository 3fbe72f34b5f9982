import CLinux
import StopPlan

/// The clocks of clock_gettime(2).
public enum Clock {
  /// Now on the monotonic clock, which all processes of one boot share.
  public static var now: Instant { Instant(nanoseconds: lc_now()) }

  /// Nanoseconds since 1970-01-01 00:00 UTC.
  public static var wall: Int64 { lc_wall_clock() }

  /// Appends a time of the wall clock as RFC 3339 with nanoseconds, in UTC: `2026-11-21T01:18:24.000000001Z`.
  @inline(never)
  public static func appendTimestamp(_ wall: Int64, to text: inout [UInt8]) {
    let wall = wall.magnitude
    let seconds = wall / 1_000_000_000
    // The Gregorian date of a day (Howard Hinnant, chrono-Compatible Low-Level Date Algorithms, civil_from_days).
    let shifted = seconds / 86_400 + 719_468
    let era = shifted / 146_097
    let dayOfEra = shifted % 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let isLate = shiftedMonth >= 10
    field(yearOfEra + era * 400 + (isLate ? 1 : 0), 4, "-", &text)
    field(isLate ? shiftedMonth - 9 : shiftedMonth + 3, 2, "-", &text)
    field(dayOfYear - (153 * shiftedMonth + 2) / 5 + 1, 2, "T", &text)
    field(seconds / 3600 % 24, 2, ":", &text)
    field(seconds / 60 % 60, 2, ":", &text)
    field(seconds % 60, 2, ".", &text)
    field(wall % 1_000_000_000, 9, "Z", &text)
  }

  @inline(never)
  private static func field(_ value: UInt64, _ digits: Int, _ end: ByteView, _ text: inout [UInt8]) {
    text.append(number: value, digits: digits)
    text.append(text: end)
  }
}
