import CLinux
import Foundation
import Linux
import StopPlan

/// The process's signals as an asynchronous sequence: one thread waits for them, and nothing wakes while none comes.
public final class SignalStream: Sendable {
  /// The signals in their order.
  public let arrivals: AsyncStream<Signals.Arrival>

  /// Starts reading. `signals` must have been made before any other thread was, so that all block what it reads.
  public init(_ signals: Signals) {
    let (stream, continuation) = AsyncStream.makeStream(of: Signals.Arrival.self)
    arrivals = stream
    let thread = Thread {
      var entry = pollfd(fd: signals.descriptor.number, events: Int16(POLLIN), revents: 0)
      while lc_poll(&entry, 1, -1) != -Int(EBADF) {
        while let arrival = signals.next() { continuation.yield(arrival) }
      }
    }
    thread.stackSize = 1 << 18
    thread.start()
  }
}
