import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// Apps of `kind: job`: run to their end, tried again, scheduled, drained, and over an engine's death.
@Suite(.serialized) struct EngineJobTests {
  private func exists(_ workspace: Workspace, _ name: String) -> Bool {
    FileManager.default.fileExists(atPath: workspace.directory + "/" + name)
  }

  /// How often a program has written its line.
  private func count(_ workspace: Workspace, _ name: String) -> Int {
    ((try? String(contentsOfFile: workspace.directory + "/" + name, encoding: .utf8)) ?? "").split(separator: "\n").count
  }

  private func lastcall(_ workspace: Workspace, _ arguments: String..., code: UInt8 = 0) async throws -> String {
    let run = try workspace.start(Product.path("lastcall"), arguments)
    #expect(await run.ended() == .code(code), "\(arguments): \(run.output)")
    return run.output
  }

  private func job(_ script: String, _ more: String = "") -> String {
    "apps:\n  once:\n    kind: job\n    command: [sh, -c, '\(script)']\n    restart: { backoff: 10ms..100ms }\n\(more)"
  }

  @Test func whatComesAfterAJobWaitsUntilItHasDoneItsWork() async throws {
    let workspace = try Product.workspace()
    try workspace.write(
      "lastcall.yaml",
      """
      apps:
        web:
          command: [sh, -c, 'test -e migrated && sleep 1000']
          after: migrate
          update: { settle: 0s }
        migrate:
          kind: job
          command: [sh, -c, 'echo run >> runs; sleep 0.3; touch migrated']
      """)
    _ = try await lastcall(workspace, "up", "-d")
    let rows = try await workspace.rows()
    #expect(rows.map(\.state) == ["Ready", "Succeeded"])
    // The same revision is not run again by a deploy that changes nothing of it, nor by a restart of the others.
    _ = try await lastcall(workspace, "deploy")
    _ = try await lastcall(workspace, "restart", "web")
    #expect(count(workspace, "runs") == 1)
    #expect(try await lastcall(workspace, "restart", "migrate").contains("migrate has done its work"))
    #expect(count(workspace, "runs") == 2)
    _ = try await lastcall(workspace, "down")
    let events = try await lastcall(workspace, "events")
    let done = try #require(events.range(of: "migrate has done its work"), "\(events)")
    let began = try #require(events.range(of: "web-1 started"), "\(events)")
    #expect(done.lowerBound < began.lowerBound)
    await workspace.remove()
  }

  @Test func aJobThatFailsIsTriedAgainUntilItHasDoneItsWork() async throws {
    let workspace = try Product.workspace()
    try workspace.write("lastcall.yaml", job("echo run >> runs; [ $$(wc -l < runs) -ge 3 ]"))
    let up = try workspace.lastcall("up")
    try await up.says("once-1 failed; it is tried again in")
    try await up.says("revision 1 is run, attempt 3")
    try await up.says("once has done its work")
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    #expect(count(workspace, "runs") == 3)
    await workspace.remove()
  }

