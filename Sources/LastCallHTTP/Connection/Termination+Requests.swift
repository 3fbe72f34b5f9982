import LastCall

/// Requests are tracked work: the drain waits for them, the log names the oldest, the report counts them.
///
/// ```swift
/// let connections = Connections(observer: termination)
/// ```
extension Termination: RequestObserver {
  /// A request has begun.
  public func requestBegan(_ name: String) -> any RequestHandle { beginWork(name, kind: .request) }
}

extension TrackedWork: RequestHandle {}
