import Foundation

#if canImport(CListener)
  import CListener
#endif

/// Accepts connections on a thread of its own and gives them out as descriptors.
///
/// SwiftNIO's own listener asserts that a readable listener has a connection to give (`BaseSocketChannel.readable0`). That does not
/// hold when others share the listener and were faster: debug builds would trap.
final class Acceptor: Sendable {
  /// The accepted connections, non-blocking; it ends when the listener is closed. Whoever takes one has to close it.
  let accepted: AsyncStream<Int32>
  private let stopWriter: Int32

  /// Begins to accept. The descriptor of the listener is the acceptor's from now on.
  ///
  /// - Parameter handshake: see ``DrainLimits/handshake``.
  init(_ listener: Listener, handshake: Duration) throws(Listener.Failure) {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw .system("pipe", errno) }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    let reader = ends[0]
    // All sharers of a listener have this flag in common; without it one that was too slow would wait in accept(2) for ever.
    let flags = fcntl(listener.descriptor, F_GETFL)
    guard flags >= 0, fcntl(listener.descriptor, F_SETFL, flags | O_NONBLOCK) == 0 else {
      let code = errno
      for end in ends { close(end) }
      throw .system("fcntl(O_NONBLOCK)", code)
    }
    let (stream, continuation) = AsyncStream<Int32>.makeStream()
    stopWriter = ends[1]
    accepted = stream
    let thread = Thread {
      Self.accept(listener, until: reader, continuation)
      if !listener.isShared { Self.acceptTheLast(listener, continuation, within: handshake) }
      // Its file has gone before; there may be a successor's by now.
      close(listener.descriptor)
      continuation.finish()
      close(reader)
    }
    thread.name = "acceptor"
    thread.start()
  }

  deinit { close(stopWriter) }

  /// Stops accepting and closes the listener; ``accepted`` then ends.
  ///
  /// An inherited listener is only let go of: what waits in its queue is for the others who share it. The last close of a listener
  /// resets what waits, so one's own takes no newcomers any more, and its queue is emptied first, also of who is in the middle of a handshake.
  func stop() {
    var byte: UInt8 = 0
    write(stopWriter, &byte, 1)
  }

  private static func accept(_ listener: Listener, until stop: Int32, _ accepted: AsyncStream<Int32>.Continuation) {
    var entries = [
      pollfd(fd: stop, events: Int16(POLLIN), revents: 0), pollfd(fd: listener.descriptor, events: Int16(POLLIN), revents: 0),
    ]
    while true {
      guard poll(&entries, nfds_t(entries.count), -1) > 0 else { continue }
      if entries[0].revents != 0 { return }
      switch acceptOne(listener.descriptor) {
      case .connection(let descriptor): accepted.yield(descriptor)
      case .aborted, .none: break
      case .unable: _ = poll(&entries, 1, 100)
      }
    }
  }

  private static func acceptTheLast(_ listener: Listener, _ accepted: AsyncStream<Int32>.Continuation, within limit: Duration) {
    // Whoever finds no file has lost nothing; whoever was connected between the last look and the close would be reset.
    listener.removeFile()
    let end = DispatchTime.now().uptimeNanoseconds + (refuseNewcomers(listener) ? limit.boundedNanoseconds : 0)
    // No queue is longer than this: where newcomers cannot be refused, a flood of them does not hold the stop up.
    var left = SOMAXCONN
    while left > 0 {
      switch acceptOne(listener.descriptor) {
      case .connection(let descriptor):
        accepted.yield(descriptor)
        left -= 1
      case .aborted: left -= 1
      case .unable:
        guard DispatchTime.now().uptimeNanoseconds < end else { return }
        _ = poll(nil, 0, 10)
      case .none:
        let now = DispatchTime.now().uptimeNanoseconds
        guard now < end else { return }
        var entry = pollfd(fd: listener.descriptor, events: Int16(POLLIN), revents: 0)
        poll(&entry, 1, Int32(clamping: (end - now) / 1_000_000 + 1))
      }
    }
  }

  /// Whether whoever comes from now on is kept out: the kernel drops a newcomer's first segment; it sends it again after a second and then finds
  /// the port closed, or the successor. Let in between the last look at the queue and the close it would be reset with its request.
  private static func refuseNewcomers(_ listener: Listener) -> Bool {
    #if canImport(CListener)
      return listener.port != nil && lc_take_no_more(listener.descriptor) == 0
    #else
      return false
    #endif
  }

  private enum Outcome {
    case connection(Int32)
    /// That client has given up.
    case aborted
    /// Nobody waits any more.
    case none
    /// No descriptor is free, or a sharer has called shutdown(2) on the listener. Both can pass.
    case unable
  }

  private static func acceptOne(_ listener: Int32) -> Outcome {
    let descriptor = systemAccept(listener)
    guard descriptor < 0 else {
      guard fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0, fcntl(descriptor, F_SETFL, O_NONBLOCK) == 0 else {
        close(descriptor)
        return .aborted
      }
      return .connection(descriptor)
    }
    switch errno {
    case EAGAIN: return .none
    case EINTR, ECONNABORTED: return .aborted
    default: return .unable
    }
  }
}

private func systemAccept(_ listener: Int32) -> Int32 { accept(listener, nil, nil) }
