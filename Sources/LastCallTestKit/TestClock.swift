import NIOConcurrencyHelpers

/// A clock that stands still until it is told to go on, so that a test of a shutdown takes no time and knows when what happens.
///
/// ```swift
/// let clock = TestClock()
/// clock.advance(by: .seconds(5))
/// ```
public final class TestClock: Clock, Sendable {
  /// A moment: a length of time since the clock was made.
  public struct Instant: InstantProtocol, Sendable {
    /// Since the clock was made.
    public var offset: Duration

    /// The moment that much later.
    public func advanced(by duration: Duration) -> Instant { Instant(offset: offset + duration) }

    /// The time from this moment to another.
    public func duration(to other: Instant) -> Duration { other.offset - offset }

    /// Whether `lhs` is earlier.
    public static func < (lhs: Instant, rhs: Instant) -> Bool { lhs.offset < rhs.offset }
  }

  private struct Sleeper {
    var id: UInt64
    var until: Instant
    var continuation: CheckedContinuation<Void, any Error>
  }

  private struct State {
    var now = Instant(offset: .zero)
    var sleepers: [Sleeper] = []
    var cancelled: Set<UInt64> = []
    var nextID: UInt64 = 0
    var watchers: [(isMet: @Sendable ([Instant]) -> Bool, continuation: CheckedContinuation<Void, Never>)] = []
  }

  private let state = NIOLockedValueBox(State())

  /// A clock at its beginning.
  public init() {}

  /// The moment it stands at.
  public var now: Instant { state.withLockedValue { $0.now } }

  /// The clock is exact.
  public var minimumResolution: Duration { .nanoseconds(1) }

  /// Waits until the clock has been advanced to the deadline.
  /// - Throws: `CancellationError` when the task is cancelled before.
  public func sleep(until deadline: Instant, tolerance: Duration? = nil) async throws {
    let id = state.withLockedValue { state in
      state.nextID += 1
      return state.nextID
    }
    defer { state.withLockedValue { _ = $0.cancelled.remove(id) } }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
        let outcome: Result<Void, any Error>? = state.withLockedValue { state in
          if state.cancelled.remove(id) != nil { return .failure(CancellationError()) }
          if deadline <= state.now { return .success(()) }
          state.sleepers.append(Sleeper(id: id, until: deadline, continuation: continuation))
          return nil
        }
        if let outcome { continuation.resume(with: outcome) } else { tellWatchers() }
      }
    } onCancel: {
      let sleeper = state.withLockedValue { state -> Sleeper? in
        guard let index = state.sleepers.firstIndex(where: { $0.id == id }) else {
          state.cancelled.insert(id)
          return nil
        }
        return state.sleepers.remove(at: index)
      }
      sleeper?.continuation.resume(throwing: CancellationError())
    }
  }

  /// Goes on by `duration`. Who sleeps until a moment on the way is woken, the earliest first; what they then do has not happened yet when
  /// this returns. Who only begins to sleep afterwards, until a moment that is over, is woken at once: no order of calls loses a wake.
  public func advance(by duration: Duration) {
    let woken = state.withLockedValue { state -> [Sleeper] in
      state.now = state.now.advanced(by: duration)
      let woken = state.sleepers.filter { $0.until <= state.now }.sorted { $0.until < $1.until }
      state.sleepers.removeAll { $0.until <= state.now }
      return woken
    }
    for sleeper in woken { sleeper.continuation.resume() }
  }

  /// Goes on to the earliest moment that somebody sleeps until, once there is one.
  /// - Returns: by how much.
  @discardableResult
  public func advanceToNextSleeper() async -> Duration {
    await wait { !$0.isEmpty }
    let (now, next) = state.withLockedValue { ($0.now, $0.sleepers.map(\.until).min()) }
    guard let next else { return .zero }
    let step = max(now.duration(to: next), .zero)
    advance(by: step)
    return step
  }

  /// Waits until the moments that are slept until meet a condition.
  private func wait(_ isMet: @escaping @Sendable ([Instant]) -> Bool) async {
    await withCheckedContinuation { continuation in
      let isMetAlready = state.withLockedValue { state in
        if isMet(state.sleepers.map(\.until)) { return true }
        state.watchers.append((isMet, continuation))
        return false
      }
      if isMetAlready { continuation.resume() }
    }
  }

  private func tellWatchers() {
    let met = state.withLockedValue { state in
      let moments = state.sleepers.map(\.until)
      let met = state.watchers.filter { $0.isMet(moments) }
      state.watchers.removeAll { $0.isMet(moments) }
      return met
    }
    for watcher in met { watcher.continuation.resume() }
  }
}
