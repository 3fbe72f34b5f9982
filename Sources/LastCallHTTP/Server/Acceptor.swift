import Foundation

/// Accepts connections on a thread of its own and gives them out as descriptors.
///
/// SwiftNIO's own listener asserts that a readable listener has a connection to give (`BaseSocketChannel.readable0`). That does not
/// hold when others share the listener and were faster: debug builds would trap.
final class Acceptor: Sendable {
  /// The accepted connections, non-blocking; it ends when the listener is closed. Whoever takes one has to close it.
  let accepted: AsyncStream<Int32>
  private let stopWriter: Int32

  /// Begins to accept. The descriptor of the listener is the acceptor's from now on.
  init(_ listener: Listener) throws(Listener.Failure) {
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
      listener.release()
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
  /// resets what waits, so one's own queue is emptied first.
  func stop() {
    var byte: UInt8 = 0
    write(stopWriter, &byte, 1)
  }

  private static func accept(_ listener: Listener, until stop: Int32, _ accepted: AsyncStream<Int32>.Continuation) {
    var entries = [
      pollfd(fd: stop, events: Int16(POLLIN), revents: 0), pollfd(fd: listener.descriptor, events: Int16(POLLIN), revents: 0),
    ]
    // No queue is longer than this, so whoever waited at the stop is accepted, and a flood of others does not hold the stop up.
    var leftAfterStop = SOMAXCONN
    while leftAfterStop > 0 {
      guard poll(&entries, nfds_t(entries.count), -1) > 0 else { continue }
      let isStopped = entries[0].revents != 0
      if isStopped {
        if listener.isShared { return }
        leftAfterStop -= 1
      }
      switch acceptOne(listener.descriptor) {
      case .connection(let descriptor): accepted.yield(descriptor)
      case .aborted: break
      case .none: if isStopped { return }
      case .unable:
        if isStopped { return }
        _ = poll(&entries, 1, 100)
      }
    }
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
