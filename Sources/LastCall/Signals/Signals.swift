import CSignals
import StopPlan

/// The process's signals, by the rules of Go's os/signal (its package documentation).
///
/// Nothing is caught that nobody asked for. A signal that was ignored when the program began (nohup) stays ignored until
/// somebody asks for it, and is ignored again afterwards. All of this may be called from any thread.
public enum Signals {
  /// Subscribes to signals. They no longer have their default action while the subscription lasts.
  ///
  /// Every subscriber gets every signal it asked for; a slow one holds up nobody. A fault of the program itself (SEGV, ILL, …
  /// sent by the kernel) goes to the handler that was there before, as a crash reporter's, or ends the program; only when somebody has sent
  /// such a signal is it delivered.
  /// - Parameter signals: any number from 1 to 64.
  /// - Throws: for KILL and STOP, and for 32 and 33 on Linux, which the C library keeps for itself.
  public static func notify(_ signals: Signal...) throws(SignalError) -> SignalSequence { try notify(signals) }

  /// Subscribes to signals, see ``notify(_:)-(Signal...)``.
  public static func notify(_ signals: some Sequence<Signal>) throws(SignalError) -> SignalSequence {
    SignalSequence(subscription: try SignalSubscription(SignalSet(signals)))
  }

  /// Ignores signals from now on, and takes them from all who subscribed. Programs that are started later ignore them, too.
  /// - Throws: for signals that cannot be ignored.
  public static func ignore(_ signals: Signal...) throws(SignalError) { try SignalHub.shared.ignore(SignalSet(signals)) }

  /// Undoes ``notify(_:)-(Signal...)`` and ``ignore(_:)`` for everybody: the signals have the dispositions again that they had before.
  /// - Parameter signals: which; all when there is none.
  public static func reset(_ signals: Signal...) throws(SignalError) {
    try SignalHub.shared.reset(signals.isEmpty ? SignalSet(mask: .max) : SignalSet(signals))
  }

  /// Whether the signal is ignored at this moment, be it from the program's start, by ``ignore(_:)`` or by another part of it.
  public static func isIgnored(_ signal: Signal) -> Bool {
    guard let number = signal.platformNumber else { return true }
    return lc_signals_is_ignored(number) != 0
  }

  /// Whether another part of the program (a library's own `sigaction`, DispatchSource) has taken a signal over that is
  /// subscribed to here, so that it is no longer delivered.
  public static func isTakenOver(_ signal: Signal) -> Bool {
    guard let number = signal.platformNumber else { return false }
    return SignalHub.shared.isTaken(number)
  }

  /// Subscribes while `body` runs; afterwards the signals have their former dispositions again, also when it throws.
  /// - Throws: what `body` throws, and ``SignalError`` for signals that cannot be caught.
  public static func withSignals<R>(
    _ signals: Signal..., isolation: isolated (any Actor)? = #isolation, body: (SignalSequence) async throws -> R
  ) async throws -> R {
    let sequence = try notify(signals)
    defer { sequence.stop() }
    return try await body(sequence)
  }

  /// Runs `body` in a child task that the first of the signals cancels. Later ones do no harm until `body` has returned.
  /// - Returns: what `body` returned, and the signal that cancelled it.
  /// - Throws: what `body` throws, and ``SignalError`` for signals that cannot be caught.
  public static func withCancellation<R: Sendable>(
    on signals: Signal..., body: @escaping @Sendable () async throws -> R
  ) async throws -> (result: R, signal: Signal?) {
    let sequence = try notify(signals)
    defer { sequence.stop() }
    return try await withThrowingTaskGroup(of: Cancellable<R>.self) { group in
      group.addTask { .returned(try await body()) }
      group.addTask { .signalled(await sequence.makeAsyncIterator().next()) }
      var cancelledBy: Signal?
      while let outcome = try await group.next() {
        switch outcome {
        case .signalled(let signal):
          if let signal { cancelledBy = signal }
          group.cancelAll()
        case .returned(let result):
          group.cancelAll()
          return (result, cancelledBy)
        }
      }
      // The group has a task that returns or throws; this is for the compiler.
      throw CancellationError()
    }
  }

  private enum Cancellable<R: Sendable>: Sendable {
    case returned(R)
    case signalled(Signal?)
  }

  /// From now on a broken standard output or error ends the program, as it ends `cat | head`, and no other broken pipe or socket does:
  /// writing to it fails with EPIPE. These are Go's rules (os/signal, "SIGPIPE").
  ///
  /// SwiftNIO ignores SIGPIPE for the whole process when it makes its first socket, so a server whose log nobody reads goes on for ever.
  /// Call this afterwards; ``Termination/run()`` does so. Nothing changes where SIGPIPE was ignored when the program began.
  public static func followPipeRules() { SignalHub.shared.followPipeRules() }
}
