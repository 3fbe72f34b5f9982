import NIOConcurrencyHelpers

/// What happened, in order, for tests that want to see the order in which hooks are told.
public final class RecordedEvents: Sendable {
  private struct State {
    var events: [String] = []
    var waiting: [(isMet: @Sendable ([String]) -> Bool, continuation: CheckedContinuation<Void, Never>)] = []
  }

  private let state = NIOLockedValueBox(State())

  /// Nothing has happened yet.
  public init() {}

  /// What has happened until now.
  public var events: [String] { state.withLockedValue { $0.events } }

  /// Something happens.
  public func record(_ event: String) {
    let met = state.withLockedValue { state in
      state.events.append(event)
      let events = state.events
      let met = state.waiting.filter { $0.isMet(events) }
      state.waiting.removeAll { $0.isMet(events) }
      return met
    }
    for waiter in met { waiter.continuation.resume() }
  }

  /// Waits until an event has been recorded.
  public func wait(for event: String) async { await wait { $0.contains(event) } }

  /// Waits until what has been recorded meets a condition.
  public func wait(until isMet: @escaping @Sendable ([String]) -> Bool) async {
    await withCheckedContinuation { continuation in
      let isMetAlready = state.withLockedValue { state in
        if isMet(state.events) { return true }
        state.waiting.append((isMet, continuation))
        return false
      }
      if isMetAlready { continuation.resume() }
    }
  }
}
