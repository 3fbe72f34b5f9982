import InMemoryTracing
import LastCall
import LastCallTestKit
import LastCallTracing
import Testing
import Tracing

@Suite(.timeLimit(.minutes(10))) struct StopSpansTests {
  let clock = TestClock()
  let signals = TestSignals()
  let log = CapturedLog()
  let tracer = InMemoryTracer()
  let termination: Termination

  init() {
    var configuration = TerminationConfiguration()
    configuration.grace = .seconds(20)
    configuration.followsPipeRules = false
    configuration.budgets.propagation = .zero
    termination = Termination(configuration: configuration, logger: log.logger, clock: clock, signals: signals)
    termination.addObserver(StopSpans(tracer: tracer))
  }

  private var stop: FinishedInMemorySpan? { tracer.finishedSpans.first { $0.operationName == "stop" } }

  private var phases: [FinishedInMemorySpan] { tracer.finishedSpans.filter { $0.operationName != "stop" } }

  @Test func aCleanStopIsASpanWithAChildPerPhase() async throws {
    signals.send(.term)
    let report = await termination.run()
    #expect(report.problem == nil)
    let stop = try #require(stop)
    #expect(stop.parentSpanID == nil)
    #expect(stop.status == nil)
    #expect(
      stop.attributes == [
        "lastcall.reason": "signal TERM", "lastcall.grace": 20.0, "lastcall.result": "clean", "lastcall.exit_code": .int32(0),
        "lastcall.abandoned": 0,
      ])
    #expect(phases.map(\.operationName) == TerminationPhase.allCases.map(\.name))
    #expect(phases.allSatisfy { $0.parentSpanID == stop.spanID && $0.traceID == stop.traceID && $0.status == nil })
    #expect(phases.map { $0.attributes.get("lastcall.limit") }[TerminationPhase.drain.rawValue] == .double(20))
    #expect(tracer.finishedSpans.last?.operationName == "stop")
    #expect(tracer.activeSpans.isEmpty)
  }

  @Test func whatIsCutIsAnError() async throws {
    let imports = termination.beginWork("import-csv")
    defer { imports.end() }
    signals.send(.term)
    async let running = termination.run()
    await log.wait(for: .drain)
    clock.advance(by: .seconds(20))
    let report = await running
    let stop = try #require(stop)
    #expect(stop.status == SpanStatus(code: .error, message: report.description))
    #expect(stop.attributes.get("lastcall.result") == .string("forced"))
    #expect(stop.attributes.get("lastcall.exit_code") == .int32(75))
    #expect(stop.attributes.get("lastcall.abandoned") == .int64(1))
    #expect(stop.attributes.get("lastcall.cut_phases") == .stringArray(["drain"]))
  }

  @Test func aStopThatIsEndedAtOnceLeavesNoSpanOpen() async throws {
    let imports = termination.beginWork("import-csv")
    defer { imports.end() }
    signals.send(.term)
    async let running = termination.run()
    await log.wait(for: .drain)
    termination.escalate()
    termination.escalate()
    _ = await running
    #expect(tracer.activeSpans.isEmpty)
    let last = try #require(phases.last)
    #expect(last.operationName == "drain")
    #expect(last.status == SpanStatus(code: .error, message: "the stop was ended at once"))
    #expect(stop?.status?.code == .error)
  }

  @Test func anObserverThatComesLateHasTheWholeSpanFromThenOn() async throws {
    let late = InMemoryTracer()
    termination.onStop(.flush, "late") { [termination] _ in termination.addObserver(StopSpans(tracer: late)) }
    signals.send(.term)
    _ = await termination.run()
    let stop = try #require(late.finishedSpans.first { $0.operationName == "stop" })
    #expect(stop.attributes.get("lastcall.reason") == .string("signal TERM"))
    #expect(stop.attributes.get("lastcall.grace") == .double(20))
    let phases = late.finishedSpans.filter { $0.operationName != "stop" }
    #expect(phases.map(\.operationName) == ["close", "exit"])
    #expect(phases.allSatisfy { $0.parentSpanID == stop.spanID })
  }

  @Test func theSpanIsAChildOfTheOneItIsRunIn() async {
    signals.send(.term)
    let parent = await tracer.withSpan("program") { span in
      _ = await termination.run()
      return span.spanID
    }
    #expect(stop?.parentSpanID == parent)
  }
}
