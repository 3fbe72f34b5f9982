import NIOConcurrencyHelpers

/// What happened, in order, for tests that want to see the order in which hooks are told.
public final class RecordedEvents: Sendable {
  private struct State {
    var events: [String] = []
    var waiting: [(id: UInt64, isMet: @Sendable ([String]) -> Bool, continuation: CheckedContinuation<Void, Never>)] = []
    var nextID: UInt64 = 0
    var cancelled: Set<UInt64> = []
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

  /// Waits until an event has been recorded, or the task is cancelled, as a test's time limit does.
  public func wait(for event: String) async { await wait { $0.contains(event) } }

  /// Waits until what has been recorded meets a condition, or the task is cancelled.
  public func wait(until isMet: @escaping @Sendable ([String]) -> Bool) async {
    let id = state.withLockedValue { state in
      state.nextID += 1
      return state.nextID
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isOver = state.withLockedValue { state in
          if isMet(state.events) || state.cancelled.remove(id) != nil { return true }
          state.waiting.append((id, isMet, continuation))
          return false
        }
        if isOver { continuation.resume() }
      }
    } onCancel: {
      let waiter = state.withLockedValue { state -> CheckedContinuation<Void, Never>? in
        guard let index = state.waiting.firstIndex(where: { $0.id == id }) else {
          state.cancelled.insert(id)
          return nil
        }
        return state.waiting.remove(at: index).continuation
      }
      waiter?.resume()
    }
  }
}
