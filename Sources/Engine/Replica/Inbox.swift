import Synchronization

/// What comes for somebody, taken one after another and in its order. The task that takes it is there only while there is something: one that
/// waits would keep the memory of its deepest call, tens of kilobytes for each replica.
final class Inbox<Item: Sendable>: Sendable {
  private struct State {
    var items: [Item] = []
    var take: (@Sendable (Item) async -> Void)?
    var isBeingTaken = false
  }

  private let state = Mutex(State())

  /// Keeps an item until it is taken.
  func put(_ item: Item) { begin { $0.items.append(item) } }

  /// From now on what has come, and what comes, is given to `take`.
  func open(_ take: @escaping @Sendable (Item) async -> Void) { begin { $0.take = take } }

  private func begin(_ change: (inout State) -> Void) {
    let take = state.withLock { state -> (@Sendable (Item) async -> Void)? in
      change(&state)
      guard !state.isBeingTaken, !state.items.isEmpty, let take = state.take else { return nil }
      state.isBeingTaken = true
      return take
    }
    guard let take else { return }
    Task { while let item = next() { await take(item) } }
  }

  private func next() -> Item? {
    state.withLock { state in
      if state.items.isEmpty {
        state.isBeingTaken = false
        return nil
      }
      return state.items.removeFirst()
    }
  }
}
