import StopPlan

/// What is remembered of failures, to pause ever longer between restarts: how many came in a row, and until when the next start waits.
///
/// A hundred replicas that fail for one reason are one failure: only what was started after the last failure that counted counts again.
public struct CrashLoop: Equatable, Codable, Sendable {
  /// How many failures came in a row.
  public private(set) var failures = 0
  /// Until when nothing is started; nil when nothing waits.
  public private(set) var until: Instant?
  private var countedAt: Instant?
  /// The state of a SplitMix64 (Steele, Lea, Flood 2014): jitter that a simulation can replay.
  private var seed: UInt64

  /// No failures yet. Seeds that differ make pauses that differ, so that apps that fail together do not start again together.
  public init(seed: UInt64 = 0) { self.seed = seed }

  /// One more failure of what was started at `start`.
  ///
  /// - Parameter hadServed: it had run well for long, so this is not the next failure in a row.
  /// - Returns: when the next start may be.
  public mutating func failed(startedAt start: Instant, hadServed: Bool, at now: Instant, bounds: ClosedRange<TimeSpan>) -> Instant {
    let isNext = failures == 0 || !hadServed && countedAt.map { start > $0 } ?? true
    if isNext {
      failures += 1
      countedAt = now
    } else if let until, now < until {
      return until
    }
    let moment = now + pause(bounds)
    until = moment
    return moment
  }

  /// The pause is over: starts are free again, the failures still count.
  mutating func waited() { until = nil }

  /// The failures so far count no more.
  mutating func reset() {
    failures = 0
    until = nil
    countedAt = nil
  }

  /// Moments of a clock that has begun anew since (a reboot) lie in the future; none waits longer than a longest pause from now.
  mutating func clamp(to now: Instant, bounds: ClosedRange<TimeSpan>) {
    until = until.map { min($0, now + bounds.upperBound) }
    countedAt = countedAt.map { min($0, now) }
  }

  /// The first pause doubled for every failure but the first, with up to a quarter less or more, and always within the bounds.
  private mutating func pause(_ bounds: ClosedRange<TimeSpan>) -> TimeSpan {
    var nominal = bounds.lowerBound
    for _ in 1..<max(2, min(failures, 64)) where failures > 1 { nominal = min(nominal + nominal, bounds.upperBound) }
    let low = max(bounds.lowerBound, nominal - nominal / 4)
    let high = min(bounds.upperBound, nominal + nominal / 4)
    let width = UInt64(max(0, (high - low).nanoseconds)) + 1
    return low + TimeSpan(nanoseconds: Int64(random() % width))
  }

  private mutating func random() -> UInt64 {
    seed &+= 0x9e37_79b9_7f4a_7c15
    var mixed = seed
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}
