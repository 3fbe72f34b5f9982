import LastCallTestKit
import Testing

@testable import LastCall

@Suite(.timeLimit(.minutes(10))) struct TrackedWorkTests {
  /// The line of the documentation, word for word.
  @Test func theLogSaysOnceASecondWhatIsStillAwaited() async {
    let stop = StopFixture()
    let csv = stop.termination.beginWork("import-csv")
    stop.clock.advance(by: .milliseconds(7_900))
    let export = stop.termination.beginWork("GET /export", kind: .request)
    let other = stop.termination.beginWork("GET /", kind: .request)
    stop.clock.advance(by: .milliseconds(3_100))
    let running = stop.stop()
    await stop.log.wait(for: .drain)
    stop.clock.advance(by: .seconds(1))
    await stop.log.wait(forLineWith: "info: still waiting: 2 requests (GET /export, 4.1 s), import-csv (12.0 s); 19.0 s left")
    other.end()
    csv.note("row 5 of 8")
    stop.clock.advance(by: .seconds(1))
    await stop.log.wait(forLineWith: "info: still waiting: 1 request (GET /export, 5.1 s), import-csv (13.0 s, row 5 of 8); 18.0 s left")
    export.end()
    csv.end()
    let report = await running.value
    #expect(report.problem == nil)
    #expect(report.phase(.drain)?.took == 2)
    #expect(report.work == [.init(kind: "request", completed: 2, cut: 0), .init(kind: "task", completed: 1, cut: 0)])
  }

  @Test func workThatIsLeftIsNamedInTheReport() async {
    let stop = StopFixture { $0.grace = .seconds(4) }
    let line: UInt = #line + 1
    let stuck = stop.termination.beginWork("import-csv")
    stuck.note("row 5")
    let running = stop.stop()
    await stop.log.wait(for: .drain)
    stop.clock.advance(by: .seconds(4))
    let report = await running.value
    #expect(report.result == .forced)
    #expect(
      report.abandoned == [
        .init(name: "import-csv", kind: "task", age: 4, note: "row 5", location: "LastCallTests/TrackedWorkTests.swift:\(line)")
      ])
    #expect(report.work == [.init(kind: "task", completed: 0, cut: 1)])
    #expect(report.phase(.drain)?.wasCut == true)
    stuck.end()
  }

  /// The report is the stop's: a server that has run for a month would else hide in millions what the stop has cost.
  @Test(arguments: [false, true]) func whatEndedBeforeTheStopIsNotInItsReport(isLeft: Bool) async {
    let stop = StopFixture()
    await stop.termination.track("before") {}
    stop.termination.beginWork("GET /before", kind: .request).end(cut: true)
    let export = stop.termination.beginWork("GET /export", kind: .request)
    let other = stop.termination.beginWork("GET /", kind: .request)
    let running = stop.stop()
    await stop.log.wait(for: .drain)
    other.end()
    if isLeft { stop.clock.advance(by: .seconds(20)) } else { export.end() }
    let report = await running.value
    #expect(report.work == [.init(kind: "request", completed: isLeft ? 1 : 2, cut: isLeft ? 1 : 0)])
    #expect(report.exitCode == (isLeft ? 75 : 0))
    export.end()
  }

  /// The rule of ``ExitCodes``: a handler that fails, or a caller that cancels its call, is no sign of too little grace.
  @Test func workThatBreaksOffByItselfInTheDrainIsCountedAndChangesNoCode() async {
    let stop = StopFixture()
    let export = stop.termination.beginWork("GET /export", kind: .request)
    let other = stop.termination.beginWork("GET /", kind: .request)
    let running = stop.stop()
    await stop.log.wait(for: .drain)
    export.end(cut: true)
    other.end()
    let report = await running.value
    #expect(report.work == [.init(kind: "request", completed: 1, cut: 1)])
    #expect(report.abandoned.isEmpty)
    #expect(report.result == .clean && report.exitCode == 0)
  }

  /// What a service has under way ends as soon as the service is cancelled: the report still names it, and counts it once.
  @Test func workThatIsBrokenOffByTheCutOfItsServiceIsNamedAndCountedOnce() async {
    let stop = StopFixture()
    let stuck = stop.termination.beginWork("GET /export", kind: .request)
    let service = RecordedService(name: "http", events: stop.events) {
      await withTaskCancellationHandler {
        await untilCancelled()
      } onCancel: {
        stuck.end(cut: true)
      }
    }
    stop.termination.add(service, name: "http")
    let running = stop.stop()
    await stop.events.wait(for: "http told")
    stop.clock.advance(by: .seconds(20))
    let report = await running.value
    #expect(report.abandoned.map(\.name) == ["GET /export"])
    #expect(report.work == [.init(kind: "request", completed: 0, cut: 1)])
    #expect(report.hook("http")?.outcome == .overran)
  }

  @Test func workThatBeginsInTheDrainIsAwaitedToo() async {
    let stop = StopFixture()
    let first = stop.termination.beginWork("first")
    let running = stop.stop()
    await stop.log.wait(for: .drain)
    let second = stop.termination.beginWork("second")
    first.end()
    stop.clock.advance(by: .seconds(1))
    await stop.log.wait(forLineWith: "still waiting: second (1.0 s)")
    second.end()
    #expect(await running.value.problem == nil)
  }

  @Test func trackReturnsAndThrowsWhatItsBodyDoes() async throws {
    let termination = StopFixture().termination
    #expect(await termination.track("one") { 1 } == 1)
    let inside = await termination.track("two") { work in
      work.note("half")
      return (termination.workCount, work.name, termination.work.snapshot(limit: 5, of: termination.clock).map(\.note))
    }
    #expect(inside == (1, "two", ["half"]))
    await #expect(throws: Broken.self) { try await termination.track("three") { throw Broken() } }
    #expect(termination.workCount == 0)
    #expect(termination.work.ended() == [.task: .init(completed: 3, cut: 0)])
  }

  @Test func theNameIsTheTasksOrTheFunctions() async {
    let termination = StopFixture().termination
    let named = await Task(name: "nightly") { await termination.track { work in work.name } }.value
    #expect(named == "nightly")
    let unnamed = await Task { await termination.track { work in work.name } }.value
    #expect(unnamed == "theNameIsTheTasksOrTheFunctions()")
  }

  @Test func workThatIsCancelledIsCountedAsCut() async {
    let termination = StopFixture().termination
    let task = Task { await termination.track("import") { await untilCancelled() } }
    task.cancel()
    await task.value
    #expect(termination.work.ended() == [.task: .init(completed: 0, cut: 1)])
  }

  @Test func endingTwiceAndInAnyOrderKeepsTheListWhole() async {
    let termination = StopFixture().termination
    var all = (0..<100).map { termination.beginWork("\($0)") }
    all.shuffle()
    for (index, work) in all.enumerated() {
      work.end()
      work.end()
      work.note("late")
      #expect(termination.workCount == 99 - index)
      #expect(termination.work.snapshot(limit: 100, of: termination.clock).count == 99 - index)
    }
  }

  @Test func manyTasksTrackAtOnce() async {
    let termination = StopFixture().termination
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<8 {
        group.addTask {
          for _ in 0..<2_000 { await termination.track("work") { await Task.yield() } }
        }
      }
    }
    #expect(termination.workCount == 0)
    #expect(termination.work.ended()[.task]?.completed == 16_000)
  }

  @Test func aTaskBehindManyRequestsIsCounted() {
    let work = (0..<100).map { WorkRegistry.Snapshot(name: "GET /\($0)", kind: .request, began: .zero, note: nil, fileID: "", line: 0) }
    let line = ProgressText.line(hooks: [], work: work, counts: [(.request, 1_000), (.task, 1)], now: .seconds(1), left: .seconds(2))
    #expect(line == "still waiting: 1000 requests (GET /0, 1.0 s), 1 task; 2.0 s left")
  }

  @Test func aWaitOfTheTestKitEndsWithItsTask() async {
    let events = RecordedEvents()
    let waiting = Task { await events.wait(for: "never") }
    waiting.cancel()
    await waiting.value
    #expect(events.events.isEmpty)
  }

  @Test func manyNamesAreCounted() {
    let work = (0..<8).map { WorkRegistry.Snapshot(name: "job \($0)", kind: .task, began: .zero, note: nil, fileID: "", line: 0) }
    let hooks = (0..<7).map { (name: "hook \($0)", age: Duration.seconds(1)) }
    let line = ProgressText.line(hooks: hooks, work: work, counts: [(.task, 8)], now: .seconds(2), left: .milliseconds(-5))
    #expect(line.hasPrefix("still waiting: job 0 (2.0 s), "))
    #expect(line.contains("job 4 (2.0 s), 3 more tasks, hook 0 (1.0 s)"))
    #expect(line.hasSuffix("hook 4 (1.0 s), 2 more; 0.0 s left"))
  }
}
