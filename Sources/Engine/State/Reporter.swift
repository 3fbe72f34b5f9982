import Foundation

/// Keeps events and passes them on to those who watch, once they are kept.
public actor Reporter {
  private let store: StateStore
  private let secrets: Secrets
  private var watchers: [Int: AsyncStream<Report>.Continuation] = [:]
  private var lastWatcher = 0

  /// What a watcher gets: an event, or what a stop waits for now (once a second, not kept).
  public enum Report: Sendable {
    /// Something happened.
    case event(EngineEvent)
    /// A line about a wait under way.
    case progress(app: String, String)
  }

  /// A reporter that keeps events in `store`.
  init(store: StateStore, secrets: Secrets) {
    self.store = store
    self.secrets = secrets
  }

  func start() async { await store.onEvents { [weak self] events, error in await self?.publish(events, error) } }

  /// Everything from now on.
  public func watch() -> (id: Int, reports: AsyncStream<Report>) {
    lastWatcher += 1
    let (stream, continuation) = AsyncStream.makeStream(of: Report.self, bufferingPolicy: .bufferingNewest(10_000))
    watchers[lastWatcher] = continuation
    return (lastWatcher, stream)
  }

  /// Ends a watcher's stream, after what it has not read yet.
  public func unwatch(_ id: Int) async {
    await store.flush()
    watchers.removeValue(forKey: id)?.finish()
  }

  /// Reports an event. It comes to those who watch in the order of the calls, and only once if it has a key.
  func report(_ event: EngineEvent) async { await store.post([.event(event)]) }

  private func publish(_ events: [EngineEvent], _ error: (any Error)?) {
    for event in events {
      for watcher in watchers.values { watcher.yield(.event(event)) }
    }
    if let error { progress(app: events.first?.app ?? "", "the state could not be written: \(error); free some space") }
  }

  func progress(app: String, _ line: String) {
    let line = secrets.redacted(line, of: app)
    for watcher in watchers.values { watcher.yield(.progress(app: app, line)) }
  }
}
