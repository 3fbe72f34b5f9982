import LastCall
import Logging

/// A log that keeps its lines, for tests of what an operator reads.
public struct CapturedLog: Sendable {
  private let recorded: RecordedEvents

  /// An empty log.
  public init() { recorded = RecordedEvents() }

  /// A logger that writes to it, at debug level.
  public var logger: Logger {
    Logger(label: "test") { [recorded] _ in Handler(lines: recorded) }
  }

  /// The lines, each `level: message`.
  public var lines: [String] { recorded.events }

  /// Waits for a line that contains the text.
  public func wait(forLineWith text: String) async { await recorded.wait { $0.contains { $0.contains(text) } } }

  /// Waits until a stop that logs here has entered a phase: the phase's time has begun then.
  public func wait(for phase: TerminationPhase) async { await wait(forLineWith: "debug: stop: \(phase.name), ") }

  private struct Handler: LogHandler {
    let lines: RecordedEvents
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.debug

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) { lines.record("\(event.level): \(event.message)") }
  }
}
