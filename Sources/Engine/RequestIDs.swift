import Linux
import Synchronization

/// Ids for stop requests: unique over engines, since a later engine may speak to the same keeper.
enum RequestIDs {
  private static let last = Atomic<UInt64>(0)

  /// A new id: microseconds of the wall clock, moved on when two fall together.
  static func next() -> UInt64 {
    let now = UInt64(max(0, Clock.wall / 1_000))
    var previous = last.load(ordering: .relaxed)
    while true {
      let candidate = max(now, previous + 1)
      let result = last.compareExchange(expected: previous, desired: candidate, ordering: .relaxed)
      if result.exchanged { return candidate }
      previous = result.original
    }
  }
}
