import LastCall
import LastCallTestKit
import ServiceLifecycle
import Testing

@Suite(.timeLimit(.minutes(10))) struct TerminationTests {
  @Test func phasesAreInOrderAndDependentsBeforeWhatTheyNeed() async {
    let stop = StopFixture()
    stop.hook(.exit, "admin")
    stop.hook(.close, "database")
    stop.hook(.close, "repository", dependsOn: ["database"])
    stop.hook(.close, "cache", dependsOn: ["repository"])
    stop.hook(.flush, "buffer")
    stop.hook(.drain, "jobs")
    stop.hook(.stopAccepting, "listener")
    stop.hook(.notice, "readiness")
    let report = await stop.stop().value
    #expect(stop.events.events == ["readiness", "listener", "jobs", "buffer", "cache", "repository", "database", "admin"])
    #expect(report.problem == nil)
    #expect(report.exitCode == 0)
    #expect(report.reason == "signal TERM")
    #expect(report.phases.map(\.name) == TerminationPhase.allCases.map(\.name))
    #expect(stop.termination.isStopping)
  }

  @Test func servicesAreToldAtOnceAndRunUntilThen() async {
    let stop = StopFixture()
    for name in ["http", "grpc", "consumer"] {
      stop.termination.add(RecordedService(name: name, events: stop.events), name: name, awaitedIn: name == "consumer" ? .flush : .drain)
    }
    stop.termination.onStop(.notice, "readiness") { _ in
      for name in ["http", "grpc", "consumer"] { await stop.events.wait(for: "\(name) runs") }
      stop.events.record("readiness")
    }
    stop.hook(.flush, "buffer")
    let report = await stop.stop().value
    let events = stop.events.events
    #expect(Set(events.prefix(3)) == ["http runs", "grpc runs", "consumer runs"])
    #expect(events[3] == "readiness")
    #expect(report.hooks(thatEnded: .succeeded) == ["buffer", "consumer", "grpc", "http", "readiness"])
    #expect(events.firstIndex(of: "http ended") ?? .max < events.firstIndex(of: "buffer") ?? 0, "\(events)")
  }

  @Test func aSlowHookIsCutAtItsBudgetAndTheNextHasItsTime() async {
    let stop = StopFixture()
    stop.stuckHook(.flush, "slow", budget: .seconds(2))
    stop.hook(.flush, "quick")
    stop.hook(.close, "database")
    let running = stop.stop()
    await stop.events.wait(for: "slow")
    await stop.events.wait(for: "quick")
    stop.clock.advance(by: .seconds(1))
    #expect(!stop.events.events.contains("slow cancelled"))
    stop.clock.advance(by: .seconds(1))
    let report = await running.value
    await stop.events.wait(for: "slow cancelled")
    #expect(stop.events.events.contains("database"))
    #expect(report.hook("slow")?.outcome == .overran)
    #expect(report.hook("slow")?.budget == 2)
    #expect(report.hook("slow")?.took == 2)
    #expect(report.hooks(thatEnded: .succeeded) == ["database", "quick"])
    #expect(report.result == .flushFailed && report.exitCode == 74)
  }

  @Test func aHookThatFailsFailsAlone() async {
    let stop = StopFixture()
    stop.termination.onStop(.notice, "registry") { _ in throw Broken() }
    stop.hook(.close, "database")
    let report = await stop.stop().value
    #expect(report.hook("registry")?.outcome == .failed && report.hook("registry")?.error == "broken")
    #expect(report.hook("database")?.outcome == .succeeded)
    #expect(report.result == .forced && report.exitCode == 75)
  }

  @Test func repeatedTermChangesNothing() async {
    let stop = StopFixture()
    stop.stuckHook(.drain, "jobs")
    let running = stop.stop()
    await stop.events.wait(for: "jobs")
    for _ in 0..<5 { stop.signals.send(.term) }
    stop.signals.send(.int)
    stop.clock.advance(by: .seconds(19))
    #expect(!stop.events.events.contains("jobs cancelled"))
    stop.clock.advance(by: .seconds(1))
    let report = await running.value
    #expect(report.escalations == 0)
    #expect(report.took == 20)
    #expect(report.hook("jobs")?.outcome == .overran)
    #expect(report.exitCode == 75)
  }

  @Test func aSecondCtrlCShortensAndAThirdEndsAtOnce() async {
    let stop = StopFixture()
    stop.stuckHook(.drain, "jobs")
    stop.stuckHook(.flush, "buffer")
    stop.hook(.close, "database")
    let running = Task { await stop.termination.run() }
    stop.signals.send(.int, isFromTerminal: true)
    await stop.events.wait(for: "jobs")
    stop.signals.send(.int, isFromTerminal: true)
    await stop.log.wait(forLineWith: "has to end within 2.0 s")
    // Half of what is left is the drain's.
    stop.clock.advance(by: .seconds(1))
    await stop.events.wait(for: "buffer")
    stop.signals.send(.int, isFromTerminal: true)
    let report = await running.value
    #expect(report.escalations == 2)
    #expect(report.took == 1)
    #expect(report.hook("buffer")?.outcome == .overran)
    #expect(report.hook("database")?.outcome == .notTold)
    #expect(!stop.events.events.contains("database"))
    #expect(report.exitCode == 74)
  }

  @Test func anySignalEscalatesWhenSoConfigured() async {
    let stop = StopFixture { $0.escalation = .anySignal }
    stop.stuckHook(.drain, "jobs")
    let running = stop.stop()
    await stop.events.wait(for: "jobs")
    stop.signals.send(.term)
    await stop.log.wait(forLineWith: "has to end within 2.0 s")
    stop.clock.advance(by: .seconds(2))
    let report = await running.value
    #expect(report.escalations == 1 && report.took == 2)
  }

  /// A preStop hook sends the one, then the platform the other.
  @Test func oneSignalIsGracefulAndAnotherImmediate() async {
    let stop = StopFixture { $0.stopOn = [.hangup: .graceful, .terminate: .immediate] }
    stop.stuckHook(.drain, "jobs")
    stop.hook(.flush, "buffer")
    let running = stop.stop(by: .hangup)
    await stop.events.wait(for: "jobs")
    stop.clock.advance(by: .seconds(5))
    stop.signals.send(.terminate)
    await stop.log.wait(forLineWith: "has to end within 2.0 s")
    stop.clock.advance(by: .seconds(1))
    let report = await running.value
    #expect(report.took == 6)
    #expect(report.hook("buffer")?.outcome == .succeeded, "also an immediate stop flushes")

    let other = StopFixture { $0.stopOn = [.hangup: .graceful, .terminate: .immediate] }
    other.stuckHook(.drain, "jobs")
    let immediate = other.stop(by: .terminate)
    await other.events.wait(for: "jobs")
    other.clock.advance(by: .seconds(2))
    #expect(await immediate.value.took == 2)
  }

  @Test func theFailureOfAServiceStopsInTheSameOrder() async {
    let stop = StopFixture()
    stop.termination.add(RecordedService(name: "http", events: stop.events), name: "http")
    stop.termination.add(FailingService(after: stop.events), name: "consumer")
    stop.hook(.notice, "readiness")
    stop.hook(.close, "database")
    let report = await stop.termination.run()
    #expect(report.reason == "service consumer has failed: broken")
    #expect(report.result == .serviceFailed && report.exitCode == 70)
    #expect(stop.events.events == ["http runs", "readiness", "http told", "http ended", "database"])
  }

  @Test func theEndOfAServiceStopsTheProgramUnlessItIsIgnored() async {
    let stop = StopFixture()
    stop.termination.add(ClosureService {}, name: "migration", whenItEnds: .ignore)
    let job = ClosureService {
      await stop.events.wait(for: "http runs")
      await stop.log.wait(forLineWith: "service migration has ended")
    }
    stop.termination.add(job, name: "job")
    stop.termination.add(RecordedService(name: "http", events: stop.events), name: "http")
    let report = await stop.termination.run()
    #expect(report.reason == "service job has ended")
    #expect(report.hooks(thatEnded: .endedBefore) == ["job", "migration"])
    #expect(report.exitCode == 0)
  }

  @Test func cancellationStopsInTheSameOrder() async {
    let stop = StopFixture()
    stop.termination.add(RecordedService(name: "http", events: stop.events), name: "http")
    stop.hook(.notice, "readiness")
    stop.hook(.close, "database")
    let running = Task { await stop.termination.run() }
    await stop.events.wait(for: "http runs")
    running.cancel()
    let report = await running.value
    #expect(stop.events.events == ["http runs", "readiness", "http told", "http ended", "database"])
    #expect(report.reason == "its task was cancelled")
  }

  @Test func aServiceThatDoesNotEndIsCancelledAndLeft() async {
    let stop = StopFixture()
    let stuck = RecordedService(name: "http", events: stop.events) { await untilCancelled() }
    stop.termination.add(stuck, name: "http")
    let running = stop.stop()
    await stop.events.wait(for: "http told")
    stop.clock.advance(by: .seconds(20))
    let report = await running.value
    await stop.events.wait(for: "http ended")
    #expect(report.hook("http")?.outcome == .overran)
    #expect(report.exitCode == 75)
  }

  @Test func thePropagationLastsUnlessItIsConfirmed() async {
    let stop = StopFixture { $0.budgets.propagation = .seconds(3) }
    stop.hook(.notice, "readiness")
    stop.hook(.stopAccepting, "listener")
    let running = stop.stop()
    await stop.log.wait(for: .propagation)
    stop.clock.advance(by: .milliseconds(2_999))
    #expect(!stop.events.events.contains("listener"))
    stop.clock.advance(by: .milliseconds(1))
    #expect(await running.value.phase(.propagation)?.took == 3)

    let confirmed = StopFixture { $0.budgets.propagation = nil }
    confirmed.termination.confirmPropagation("router") { _ in }
    #expect(await confirmed.stop().value.phase(.propagation)?.took == 0)

    let denied = StopFixture { $0.budgets.propagation = nil }
    denied.termination.confirmPropagation("router") { _ in
      defer { denied.events.record("asked") }
      throw Broken()
    }
    let waiting = denied.stop()
    await denied.log.wait(for: .propagation)
    await denied.events.wait(for: "asked")
    denied.clock.advance(by: .seconds(5))
    #expect(await waiting.value.phase(.propagation)?.took == 5)
  }

  @Test func aShorterGraceMovesTheDeadlineEarlierAndALongerOneDoesNot() async {
    let stop = StopFixture()
    stop.stuckHook(.drain, "jobs")
    let running = Task { await stop.termination.run() }
    stop.termination.stop("deploy", grace: .seconds(10))
    await stop.events.wait(for: "jobs")
    stop.termination.stop("deploy", grace: .seconds(100))
    stop.termination.stop("deploy", grace: .seconds(4))
    await stop.log.wait(forLineWith: "has to end within 4.0 s")
    stop.clock.advance(by: .seconds(4))
    let report = await running.value
    #expect(report.took == 4 && report.grace == 10 && report.reason == "deploy")
  }

  @Test func whatIsAddedLateTakesPart() async {
    let stop = StopFixture()
    stop.termination.onStop(.drain, "jobs") { _ in
      stop.hook(.close, "late")
      stop.hook(.notice, "too late")
      stop.events.record("jobs")
    }
    let report = await stop.stop().value
    #expect(stop.events.events == ["jobs", "late"])
    #expect(report.hooks(thatEnded: .notTold) == ["too late"])
    #expect(report.hooks(thatEnded: .succeeded) == ["jobs", "late"])
  }

  @Test func aSecondRunWaitsForTheSameStop() async {
    let stop = StopFixture()
    stop.hook(.close, "database")
    async let first = stop.termination.run()
    async let second = stop.termination.run()
    stop.signals.send(.term)
    #expect(await first == second)
    #expect(stop.events.events == ["database"])
  }

  @Test func aStopThatIsAskedForBeforeTheRunIsNotLost() async {
    let stop = StopFixture()
    stop.hook(.close, "database")
    stop.termination.stop("early")
    #expect(await stop.termination.run().reason == "early")
  }

  @Test func aRunThatIsCancelledAtOnceTellsEveryone() async {
    for _ in 0..<200 {
      let stop = StopFixture()
      stop.hook(.notice, "readiness")
      let running = Task { await stop.termination.run() }
      running.cancel()
      stop.termination.stop("at once")
      #expect(await running.value.problem == nil)
    }
  }

  @Test func whatIsAddedInTheDrainHasItsTimeInTheFlush() async {
    let stop = StopFixture()
    stop.stuckHook(.drain, "jobs")
    let running = stop.stop()
    await stop.events.wait(for: "jobs")
    stop.clock.advance(by: .seconds(1))
    stop.stuckHook(.flush, "late")
    await stop.log.wait(forLineWith: "still waiting: jobs")
    stop.termination.escalate()
    await stop.log.wait(forLineWith: "has to end within 2.0 s")
    stop.clock.advance(by: .seconds(1))
    await stop.events.wait(for: "late")
    stop.clock.advance(by: .seconds(1))
    #expect(await running.value.hook("late")?.took == 1)
  }

  @Test func aDeadlineThatIsMovedAgainAndAgainDoesNotBeginABudgetAnew() async {
    let stop = StopFixture()
    stop.stuckHook(.notice, "registry")
    let running = stop.stop()
    await stop.events.wait(for: "registry")
    for second in 1...3 {
      stop.clock.advance(by: .seconds(1))
      let grace = Duration.seconds(20 - second) - .milliseconds(second)
      stop.termination.stop("again", grace: grace)
      if second < 3 { await stop.log.wait(forLineWith: "has to end within \(20 - second).0 s") }
    }
    #expect(await running.value.hook("registry")?.took == 3)
  }

  @Test func workThatIsLeftWhenAStopIsEndedAtOnceIsNamed() async {
    let stop = StopFixture()
    let work = stop.termination.beginWork("import-csv")
    let running = stop.stop()
    await stop.log.wait(for: .drain)
    stop.termination.escalate()
    stop.termination.escalate()
    let report = await running.value
    #expect(report.abandoned.map(\.name) == ["import-csv"])
    #expect(report.work.map(\.cut) == [1])
    work.end()
  }

  @Test(arguments: [Duration.seconds(Int64.max), .seconds(Int64.max / 4), .seconds(-5), .zero])
  func anyGraceIsAGrace(_ grace: Duration) async {
    let stop = StopFixture {
      $0.grace = grace; $0.shortened = grace
    }
    let report = await stop.stop().value
    #expect(report.result == .clean)
  }

  @Test func aFailureThatIsIgnoredIsNoFailureOfTheStop() async {
    let stop = StopFixture()
    stop.termination.add(ClosureService { throw Broken() }, name: "optional", whenItFails: .ignore)
    let running = Task { await stop.termination.run() }
    await stop.log.wait(forLineWith: "service optional has failed")
    stop.signals.send(.term)
    #expect(await running.value.exitCode == 0)
  }

  @Test func dependenciesOfWhoIsToldInAnEarlierPhaseDoNotShortenTheDrain() async {
    let stop = StopFixture()
    let stuck = RecordedService(name: "http", events: stop.events) { await untilCancelled() }
    stop.termination.add(stuck, name: "http", dependsOn: ["db"])
    stop.termination.add(RecordedService(name: "db", events: stop.events), name: "db")
    let running = stop.stop()
    await stop.events.wait(for: "db ended")
    await stop.log.wait(for: .drain)
    stop.clock.advance(by: .seconds(20))
    #expect(await running.value.hook("http")?.took == 20)
  }

  @Test func anUnknownDependencyIsSaid() async {
    let stop = StopFixture()
    stop.hook(.close, "repository", dependsOn: ["databse"])
    _ = await stop.stop().value
    #expect(stop.log.lines.contains("warning: repository depends on databse, which does not take part in the stop; check the name"))
  }

  @Test func aCircleOfDependenciesIsSaid() async {
    let stop = StopFixture()
    for (name, needed) in [("router", ["cache"]), ("cache", ["queue"]), ("queue", ["cache", "disk"]), ("disk", [])] {
      stop.hook(.close, name, dependsOn: needed)
    }
    #expect(await stop.stop().value.problem == nil)
    let warnings = stop.log.lines.filter { $0.hasPrefix("warning: ") }
    #expect(warnings.count == 1 && warnings.allSatisfy { $0.contains("cache, queue depend on each other in a circle") }, "\(warnings)")
  }
}

/// Fails once the other service runs.
private struct FailingService: Service {
  let events: RecordedEvents
  init(after events: RecordedEvents) { self.events = events }
  func run() async throws {
    await events.wait(for: "http runs")
    throw Broken()
  }
}

private struct ClosureService: Service {
  let body: @Sendable () async throws -> Void
  init(_ body: @escaping @Sendable () async throws -> Void) { self.body = body }
  func run() async throws { try await body() }
}
