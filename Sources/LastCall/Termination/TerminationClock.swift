#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// A clock of any kind, by lengths since any fixed moment.
struct TerminationClock: Sendable {
  /// Nanoseconds; a plain number, since every piece of tracked work is stamped with one, and a `Duration` costs several times as much.
  let nanoseconds: @Sendable () -> Int64
  /// As `nanoseconds`, from another origin and a few milliseconds coarse: to read the time exactly is a tenth of what tracking costs.
  let stamp: @Sendable () -> Int64
  let sleep: @Sendable (_ until: Duration) async throws -> Void

  /// What makes a time of `nanoseconds` of a stamp, at this moment.
  var sinceStamps: Int64 { nanoseconds() - stamp() }

  var now: Duration { .nanoseconds(nanoseconds()) }

  /// The clock of a test.
  init<C: Clock>(_ clock: C) where C.Duration == Duration {
    let origin = clock.now
    let elapsed: @Sendable () -> Int64 = { origin.duration(to: clock.now).wholeNanoseconds }
    nanoseconds = elapsed
    stamp = elapsed
    sleep = { try await clock.sleep(until: origin.advanced(by: $0), tolerance: nil) }
  }

  private init() {
    nanoseconds = Self.monotonic
    stamp = Self.coarse
    sleep = { try await Task.sleep(for: $0 - .nanoseconds(Self.monotonic()), clock: .continuous) }
  }

  /// The machine's own clock, which goes on while the machine sleeps, as `ContinuousClock` does.
  static let process = TerminationClock()

  private static func monotonic() -> Int64 {
    var time = timespec()
    #if canImport(Darwin)
      clock_gettime(CLOCK_MONOTONIC_RAW, &time)
    #else
      clock_gettime(CLOCK_BOOTTIME, &time)
    #endif
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }

  private static func coarse() -> Int64 {
    #if canImport(Darwin)
      return monotonic()
    #else
      var time = timespec()
      clock_gettime(CLOCK_MONOTONIC_COARSE, &time)
      return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    #endif
  }
}

extension Duration {
  /// At least zero and at most ten years: "no limit" is often written as the greatest number, and what is added to it must not overflow.
  var bounded: Duration { Swift.min(Swift.max(self, .zero), .seconds(315_360_000)) }

  /// Without what is less than a nanosecond; of lengths up to 292 years.
  var wholeNanoseconds: Int64 {
    let (seconds, attoseconds) = components
    return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
  }
}
