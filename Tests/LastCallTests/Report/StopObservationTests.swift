import LastCall
import LastCallTestKit
import Metrics
import MetricsTestKit
import Testing

/// One suite, since swift-metrics has one factory for the process.
@Suite(.timeLimit(.minutes(10)), .serialized) struct StopObservationTests {
  private static let metrics: TestMetrics = {
    let metrics = TestMetrics()
    MetricsSystem.bootstrap(metrics)
    return metrics
  }()

  @Test func phasesHooksAndWorkAreHandedToMetrics() async throws {
    let metrics = Self.metrics
    let stop = StopFixture()
    stop.termination.onStop(.notice, "observed work") { _ in
      await stop.termination.track("observed", kind: .init("observation", plural: "observations")) {}
    }
    stop.termination.onStop(.flush, "observed buffer") { _ in stop.clock.advance(by: .milliseconds(1_500)) }
    // Whoever exports last finds the phases before in the metrics already.
    stop.termination.onStop(.exit, "exporter") { _ in
      let flush = try metrics.expectTimer("lastcall_stop_phase_duration", [("phase", "flush")])
      // The process has one factory, so other tests' phases are in it, too.
      if flush.values.contains(1_500_000_000) { stop.events.record("flush was handed over") }
    }
    let report = await stop.stop().value
    #expect(report.problem == nil)
    #expect(stop.events.events == ["flush was handed over"])
    let hook = try metrics.expectTimer(
      "lastcall_stop_hook_duration", [("hook", "observed buffer"), ("phase", "flush"), ("outcome", "succeeded")])
    #expect(hook.values == [1_500_000_000])
    let work = try metrics.expectCounter("lastcall_stop_work", [("kind", "observation"), ("outcome", "completed")])
    #expect(work.totalValue == 1)
  }

  @Test func observersAreToldInOrder() async {
    let stop = StopFixture()
    stop.hook(.drain, "jobs")
    stop.termination.addObserver(Recorder(events: stop.events))
    _ = await stop.stop().value
    let phases = TerminationPhase.allCases.flatMap { $0 == .drain ? ["\($0)", "jobs", "\($0) over"] : ["\($0)", "\($0) over"] }
    #expect(stop.events.events == ["began signal TERM 20.0 seconds"] + phases + ["stopped clean"])
  }
}

private struct Recorder: TerminationObserver {
  let events: RecordedEvents
  func stopBegan(_ reason: StopReason, grace: Duration) { events.record("began \(reason) \(grace)") }
  func phaseBegan(_ phase: TerminationPhase, limit: Duration) { events.record("\(phase)") }
  func phaseEnded(_ phase: TerminationPhase) { events.record("\(phase) over") }
  func stopEnded(_ report: TerminationReport) { events.record("stopped \(report.result)") }
}
