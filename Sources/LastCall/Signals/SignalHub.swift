import CSignals
import NIOConcurrencyHelpers
import StopPlan

/// The one place of the process where signals are caught: carries out a ``SignalTable`` and delivers what came.
final class SignalHub: Sendable {
  static let shared = SignalHub()

  private struct State {
    var table = SignalTable()
    var buffers: [SignalTable.SubscriberID: SignalBuffer] = [:]
  }

  private let state = NIOLockedValueBox(State())

  /// - Throws: what could not be caught; nothing is changed then.
  func subscribe(
    _ signals: SignalSet, buffer: SignalBuffer = SignalBuffer()
  ) throws(SignalError) -> (SignalTable.SubscriberID, SignalBuffer) {
    try Self.check(signals)
    let outcome: Result<SignalTable.SubscriberID, SignalError> = state.withLockedValue { state in
      let started = lc_signals_start { SignalHub.shared.deliverPending() }
      guard started == 0 else { return .failure(SignalError(signal: signals.signals.first ?? .term, code: started)) }
      let before = state.table
      let (id, changes) = state.table.subscribe(signals)
      state.buffers[id] = buffer
      if let error = Self.carryOut(changes) {
        state.buffers[id] = nil
        _ = Self.carryOut(changes.map { SignalTable.Change(signal: $0.signal, to: before.disposition(of: $0.signal)) })
        state.table = before
        return .failure(error)
      }
      return .success(id)
    }
    return (try outcome.get(), buffer)
  }

  /// Calls `observer` on the thread that reads signals, until the subscription that is returned is gone.
  func observe(
    _ signals: some Sequence<Signal>, _ observer: @escaping @Sendable (ReceivedSignal) -> Void
  ) throws(SignalError) -> SignalSubscription {
    try SignalSubscription(SignalSet(signals), buffer: SignalBuffer(observer: observer))
  }

  /// A barrier: when it returns, the subscriber has got whatever came before, and gets nothing more.
  func unsubscribe(_ id: SignalTable.SubscriberID) {
    let buffer = state.withLockedValue { state -> SignalBuffer? in
      guard let buffer = state.buffers[id] else { return nil }
      var after = state.table
      _ = Self.carryOut(after.unsubscribe(id))
      lc_signals_settle()
      // What was marked until now is still for this subscriber, too.
      Self.deliver(state)
      state.table = after
      state.buffers[id] = nil
      return buffer
    }
    buffer?.finish()
  }

  func ignore(_ signals: SignalSet) throws(SignalError) {
    try Self.check(signals)
    try change { $0.ignore(signals) }
  }

  func reset(_ signals: SignalSet) throws(SignalError) { try change { $0.reset(signals) } }

  /// Under the lock, as everything that sets a disposition. What the program ignores by its own wish stays ignored.
  func followPipeRules() {
    state.withLockedValue { state in
      if state.table.disposition(of: .pipe) != .ignored { _ = lc_signals_pipe_rules() }
    }
  }

  func isTaken(_ number: Int32) -> Bool { state.withLockedValue { _ in lc_signals_is_taken(number) != 0 } }

  var ignored: SignalSet { state.withLockedValue { $0.table.ignored } }

  private func change(_ body: (inout SignalTable) -> [SignalTable.Change]) throws(SignalError) {
    let error = state.withLockedValue { state -> SignalError? in
      var after = state.table
      let error = Self.carryOut(body(&after))
      lc_signals_settle()
      Self.deliver(state)
      state.table = after
      return error
    }
    if let error { throw error }
  }

  private static func check(_ signals: SignalSet) throws(SignalError) {
    for signal in signals.signals where !signal.canBeCaught || signal.platformNumber == nil {
      throw SignalError(signal: signal, code: SystemError.invalid)
    }
  }

  private func deliverPending() { state.withLockedValue { Self.deliver($0) } }

  private static func deliver(_ state: State) {
    var fromKernel: UInt64 = 0
    let marked = SignalSet(mask: lc_signals_take(&fromKernel))
    guard marked.mask != 0 else { return }
    for number in marked.signals {
      guard let signal = Signal(platformNumber: number.number) else { continue }
      let received = ReceivedSignal(signal: signal, isFromKernel: SignalSet(mask: fromKernel).contains(number))
      for id in state.table.recipients(of: signal) { state.buffers[id]?.deliver(received) }
    }
  }

  private static func carryOut(_ changes: [SignalTable.Change]) -> SignalError? {
    var failure: SignalError?
    for change in changes {
      guard let number = change.signal.platformNumber else { continue }
      var isTaken: Int32 = 0
      let code =
        switch change.to {
        case .caught: lc_signals_catch(number)
        case .ignored: lc_signals_ignore(number)
        case .former: lc_signals_give_back(number, &isTaken)
        }
      if code != 0, failure == nil { failure = SignalError(signal: change.signal, code: code) }
    }
    return failure
  }
}
