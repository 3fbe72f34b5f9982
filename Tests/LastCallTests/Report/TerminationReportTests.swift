import Foundation
import LastCallTestKit
import Testing

@testable import LastCall

@Suite(.timeLimit(.minutes(10))) struct TerminationReportTests {
  @Test func itIsOneLineAndJSON() async throws {
    let stop = StopFixture()
    stop.termination.onStop(.flush, "metrics") { context in
      context.report("flushed", "1,204 records")
      stop.clock.advance(by: .milliseconds(1_250))
      throw Broken()
    }
    stop.hook(.close, "database")
    let report = await stop.stop().value
    #expect(
      report.description
        == "stopped (signal TERM) after 1.3 s of 20.0 s, not everything was flushed and closed; flush 1.3 s; metrics failed: broken; exit code 74"
    )
    #expect(stop.log.lines.contains("warning: \(report.description)"))
    #expect(stop.log.lines.contains("info: stop report: \(report.json)"))
    #expect(!report.json.contains("\n"))
    let decoded = try JSONDecoder().decode(TerminationReport.self, from: Data(report.json.utf8))
    #expect(decoded == report)
    #expect(report.entries == [.init(hook: "metrics", key: "flushed", value: "1,204 records")])
  }

  @Test func exitCodesFollowTheTable() {
    var codes = ExitCodes()
    #expect(codes.code(for: .clean, reason: .signal(.term)) == 0)
    #expect(codes.code(for: .forced, reason: .signal(.term)) == 75)
    #expect(codes.code(for: .flushFailed, reason: .signal(.term)) == 74)
    #expect(codes.code(for: .serviceFailed, reason: .serviceFailed("a", error: "b")) == 70)
    codes.afterSignal = .signal
    #expect(codes.code(for: .clean, reason: .signal(.term)) == 143)
    #expect(codes.code(for: .clean, reason: .signal(.int)) == 130)
    #expect(codes.code(for: .clean, reason: .requested("deploy")) == 0)
  }

  @Test(arguments: [
    (["LASTCALL_GRACE": "7"], 6_500), (["LASTCALL_GRACE": "500ms"], 250), (["LASTCALL_GRACE": "0"], 0),
    (["TERMINATION_GRACE_PERIOD_SECONDS": "60"], 58_000), (["TERMINATION_GRACE_PERIOD_SECONDS": "10"], 9_000),
    (["LASTCALL_GRACE": "9", "TERMINATION_GRACE_PERIOD_SECONDS": "60"], 8_500), (["LASTCALL_GRACE": "soon"], 28_000), ([:], 28_000),
  ])
  func theGraceIsTheEnvironments(_ environment: [String: String], milliseconds: Int) {
    #expect(TerminationConfiguration.graceFromEnvironment { environment[$0] } == .milliseconds(milliseconds))
  }
}
