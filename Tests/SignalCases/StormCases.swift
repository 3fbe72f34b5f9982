import CSignals
import Glibc
import NIOConcurrencyHelpers

@testable import LastCall

/// Sends a signal to this process again and again from threads of its own, until it is told to end.
private final class Storm: Sendable {
  private let state: NIOLockedValueBox<(isOver: Bool, threads: Int)>
  private let ended: AsyncStream<Void>
  private let signal: Signal

  init(_ signal: Signal, threads: Int) {
    let state = NIOLockedValueBox((isOver: false, threads: threads))
    let (ended, continuation) = AsyncStream<Void>.makeStream()
    (self.state, self.ended, self.signal) = (state, ended, signal)
    for _ in 0..<threads {
      _ = OwnThread.start(name: "storm") {
        while !state.withLockedValue({ $0.isOver }) { sendSelf(signal) }
        let isLast = state.withLockedValue { state in
          state.threads -= 1
          return state.threads == 0
        }
        if isLast { continuation.finish() }
      }
    }
  }

  func end() async {
    state.withLockedValue { $0.isOver = true }
    for await _ in ended {}
    // The last may still be on its way when the last subscription ends.
    try? Signals.ignore(signal)
  }
}

enum StormCases {
  static func stress() async throws {
    // Keeps the signal caught when the other subscription has ended.
    let keeper = try Signals.notify(.usr1)
    let storm = Storm(.usr1, threads: 4)
    for _ in 0..<20 {
      let signals = try Signals.notify(.usr1)
      try expect(await signals.next() == .usr1, "the storm is heard")
      signals.stop()
      while let late = await signals.next() { try expect(late == .usr1, "what came before the end can be read") }
      for _ in 0..<5 { try expect(await keeper.next() == .usr1, "the storm goes on") }
      try expect(signals.unread == nil, "nothing is added after the end")
    }
    await storm.end()
    withExtendedLifetime(keeper) {}
  }

  /// Either it was caught, or the process ends by it; it is never lost.
  static func atomicStop() async throws {
    for _ in 0..<10 {
      let signals = try Signals.notify(.interrupt)
      let (sent, continuation) = AsyncStream<Void>.makeStream()
      _ = OwnThread.start(name: "sender") {
        sendSelf(.interrupt)
        continuation.finish()
      }
      signals.stop()
      for await _ in sent {}
      guard await signals.next() == .interrupt else { waitForTheEnd() }
    }
  }

  /// A child has only the thread that forked it, so it must not wait for a handler that another thread was in.
  static func forked() async throws {
    let signals = try Signals.notify(.usr1)
    let storm = Storm(.usr1, threads: 4)
    try expect(await signals.next() == .usr1, "the storm is heard")
    for _ in 0..<200 {
      let child = fork()
      if child == 0 {
        // Ends the child if it waits; the thread that forks may be one of the pool's, which block it.
        var none = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, nil)
        alarm(20)
        lc_signals_settle()
        _exit(0)
      }
      var (code, signal): (Int32, Int32) = (0, 0)
      try expect(lc_signals_wait(child, &code, &signal) == 0 && code == 0 && signal == 0, "the child ended by signal \(signal)")
    }
    await storm.end()
    withExtendedLifetime(signals) {}
  }

  static func time() async throws {
    let signals = try Signals.notify(.usr1)
    let storm = Storm(.usr1, threads: 1)
    var last = ContinuousClock.now
    for _ in 0..<20_000 {
      let now = ContinuousClock.now
      try expect(now >= last, "the clock goes on")
      last = now
    }
    try expect(await signals.next() == .usr1, "the storm is heard")
    await storm.end()
    withExtendedLifetime(signals) {}
  }

  /// Go starts and stops its tracer here; what changes under a storm here are subscriptions.
  static func subscriptions() async throws {
    let keeper = try Signals.notify(.usr1)
    let storm = Storm(.usr1, threads: 1)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<4 {
        group.addTask {
          for _ in 0..<10 {
            let signals = try Signals.notify(.usr1, .winch)
            try expect(await signals.next() == .usr1, "the storm is heard")
          }
        }
      }
      try await group.waitForAll()
    }
    try expect(await keeper.next() == .usr1, "the first subscription lasts")
    await storm.end()
    withExtendedLifetime(keeper) {}
  }
}