  @Test func aJobThatFailsForGoodHoldsBackWhatComesAfterUntilItIsMended() async throws {
    let workspace = try Product.workspace()
    func file(_ script: String) -> String {
      """
      apps:
        migrate: { kind: job, command: [sh, -c, '\(script)'], restart: { policy: never } }
        web: { command: [sleep, '1000'], after: migrate, update: { settle: 0s } }
      """
    }
    try workspace.write("lastcall.yaml", file("exit 3"))
    let up = try workspace.lastcall("up")
    try await up.says("migrate-1 failed and is not tried again")
    try await up.says("web waits for migrate, which is not up")
    #expect(try await workspace.rows().map(\.state) == ["Failed", "Pending"])
    try workspace.write("lastcall.yaml", file("exit 0"))
    _ = try await lastcall(workspace, "deploy")
    try await up.says("web-1 is ready")
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  @Test func aRunIsLetGoToItsEndWhenTheEngineStops() async throws {
    let workspace = try Product.workspace()
    try workspace.write("lastcall.yaml", job("touch began; trap \"\" TERM; while ! [ -e go ]; do sleep 0.02; done; touch done"))
    let up = try workspace.lastcall("up")
    #expect(try await eventually { exists(workspace, "began") })
    up.send(.term)
    try await up.says("may end by itself before it is stopped")
    #expect(try await workspace.rows().map(\.state) == ["Draining"])
    try workspace.write("go", "")
    #expect(await up.ended() == .code(0), "\(up.output)")
    #expect(exists(workspace, "done"))
    #expect(up.output.contains("once has done its work"))
    #expect(!up.output.contains("Killing"), "\(up.output)")
    await workspace.remove()
  }

  @Test func aRunThatDoesNotEndInItsGraceIsStoppedByPlan() async throws {
    let workspace = try Product.workspace()
    let plan = "    stop: { plan: TERM/1/KILL, grace: 2s }\n"
    try workspace.write("lastcall.yaml", job("trap \"touch told; exit 1\" TERM; touch began; while :; do sleep 0.02; done", plan))
    let up = try workspace.lastcall("up")
    #expect(try await eventually { exists(workspace, "began") })
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    #expect(exists(workspace, "told"))
    #expect(up.output.contains("was stopped before it had done its work"), "\(up.output)")
    await workspace.remove()
  }

  @Test func aSecondCtrlCDoesNotWaitForARun() async throws {
    let workspace = try Product.workspace()
    try workspace.write("lastcall.yaml", job("touch began; sleep 1000", "    stop: { plan: TERM/500/KILL, grace: 1000s }\n"))
    let up = try workspace.typing(
      [("once-1 started", "\\x03"), ("may end by itself", "\\x03"), ("STATUS", "")], lastcall: "up")
    try await up.says("once-1 was ended by TERM")
    try await up.says("everything has stopped")
    _ = await up.ended()
    await workspace.remove()
  }

  @Test func aRunGoesOnOverTheEnginesDeathAndIsNotRunTwice() async throws {
    let workspace = try Product.workspace()
    try workspace.write("lastcall.yaml", job("echo run >> runs; while ! [ -e go ]; do sleep 0.02; done"))
    let up = try workspace.lastcall("up")
    #expect(try await eventually { count(workspace, "runs") == 1 })
    up.send(.kill)
    _ = await up.ended()
    var again = try workspace.lastcall("up")
    try await again.says("Recovered")
    #expect(try await workspace.rows().map(\.state) == ["Running"])
    again.send(.kill)
    _ = await again.ended()
    // It ends while no engine is there to see it.
    try workspace.write("go", "")
    let directory = workspace.directory
    #expect(
      try await eventually {
        try FileManager.default.subpathsOfDirectory(atPath: directory + "/run").contains { $0.hasSuffix("exit.json") }
      })
    again = try workspace.lastcall("up")
    try await again.says("once has done its work")
    #expect(try await workspace.rows().map(\.state) == ["Succeeded"])
    again.send(.int)
    #expect(await again.ended() == .code(0), "\(again.output)")
    #expect(count(workspace, "runs") == 1)
    await workspace.remove()
  }

