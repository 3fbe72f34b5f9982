import StopPlan

/// The bounds of an update.
public struct RolloutBounds: Equatable, Sendable {
  /// How many replicas may run beyond the desired number.
  public let surge: Int
  /// How many of the desired number may be missing; at least 1 when `surge` is 0, since else nothing could move.
  public let unavailable: Int
  /// How long a new replica may take to be ready before the update is undone.
  public let deadline: TimeSpan
  /// By how much a replica may prolong its own start, in all (sd_notify(3), EXTEND_TIMEOUT_USEC).
  public let extending: TimeSpan
  /// How long a replica has to stay ready to count as available.
  public let settle: TimeSpan
  /// The first and the longest pause before a replica that ended is replaced.
  public let backoff: ClosedRange<TimeSpan>

  /// Bounds; what is below 0 counts as 0.
  public init(
    surge: Int, unavailable: Int, deadline: TimeSpan, extending: TimeSpan = .zero, settle: TimeSpan,
    backoff: ClosedRange<TimeSpan> = .seconds(1) ... .seconds(60)
  ) {
    self.surge = max(0, surge)
    self.unavailable = max(unavailable, surge <= 0 ? 1 : 0)
    self.deadline = deadline
    self.extending = max(.zero, extending)
    self.settle = settle
    self.backoff = backoff
  }
}

extension RolloutBounds: Codable {
  private enum Key: String, CodingKey {
    case surge, unavailable, deadline, extending, settle, shortestPause, longestPause
  }

  /// Reads bounds; a range of pauses that is upside down is an error.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: Key.self)
    let shortest = try values.decode(TimeSpan.self, forKey: .shortestPause)
    let longest = try values.decode(TimeSpan.self, forKey: .longestPause)
    guard shortest <= longest else {
      throw DecodingError.dataCorruptedError(forKey: .longestPause, in: values, debugDescription: "shorter than the shortest pause")
    }
    self.init(
      surge: try values.decode(Int.self, forKey: .surge), unavailable: try values.decode(Int.self, forKey: .unavailable),
      deadline: try values.decode(TimeSpan.self, forKey: .deadline),
      extending: try values.decodeIfPresent(TimeSpan.self, forKey: .extending) ?? .zero,
      settle: try values.decode(TimeSpan.self, forKey: .settle), backoff: shortest...longest)
  }

  /// Writes bounds.
  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(surge, forKey: .surge)
    try values.encode(unavailable, forKey: .unavailable)
    try values.encode(deadline, forKey: .deadline)
    try values.encode(extending, forKey: .extending)
    try values.encode(settle, forKey: .settle)
    try values.encode(backoff.lowerBound, forKey: .shortestPause)
    try values.encode(backoff.upperBound, forKey: .longestPause)
  }
}

// Ring 0 has no Codable: Embedded Swift lacks it.
extension TimeSpan: Codable {
  /// Reads nanoseconds.
  public init(from decoder: any Decoder) throws {
    self.init(nanoseconds: try decoder.singleValueContainer().decode(Int64.self))
  }

  /// Writes nanoseconds.
  public func encode(to encoder: any Encoder) throws {
    var value = encoder.singleValueContainer()
    try value.encode(nanoseconds)
  }
}

extension Instant: Codable {
  /// Reads nanoseconds of the monotonic clock.
  public init(from decoder: any Decoder) throws {
    self.init(nanoseconds: try decoder.singleValueContainer().decode(Int64.self))
  }

  /// Writes nanoseconds of the monotonic clock.
  public func encode(to encoder: any Encoder) throws {
    var value = encoder.singleValueContainer()
    try value.encode(nanoseconds)
  }
}
