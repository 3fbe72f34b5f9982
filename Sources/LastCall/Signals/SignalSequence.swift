import StopPlan

/// The signals that one subscriber gets, in the order in which they came.
///
/// Each signal waits at most once to be read: many that come before one is read are one, as the kernel itself merges them. After
/// the last of them there is at least one to read. Nobody who delivers ever waits for a reader.
///
/// The subscription ends with ``stop()``, or when the last copy of the sequence and of its iterators is gone; the signals then have
/// their former dispositions again, unless others subscribe to them.
public struct SignalSequence: AsyncSequence, Sendable, CustomStringConvertible {
  /// What is iterated over.
  public typealias Element = Signal

  let subscription: SignalSubscription

  /// Ends the subscription. It is a barrier: what came before can still be read, then the sequence ends; nothing is added
  /// after it has returned, and what comes later meets the signal's former disposition. Further calls do nothing.
  public func stop() { subscription.stop() }

  /// Which signals it is for.
  public var description: String { "signals \(subscription.signals.signals.map(\.name).joined(separator: ", "))" }

  /// An iterator. Several share the signals: each signal goes to one of them.
  public func makeAsyncIterator() -> Iterator { Iterator(subscription: subscription) }

  /// Waits for signals.
  public struct Iterator: AsyncIteratorProtocol {
    let subscription: SignalSubscription

    /// The next signal; nil when the subscription has ended and everything is read, or when the task is cancelled.
    public func next(isolation actor: isolated (any Actor)? = #isolation) async -> Signal? {
      await subscription.buffer.next()?.signal
    }

    /// The next signal; nil when the subscription has ended and everything is read, or when the task is cancelled.
    public func next() async -> Signal? { await subscription.buffer.next()?.signal }
  }
}

/// Ends with its last owner.
final class SignalSubscription: Sendable {
  let buffer: SignalBuffer
  let signals: SignalSet
  private let id: SignalTable.SubscriberID

  init(_ signals: SignalSet, buffer: SignalBuffer = SignalBuffer()) throws(SignalError) {
    self.signals = signals
    (id, self.buffer) = try SignalHub.shared.subscribe(signals, buffer: buffer)
  }

  func stop() { SignalHub.shared.unsubscribe(id) }

  deinit { stop() }
}
