/// Learns of every request, for as long as it is in flight.
public protocol RequestObserver: Sendable {
  /// A request has begun. Called on the connection's event loop, so it must not block.
  ///
  /// - Parameter name: Method and path without the query, such as `GET /export`.
  func requestBegan(_ name: String) -> any RequestHandle
}

/// One request in flight.
public protocol RequestHandle: Sendable {
  /// The request is over. Called once, on the connection's event loop.
  ///
  /// - Parameter cut: True when this side ended the connection or the stream before the whole response was handed to the kernel, also by a
  ///   handler that failed. A client that went away by itself, or sent what cannot be read, is not cut.
  func end(cut: Bool)
}

/// How a request ended.
enum RequestOutcome: Sendable, Equatable {
  /// The kernel has taken the whole response, or another protocol took over.
  case completed
  /// This side ended it.
  case cut
  /// The client ended it, or broke the protocol.
  case abandoned
}

/// The requests in flight of one connection or stream, oldest first.
struct RequestTally {
  private(set) var open = 0
  /// Most connections have one request at a time, which then costs no array.
  private var oldest: (any RequestHandle)?
  private var others: [any RequestHandle] = []

  mutating func began(_ handle: (any RequestHandle)?) {
    open += 1
    // Either all have one or none.
    guard let handle else { return }
    if oldest == nil { oldest = handle } else { others.append(handle) }
  }

  /// The oldest has ended; false when there was none.
  mutating func ended(_ outcome: RequestOutcome) -> Bool {
    guard open > 0 else { return false }
    open -= 1
    guard let ended = oldest.take() else { return true }
    if !others.isEmpty { oldest = others.removeFirst() }
    ended.end(cut: outcome == .cut)
    return true
  }
}
