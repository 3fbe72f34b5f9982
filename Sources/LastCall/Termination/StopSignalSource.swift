import CSignals

/// A signal that came, as a termination sees it.
public struct StopSignal: Sendable, Equatable {
  /// The signal.
  public var signal: Signal
  /// Whether the terminal sent it (Ctrl-C), not another program.
  public var isFromTerminal: Bool

  /// A signal that came.
  public init(_ signal: Signal, isFromTerminal: Bool = false) {
    self.signal = signal
    self.isFromTerminal = isFromTerminal
  }
}

/// Where a termination's signals come from: the process, or a test.
public protocol StopSignalSource: Sendable {
  /// What comes from now on of these signals. It ends when nobody iterates any more.
  func subscribe(to signals: [Signal]) throws -> AsyncStream<StopSignal>
}

/// The process's own signals.
struct ProcessSignals: StopSignalSource {
  /// What began ignored and still is: nohup's HUP, INT of a shell's background job. Whoever started the program wants it so, and a Ctrl-C
  /// that is meant for another program of the terminal must not stop this one.
  static func isLeftIgnored(_ signal: Signal) -> Bool {
    guard let number = signal.platformNumber else { return false }
    return lc_signals_ignored_at_start() & 1 << UInt64(number - 1) != 0 && Signals.isIgnored(signal)
  }

  func subscribe(to signals: [Signal]) throws -> AsyncStream<StopSignal> {
    let sequence = try Signals.notify(signals.filter { !Self.isLeftIgnored($0) })
    return AsyncStream {
      await sequence.subscription.buffer.next().map { StopSignal($0.signal, isFromTerminal: $0.isFromKernel) }
    }
  }
}
