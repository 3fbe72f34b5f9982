import NIOConcurrencyHelpers

/// A value whose changes can be waited for.
final class Watched<Value: Sendable>: Sendable {
  private struct Waiter: Sendable {
    var condition: @Sendable (Value) -> Bool
    var continuation: CheckedContinuation<Void, Never>
  }

  private let state: NIOLockedValueBox<(value: Value, waiters: [Waiter])>

  init(_ value: Value) {
    state = NIOLockedValueBox((value, []))
  }

  var value: Value { state.withLockedValue { $0.value } }

  func change(_ body: (inout Value) -> Void) {
    let ready = state.withLockedValue { state in
      body(&state.value)
      let value = state.value
      let ready = state.waiters.filter { $0.condition(value) }
      state.waiters.removeAll { $0.condition(value) }
      return ready
    }
    for waiter in ready { waiter.continuation.resume() }
  }

  /// Waits until it holds; at once when it does already.
  func wait(until condition: @escaping @Sendable (Value) -> Bool) async {
    await withCheckedContinuation { continuation in
      let holds = state.withLockedValue { state in
        if condition(state.value) { return true }
        state.waiters.append(Waiter(condition: condition, continuation: continuation))
        return false
      }
      if holds { continuation.resume() }
    }
  }
}

/// Holds handlers back until the test lets them go.
final class Gate: Sendable {
  private let entered = Watched(0)
  private let isOpen = Watched(false)

  func pass() async {
    note()
    await isOpen.wait { $0 }
  }

  /// A handler has come that is not held back.
  func note() { entered.change { $0 += 1 } }

  /// Waits until so many handlers have come.
  func holds(_ count: Int = 1) async { await entered.wait { $0 >= count } }

  func open() { isOpen.change { $0 = true } }
}
