/// A point on the monotonic clock.
struct MonotonicTime: Comparable, Hashable {
  let nanoseconds: Int64

  static func < (left: MonotonicTime, right: MonotonicTime) -> Bool { left.nanoseconds < right.nanoseconds }

  static func + (time: MonotonicTime, duration: Duration) -> MonotonicTime {
    let (sum, overflow) = time.nanoseconds.addingReportingOverflow(duration.wholeNanoseconds)
    return MonotonicTime(nanoseconds: overflow ? .max : sum)
  }
}

extension Duration {
  /// Nanoseconds, bounded to what an `Int64` holds: about 292 years either way.
  var wholeNanoseconds: Int64 {
    let (seconds, attoseconds) = components
    let limit: Int64 = 9_000_000_000
    return min(max(seconds, -limit), limit) * 1_000_000_000 + attoseconds / 1_000_000_000
  }
}
