import NIOConcurrencyHelpers

/// A signal that came, and whether the kernel sent it, as it does for Ctrl-C.
struct ReceivedSignal: Equatable, Sendable {
  var signal: Signal
  var isFromKernel: Bool
}

/// What one subscriber has not read yet: each signal at most once, in the order in which they came.
///
/// So it is bounded, whoever delivers never waits, and after the last of many there is at least one to read. More cannot be promised:
/// the kernel itself merges standard signals (signal(7)).
final class SignalBuffer: Sendable {
  private struct State {
    var unread: [ReceivedSignal] = []
    var waiting: [(id: UInt64, continuation: CheckedContinuation<ReceivedSignal?, Never>)] = []
    var isFinished = false
    var nextWaiter: UInt64 = 0
    var cancelled: Set<UInt64> = []
  }

  private let state = NIOLockedValueBox(State())
  private let observer: (@Sendable (ReceivedSignal) -> Void)?

  /// - Parameter observer: called for every signal on the thread that delivers, under its lock: it must not wait, nor subscribe.
  init(observer: (@Sendable (ReceivedSignal) -> Void)? = nil) { self.observer = observer }

  /// Adds a signal, or gives it to who waits longest.
  func deliver(_ received: ReceivedSignal) {
    observer?(received)
    let waiter: CheckedContinuation<ReceivedSignal?, Never>? = state.withLockedValue { state in
      guard !state.isFinished else { return nil }
      if !state.waiting.isEmpty { return state.waiting.removeFirst().continuation }
      if let index = state.unread.firstIndex(where: { $0.signal == received.signal }) {
        if received.isFromKernel { state.unread[index].isFromKernel = true }
      } else {
        state.unread.append(received)
      }
      return nil
    }
    waiter?.resume(returning: received)
  }

  /// Nothing is added any more. What was delivered before can still be read.
  func finish() {
    let waiting = state.withLockedValue { state in
      state.isFinished = true
      defer { state.waiting = [] }
      return state.waiting
    }
    for waiter in waiting { waiter.continuation.resume(returning: nil) }
  }

  /// The next signal; nil after the end, or when the task is cancelled.
  func next() async -> ReceivedSignal? {
    let id = state.withLockedValue { state in
      state.nextWaiter += 1
      return state.nextWaiter
    }
    // Cancelled after it was answered: nobody else would take the mark away.
    defer { state.withLockedValue { _ = $0.cancelled.remove(id) } }
    return await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let answer: ReceivedSignal?? = state.withLockedValue { state in
          if state.cancelled.remove(id) != nil { return .some(nil) }
          if !state.unread.isEmpty { return state.unread.removeFirst() }
          if state.isFinished { return .some(nil) }
          state.waiting.append((id, continuation))
          return nil
        }
        if let answer { continuation.resume(returning: answer) }
      }
    } onCancel: {
      let waiter = state.withLockedValue { state -> CheckedContinuation<ReceivedSignal?, Never>? in
        guard let index = state.waiting.firstIndex(where: { $0.id == id }) else {
          // Either answered already, or not waiting yet.
          state.cancelled.insert(id)
          return nil
        }
        return state.waiting.remove(at: index).continuation
      }
      waiter?.resume(returning: nil)
    }
  }

  /// A signal that is there already; never waits.
  func take() -> ReceivedSignal? {
    state.withLockedValue { $0.unread.isEmpty ? nil : $0.unread.removeFirst() }
  }
}