  @Test func aJobIsStoppedAndStartedByHand() async throws {
    let workspace = try Product.workspace()
    try workspace.write("lastcall.yaml", job("echo run >> runs; [ $$(wc -l < runs) -ge 2 ] || sleep 1000"))
    let up = try workspace.lastcall("up")
    try await up.says("once-1 started")
    _ = try await lastcall(workspace, "stop", "once")
    #expect(try await workspace.rows().map(\.state) == ["Stopped"])
    #expect(try await lastcall(workspace, "scale", "once=2", code: 1).contains("once is a job, which has one replica"))
    #expect(try await lastcall(workspace, "start", "once").contains("once has done its work"))
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  @Test func aStopIsNoEndThatWhatComesAfterWaitsFor() async throws {
    let workspace = try Product.workspace()
    try workspace.write(
      "lastcall.yaml",
      """
      apps:
        migrate: { kind: job, command: [sh, -c, 'test -e go'], restart: { policy: never } }
        long: { kind: job, command: [sleep, '1000'] }
        web: { command: [sleep, '1000'], after: [migrate, long], update: { settle: 0s } }
      """)
    let up = try workspace.lastcall("up")
    try await up.says("web waits for migrate, which is not up")
    _ = try await lastcall(workspace, "stop", "long")
    try await up.says("long-1 was stopped before it had done its work")
    // A job that was mended lets go who waits, also when somebody runs it by hand.
    try workspace.write("go", "")
    _ = try await lastcall(workspace, "restart", "migrate")
    let rows = try await workspace.rows()
    #expect(rows.map(\.state) == ["Succeeded", "Stopped", "Pending"])
    #expect(!up.output.contains("web-1 started"), "\(up.output)")
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  @Test func aFailedJobThatIsRunByHandLetsGoWhatWaitsForIt() async throws {
    let workspace = try Product.workspace()
    try workspace.write(
      "lastcall.yaml",
      """
      apps:
        migrate: { kind: job, command: [sh, -c, 'test -e go'], restart: { policy: never } }
        web: { command: [sleep, '1000'], after: migrate, update: { settle: 0s } }
      """)
    let up = try workspace.lastcall("up")
    try await up.says("web waits for migrate, which is not up")
    try workspace.write("go", "")
    _ = try await lastcall(workspace, "restart", "migrate")
    try await up.says("web-1 is ready")
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  @Test func aRunThatIsCutOffIsNotDoneWhateverItsCode() async throws {
    let workspace = try Product.workspace()
    let script = "echo run >> runs; [ $$(wc -l < runs) -ge 2 ] && exit 0; trap \"exit 0\" TERM; touch began; while :; do sleep 0.02; done"
    try workspace.write("lastcall.yaml", job(script))
    let up = try workspace.lastcall("up")
    #expect(try await eventually { exists(workspace, "began") })
    _ = try await lastcall(workspace, "stop", "once")
    try await up.says("once-1 was stopped before it had done its work")
    #expect(!up.output.contains("once has done its work"), "\(up.output)")
    #expect(try await lastcall(workspace, "start", "once").contains("once has done its work"))
    #expect(count(workspace, "runs") == 2)
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  @Test func whatIsRemovedIsGoneBeforeAnotherOfItsNameBegins() async throws {
    let workspace = try Product.workspace()
    let script = "echo begin >> trace; while ! [ -e go ]; do sleep 0.02; done; echo end >> trace"
    try workspace.write("lastcall.yaml", job(script))
    let up = try workspace.lastcall("up")
    #expect(try await eventually { count(workspace, "trace") == 1 })
    let remove = try workspace.lastcall("rm", "-f", "once")
    try await up.says("may end by itself before it is stopped")
    let deploy = try workspace.lastcall("deploy")
    try workspace.write("go", "")
    _ = await remove.ended()
    #expect(await deploy.ended() == .code(0), "\(deploy.output)")
    let trace = try String(contentsOfFile: workspace.directory + "/trace", encoding: .utf8)
    #expect(trace == "begin\nend\nbegin\nend\n")
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  /// Waits for a real minute: crontab(5) knows nothing shorter.
  @Test func aScheduledJobRunsWhenItsMinuteComes() async throws {
    let workspace = try Product.workspace()
    try workspace.write("lastcall.yaml", job("echo run >> runs", "    schedule: '* * * * *'\n"))
    _ = try await lastcall(workspace, "up", "-d")
    let events = try workspace.lastcall("events", "-f")
    try await events.says("once has done its work")
    let runs = count(workspace, "runs")
    let rows = try await workspace.rows()
    #expect(rows.map(\.state) == ["Scheduled"])
    #expect(try await lastcall(workspace, "ps").contains("next at 20"))
    #expect(try await lastcall(workspace, "restart", "once").contains("once has done its work"))
    #expect(count(workspace, "runs") >= runs + 1)
    events.send(.int)
    _ = await events.ended()
    _ = try await lastcall(workspace, "down")
    await workspace.remove()
  }
}
