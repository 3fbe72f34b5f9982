import LastCall
import NIOConcurrencyHelpers
import Tracing

/// Makes a stop a span: `stop`, with a child for each of its phases, named as the phase.
///
/// ```swift
/// termination.addObserver(StopSpans())
/// ```
///
/// | attribute of `stop` | value |
/// |---|---|
/// | `lastcall.reason` | why the program stops |
/// | `lastcall.grace` | the grace period, in seconds |
/// | `lastcall.result` | `clean`, `forced`, `serviceFailed` or `flushFailed` |
/// | `lastcall.exit_code` | what the program should exit with |
/// | `lastcall.abandoned` | how much tracked work was left, as far as the report names it: at most 100 |
/// | `lastcall.cut_phases` | the names of the phases in which somebody was cut; only if there are any |
///
/// A phase has `lastcall.limit`: how long it may take, in seconds. The status of `stop` is an error, with the report's line as its
/// message, unless the result is clean; that of a phase is one if the stop was ended at once in it.
public final class StopSpans: TerminationObserver {
  private struct State {
    var stop: (any Span)?
    var phase: (any Span)?
  }

  private let tracer: any Tracer
  private let state = NIOLockedValueBox(State())

  /// An observer for one termination.
  /// - Parameter tracer: makes the spans. By default the one that is bootstrapped when this is called.
  public init(tracer: any Tracer = InstrumentationSystem.tracer) { self.tracer = tracer }

  /// Begins the span.
  public func stopBegan(_ reason: StopReason, grace: Duration) {
    let stop = stopSpan()
    stop.updateAttributes { attributes in
      attributes["lastcall.reason"] = reason.description
      attributes["lastcall.grace"] = grace / .seconds(1)
    }
  }

  /// Begins a child.
  public func phaseBegan(_ phase: TerminationPhase, limit: Duration) {
    let parent = stopSpan()
    let span = begin(phase.name, parent: parent)
    span.attributes["lastcall.limit"] = limit / .seconds(1)
    state.withLockedValue { $0.phase = span }
  }

  /// Ends the child.
  public func phaseEnded(_ phase: TerminationPhase) { takePhase()?.end() }

  /// Ends the span.
  public func stopEnded(_ report: TerminationReport) {
    if let phase = takePhase() {
      phase.setStatus(SpanStatus(code: .error, message: "the stop was ended at once"))
      phase.end()
    }
    let stop = stopSpan()
    state.withLockedValue { $0.stop = nil }
    let cut = report.phases.filter(\.wasCut).map(\.name)
    stop.updateAttributes { attributes in
      attributes["lastcall.reason"] = report.reason
      attributes["lastcall.grace"] = report.grace
      attributes["lastcall.result"] = report.result.rawValue
      attributes["lastcall.exit_code"] = report.exitCode
      attributes["lastcall.abandoned"] = report.abandoned.count
      if !cut.isEmpty { attributes["lastcall.cut_phases"] = cut }
    }
    if report.result != .clean { stop.setStatus(SpanStatus(code: .error, message: report.description)) }
    stop.end()
  }

  /// The span of the stop. Who observes from the middle of a stop on was not told of its begin.
  private func stopSpan() -> any Span {
    if let stop = state.withLockedValue({ $0.stop }) { return stop }
    // All calls come from one task: nobody else begins one meanwhile, and the tracer is not called with the lock held.
    let stop = begin("stop", parent: nil)
    state.withLockedValue { $0.stop = stop }
    return stop
  }

  private func takePhase() -> (any Span)? {
    state.withLockedValue { state in
      defer { state.phase = nil }
      return state.phase
    }
  }

  private func begin(_ name: String, parent: (any Span)?) -> any Span {
    if let parent { return tracer.startSpan(name, context: parent.context) }
    return tracer.startSpan(name)
  }
}
