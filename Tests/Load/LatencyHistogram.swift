/// Counts durations in buckets no wider than 1/64 of their value: any quantile in fixed memory, at most 1.6 % off.
public struct LatencyHistogram: Sendable, Equatable {
  private static let subBuckets = 64

  private var counts: [UInt64] = []
  /// How many durations were recorded.
  public private(set) var count: UInt64 = 0
  /// The longest of them in microseconds, exact.
  public private(set) var maximum: UInt64 = 0

  /// An empty histogram.
  public init() {}

  /// Records one duration in microseconds.
  public mutating func record(_ microseconds: UInt64) {
    let index = Self.bucket(microseconds)
    if index >= counts.count { counts += repeatElement(0, count: index + 1 - counts.count) }
    counts[index] += 1
    count += 1
    maximum = max(maximum, microseconds)
  }

  /// Takes in what another has recorded.
  public mutating func merge(_ other: LatencyHistogram) {
    if other.counts.count > counts.count { counts += repeatElement(0, count: other.counts.count - counts.count) }
    for (index, value) in other.counts.enumerated() { counts[index] += value }
    count += other.count
    maximum = max(maximum, other.maximum)
  }

  /// The duration in microseconds that a share of `fraction` (0…1) of the recorded ones does not exceed; 0 when nothing was recorded.
  public func quantile(_ fraction: Double) -> UInt64 {
    let wanted = max(1, UInt64((Double(count) * min(max(fraction, 0), 1)).rounded(.up)))
    var seen: UInt64 = 0
    for (index, value) in counts.enumerated() {
      seen += value
      if seen >= wanted { return min(Self.upperBound(index), maximum) }
    }
    return maximum
  }

  private static func bucket(_ value: UInt64) -> Int {
    guard value >= UInt64(subBuckets) else { return Int(value) }
    let shift = (UInt64.bitWidth - value.leadingZeroBitCount) - 7
    return (shift + 1) * subBuckets + Int(value >> UInt64(shift)) - subBuckets
  }

  private static func upperBound(_ index: Int) -> UInt64 {
    guard index >= subBuckets else { return UInt64(index) }
    let shift = UInt64(index / subBuckets - 1)
    return ((UInt64(index % subBuckets + subBuckets) + 1) << shift) &- 1
  }
}
