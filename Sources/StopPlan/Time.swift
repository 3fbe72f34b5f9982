/// A length of time in nanoseconds, saturating at the bounds of what it can hold.
///
/// Ring 0 has its own type because `Duration` brings 128-bit arithmetic into the Embedded binary.
public struct TimeSpan: Equatable, Comparable, Hashable, Sendable {
  /// The length in nanoseconds; negative only as the result of a subtraction.
  public var nanoseconds: Int64

  /// A length of `nanoseconds`.
  public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  /// No time at all.
  public static let zero = TimeSpan(nanoseconds: 0)

  /// A length of whole seconds; saturates beyond 292 years.
  public static func seconds(_ value: Int64) -> TimeSpan { scaled(value, by: 1_000_000_000) }

  /// A length of whole milliseconds; saturates beyond 292 years.
  public static func milliseconds(_ value: Int64) -> TimeSpan { scaled(value, by: 1_000_000) }

  private static func scaled(_ value: Int64, by unit: Int64) -> TimeSpan {
    let (product, overflow) = value.multipliedReportingOverflow(by: unit)
    return TimeSpan(nanoseconds: overflow ? (value < 0 ? .min : .max) : product)
  }

  /// Whether `lhs` is shorter than `rhs`.
  public static func < (lhs: TimeSpan, rhs: TimeSpan) -> Bool { lhs.nanoseconds < rhs.nanoseconds }

  /// The sum, saturating.
  public static func + (lhs: TimeSpan, rhs: TimeSpan) -> TimeSpan {
    TimeSpan(nanoseconds: saturatingSum(lhs.nanoseconds, rhs.nanoseconds))
  }

  /// The difference, saturating.
  public static func - (lhs: TimeSpan, rhs: TimeSpan) -> TimeSpan {
    TimeSpan(nanoseconds: saturatingDifference(lhs.nanoseconds, rhs.nanoseconds))
  }

  /// The length divided by a positive whole number.
  public static func / (lhs: TimeSpan, rhs: Int64) -> TimeSpan {
    TimeSpan(nanoseconds: lhs.nanoseconds / max(1, rhs))
  }
}

/// A moment on the monotonic clock (`CLOCK_MONOTONIC`), in nanoseconds since an arbitrary start.
public struct Instant: Equatable, Comparable, Hashable, Sendable {
  /// Nanoseconds since the clock's start.
  public var nanoseconds: Int64

  /// The moment `nanoseconds` after the clock's start.
  public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  /// Whether `lhs` is earlier than `rhs`.
  public static func < (lhs: Instant, rhs: Instant) -> Bool { lhs.nanoseconds < rhs.nanoseconds }

  /// The moment `rhs` later, saturating.
  public static func + (lhs: Instant, rhs: TimeSpan) -> Instant {
    Instant(nanoseconds: saturatingSum(lhs.nanoseconds, rhs.nanoseconds))
  }

  /// The moment `rhs` earlier, saturating.
  public static func - (lhs: Instant, rhs: TimeSpan) -> Instant {
    Instant(nanoseconds: saturatingDifference(lhs.nanoseconds, rhs.nanoseconds))
  }

  /// The time from `rhs` to `lhs`, saturating.
  public static func - (lhs: Instant, rhs: Instant) -> TimeSpan {
    TimeSpan(nanoseconds: saturatingDifference(lhs.nanoseconds, rhs.nanoseconds))
  }
}

@inline(never)
private func saturatingSum(_ lhs: Int64, _ rhs: Int64) -> Int64 {
  let (sum, overflow) = lhs.addingReportingOverflow(rhs)
  return overflow ? (rhs < 0 ? .min : .max) : sum
}

@inline(never)
private func saturatingDifference(_ lhs: Int64, _ rhs: Int64) -> Int64 {
  let (difference, overflow) = lhs.subtractingReportingOverflow(rhs)
  return overflow ? (rhs < 0 ? .max : .min) : difference
}
