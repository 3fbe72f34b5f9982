import LastCall
import LastCallTestKit
import Testing

struct ShutdownTests {
  @Test func aSlowFlushIsCutAndTheDatabaseClosedAllTheSame() async {
    let (clock, signals, log) = (TestClock(), TestSignals(), CapturedLog())
    var configuration = TerminationConfiguration()
    configuration.grace = .seconds(20)
    let termination = Termination(configuration: configuration, logger: log.logger, clock: clock, signals: signals)
    termination.onStop(.flush, "events", budget: .seconds(3)) { _ in try await clock.sleep(for: .seconds(60)) }
    termination.onStop(.close, "database") { _ in }

    async let report = termination.run()
    signals.send(.terminate)
    await log.wait(for: .flush)
    clock.advance(by: .seconds(3))

    #expect(await report.hook("events")?.outcome == .overran)
    #expect(await report.hook("database")?.outcome == .succeeded)
    #expect(await report.exitCode == 74)
  }
}
