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
    var day = seconds / 86_400
    var year: UInt64 = 1970
    // No table and no formula: a few dozen turns cost nothing beside the system call that writes the line.
    while day >= days(in: year) {
      day -= days(in: year)
      year += 1
    }
    var month: UInt64 = 1
    while day >= days(in: month, of: year) {
      day -= days(in: month, of: year)
      month += 1
    }
    field(year, 4, "-", &text)
    field(month, 2, "-", &text)
    field(day + 1, 2, "T", &text)
    field(seconds / 3600 % 24, 2, ":", &text)
    field(seconds / 60 % 60, 2, ":", &text)
    field(seconds % 60, 2, ".", &text)
    field(wall % 1_000_000_000, 9, "Z", &text)
  }

  @inline(never)
  private static func days(in year: UInt64) -> UInt64 { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 366 : 365 }

  private static func days(in month: UInt64, of year: UInt64) -> UInt64 {
    if month == 2 { return days(in: year) - 337 }
    return 30 + (month + month / 8) % 2
  }

  @inline(never)
  private static func field(_ value: UInt64, _ digits: Int, _ end: ByteView, _ text: inout [UInt8]) {
    text.append(number: value, digits: digits)
    text.append(text: end)
  }
}
