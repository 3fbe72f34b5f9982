/// How long the parts of a connection's end may take. Negative durations count as 0, those above a year as a year.
public struct DrainLimits: Sendable, Hashable {
  /// How long handshakes that were under way when accepting was stopped may take. An own TCP listener stays open for it, while the kernel drops
  /// newcomers' first segments, which are sent again after a second; Linux only, elsewhere it closes at once. 100 ms.
  public var handshake: Duration = .milliseconds(100)

  /// How long an idle connection may bring another request after the drain began or its last response ended; also how long requests
  /// that are pipelined behind one in flight are still taken. 1 s.
  public var linger: Duration = .seconds(1)

  /// How long a first request, or the rest of a begun head, may take after the drain began; a head that begins later has at least the
  /// linger. 5 s, as Go's net/http gives a
  /// connection in StateNew (`closeIdleConns`).
  public var request: Duration = .seconds(5)

  /// How long the client may take to end its side after the FIN. 2 s.
  public var readOff: Duration = .seconds(2)

  /// How long an idle connection is looked at once more before its end: what the kernel has received already is then read. 5 ms.
  public var lastLook: Duration = .milliseconds(5)

  /// How long a WebSocket client may bring one more message before it is told of the stop; the answer to that message and the Close frame are
  /// then sent together, so that no message crosses the Close. At most a quarter of ``upgraded``. 100 ms.
  public var lastMessage: Duration = .milliseconds(100)

  /// How long an upgraded connection may take to end after it was told. 5 s.
  public var upgraded: Duration = .seconds(5)

  /// How long an HTTP/2 client may take to acknowledge the PING behind the first GOAWAY. 1 s, as `linger`: it serves the same end.
  public var pingAck: Duration = .seconds(1)

  /// The standard bounds.
  public init() {}
}

extension Duration {
  /// Nanoseconds, within 0 and a year.
  var boundedNanoseconds: UInt64 {
    let parts = components
    guard parts.seconds >= 0, parts.attoseconds >= 0 else { return 0 }
    guard parts.seconds < 31_536_000 else { return 31_536_000_000_000_000 }
    return UInt64(parts.seconds) * 1_000_000_000 + UInt64(parts.attoseconds) / 1_000_000_000
  }
}
