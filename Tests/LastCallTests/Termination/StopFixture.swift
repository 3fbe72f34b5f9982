import LastCall
import LastCallTestKit
import NIOConcurrencyHelpers
import ServiceLifecycle

/// A termination whose time and signals a test has in its hand.
struct StopFixture: Sendable {
  let clock = TestClock()
  let signals = TestSignals()
  let log = CapturedLog()
  let events = RecordedEvents()
  let termination: Termination

  init(_ configure: (inout TerminationConfiguration) -> Void = { _ in }) {
    var configuration = TerminationConfiguration()
    configuration.grace = .seconds(20)
    configuration.followsPipeRules = false
    configuration.budgets.propagation = .zero
    configure(&configuration)
    termination = Termination(configuration: configuration, logger: log.logger, clock: clock, signals: signals)
  }

  /// A hook that records that it was told, and ends at once.
  func hook(_ phase: TerminationPhase, _ name: String, dependsOn: [String] = []) {
    termination.onStop(phase, name, dependsOn: dependsOn) { [events] _ in events.record(name) }
  }

  /// A hook that records that it was told and whether it was cancelled, and ends only then.
  func stuckHook(_ phase: TerminationPhase, _ name: String, budget: Duration? = nil) {
    termination.onStop(phase, name, budget: budget) { [events] _ in
      events.record(name)
      await untilCancelled()
      events.record("\(name) cancelled")
    }
  }

  /// Runs the termination, and sends it TERM.
  func stop(by signal: Signal = .term) -> Task<TerminationReport, Never> {
    let running = Task { await termination.run() }
    signals.send(signal)
    return running
  }
}

/// Waits until the task is cancelled.
func untilCancelled() async {
  let (never, continuation) = AsyncStream<Void>.makeStream()
  for await _ in never {}
  withExtendedLifetime(continuation) {}
}

/// A service that records what happens to it.
struct RecordedService: Service {
  let name: String
  let events: RecordedEvents
  /// What it does once it is told.
  var whenTold: @Sendable () async throws -> Void = {}

  func run() async throws {
    events.record("\(name) runs")
    try? await gracefulShutdown()
    events.record(Task.isCancelled ? "\(name) cancelled" : "\(name) told")
    try await whenTold()
    events.record("\(name) ended")
  }
}

struct Broken: Error, CustomStringConvertible {
  var description: String { "broken" }
}
