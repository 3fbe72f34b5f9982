import Foundation
import StopPlan

/// What all parts of one engine share.
struct EngineContext: Sendable {
  let paths: EnginePaths
  let children: Children
  let reporter: Reporter
  /// The keeper's binary.
  let keeperBinary: String
  /// Our own binary, for the proxy.
  let ownBinary: String
  /// The environment for programs, ours taken out of it.
  let environment: [String: String]

  init(paths: EnginePaths, children: Children, reporter: Reporter, keeperBinary: String, ownBinary: String, environment: [String: String]) {
    self.paths = paths
    self.children = children
    self.reporter = reporter
    self.keeperBinary = keeperBinary
    self.ownBinary = ownBinary
    self.environment = environment.filter { name, _ in
      !name.hasPrefix("LASTCALL_") && !name.hasPrefix("LISTEN_") && name != "NOTIFY_SOCKET"
    }
  }
}

/// Keeps events and passes them on to those who watch.
public actor Reporter {
  private let log: EventLog
  private var watchers: [Int: AsyncStream<Report>.Continuation] = [:]
  private var lastWatcher = 0

  /// What a watcher gets: an event, or what a stop waits for now (once a second, not kept).
  public enum Report: Sendable {
    /// Something happened.
    case event(EngineEvent)
    /// A line about a wait under way.
    case progress(app: String, String)
  }

  /// A reporter that keeps events in `log`.
  public init(log: EventLog) { self.log = log }

  /// Everything from now on.
  public func watch() -> (id: Int, reports: AsyncStream<Report>) {
    lastWatcher += 1
    let (stream, continuation) = AsyncStream.makeStream(of: Report.self, bufferingPolicy: .bufferingNewest(10_000))
    watchers[lastWatcher] = continuation
    return (lastWatcher, stream)
  }

  /// Ends a watcher's stream, after what it has not read yet.
  public func unwatch(_ id: Int) { watchers.removeValue(forKey: id)?.finish() }

  func report(_ event: EngineEvent) {
    do { try log.append(event) } catch {
      for watcher in watchers.values { watcher.yield(.progress(app: event.app, "an event could not be kept: \(error)")) }
    }
    for watcher in watchers.values { watcher.yield(.event(event)) }
  }

  func progress(app: String, _ line: String) {
    for watcher in watchers.values { watcher.yield(.progress(app: app, line)) }
  }
}
