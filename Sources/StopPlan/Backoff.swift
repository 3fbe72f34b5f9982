/// The pauses before what ended by itself is started again: each twice as long as the one before, up to a bound.
public struct Backoff: Equatable, Sendable {
  /// The first pause and the longest.
  public let bounds: ClosedRange<TimeSpan>
  private var last: TimeSpan?

  /// Pauses within these bounds.
  public init(_ bounds: ClosedRange<TimeSpan>) { self.bounds = bounds }

  /// The pause after one more failure.
  public mutating func next() -> TimeSpan {
    let pause = last.map { min(max($0 + $0, bounds.lowerBound), bounds.upperBound) } ?? bounds.lowerBound
    last = pause
    return pause
  }

  /// The failures so far count no more.
  public mutating func reset() { last = nil }
}
