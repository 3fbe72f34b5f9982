import LastCall
import NIOConcurrencyHelpers

/// Signals that a test sends; the process's own are left alone.
public final class TestSignals: StopSignalSource {
  private struct State {
    var subscribers: [(signals: [Signal], continuation: AsyncStream<StopSignal>.Continuation)] = []
    var unheard: [StopSignal] = []
  }

  private let state = NIOLockedValueBox(State())

  /// Signals that nobody has sent yet.
  public init() {}

  /// What a termination calls.
  public func subscribe(to signals: [Signal]) -> AsyncStream<StopSignal> {
    let (stream, continuation) = AsyncStream<StopSignal>.makeStream()
    let unheard = state.withLockedValue { state in
      state.subscribers.append((signals, continuation))
      defer { state.unheard = [] }
      return state.unheard
    }
    for signal in unheard where signals.contains(signal.signal) { continuation.yield(signal) }
    return stream
  }

  /// Sends a signal to whoever has subscribed to it. What is sent before anybody has is kept for the first.
  /// - Parameters:
  ///   - signal: the signal.
  ///   - isFromTerminal: as by Ctrl-C.
  public func send(_ signal: Signal, isFromTerminal: Bool = false) {
    let received = StopSignal(signal, isFromTerminal: isFromTerminal)
    let subscribers = state.withLockedValue { state in
      if state.subscribers.isEmpty { state.unheard.append(received) }
      return state.subscribers
    }
    for subscriber in subscribers where subscriber.signals.contains(signal) { subscriber.continuation.yield(received) }
  }
}
