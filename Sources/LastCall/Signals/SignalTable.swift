import StopPlan

/// Decides who gets which signal, and what each signal's disposition has to be. It does no I/O.
struct SignalTable: Equatable, Sendable {
  enum Disposition: Equatable, Sendable {
    /// What the program was started with, or what another part of it has set.
    case former
    case ignored
    case caught
  }

  /// A disposition that has to be set.
  struct Change: Equatable, Sendable {
    var signal: Signal
    var to: Disposition
  }

  typealias SubscriberID = UInt64

  private var subscribers: [SubscriberID: SignalSet] = [:]
  private(set) var ignored: SignalSet = []
  private var nextID: SubscriberID = 0

  /// A new subscriber of `signals`. It undoes that they were ignored.
  mutating func subscribe(_ signals: SignalSet) -> (SubscriberID, [Change]) {
    nextID += 1
    let id = nextID
    return (
      id,
      change {
        $0.subscribers[id] = signals; $0.ignored.mask &= ~signals.mask
      }
    )
  }

  /// No signal goes to that subscriber any more.
  mutating func unsubscribe(_ id: SubscriberID) -> [Change] { change { $0.subscribers[id] = nil } }

  /// Nobody gets the signals any more, and they are ignored.
  mutating func ignore(_ signals: SignalSet) -> [Change] {
    change {
      $0.forget(signals)
      $0.ignored.mask |= signals.mask
    }
  }

  /// Nobody gets the signals any more, and their former dispositions hold.
  mutating func reset(_ signals: SignalSet) -> [Change] {
    change {
      $0.forget(signals)
      $0.ignored.mask &= ~signals.mask
    }
  }

  /// Who gets the signal.
  func recipients(of signal: Signal) -> [SubscriberID] {
    subscribers.filter { $0.value.contains(signal) }.keys.sorted()
  }

  func disposition(of signal: Signal) -> Disposition {
    if subscribers.values.contains(where: { $0.contains(signal) }) { return .caught }
    return ignored.contains(signal) ? .ignored : .former
  }

  private mutating func forget(_ signals: SignalSet) {
    for id in subscribers.keys { subscribers[id]?.mask &= ~signals.mask }
  }

  private mutating func change(_ body: (inout SignalTable) -> Void) -> [Change] {
    let before = self
    body(&self)
    return SignalSet.all.compactMap { signal in
      let disposition = disposition(of: signal)
      return disposition == before.disposition(of: signal) ? nil : Change(signal: signal, to: disposition)
    }
  }
}

extension SignalSet {
  /// Every signal there is.
  static var all: [Signal] { (1...64).compactMap { Signal(number: $0) } }

  /// These signals.
  init(_ signals: some Sequence<Signal>) {
    self = []
    for signal in signals { insert(signal) }
  }

  /// The lowest number first.
  var signals: [Signal] { Self.all.filter(contains) }
}
