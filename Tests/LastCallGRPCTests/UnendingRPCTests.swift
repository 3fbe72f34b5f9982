import GRPCCore
import LastCall
import LastCallGRPC
import LastCallTestKit
import ServiceLifecycle
import Testing

/// RPCs that do not end by themselves, and servers that do not begin.
@Suite(.timeLimit(.minutes(10))) struct UnendingRPCTests {
  @Test func anRPCThatDoesNotEndIsCutAtTheLimitAndNamed() async throws {
    let stop = GRPCFixture()
    let running = stop.run()
    try await withClient(of: stop.port) { client in
      async let stuck = client.call(.stuck)
      await stop.events.wait(for: "Stuck begun")
      stop.signals.send(.term)
      await stop.log.wait(for: .drain)
      stop.clock.advance(by: .milliseconds(19_999))
      #expect(!stop.events.events.contains("Stuck ended"))
      stop.clock.advance(by: .milliseconds(1))
      let report = await running.value
      #expect(report.result == .forced && report.exitCode == 75)
      #expect(report.hook("grpc")?.outcome == .overran)
      #expect(report.abandoned.map(\.name) == ["test.Echo/Stuck"])
      #expect(report.abandoned.map(\.kind) == ["request"])
      #expect(report.requests == [0, 1])
      #expect(report.phase(.drain)?.took == 20)
      guard case .half(["1"], _) = try await stuck else {
        Issue.record("the client has to see that its answer is not whole")
        return
      }
    }
  }

  @Test func anRPCThatHeedsItsCancellationEndsWithTheStop() async throws {
    let stop = GRPCFixture()
    let running = stop.run()
    try await withClient(of: stop.port) { client in
      async let watching = client.call(.watch)
      await stop.events.wait(for: "Watch begun")
      stop.signals.send(.term)
      let report = await running.value
      #expect(report.problem == nil)
      #expect(report.requests == [1, 0])
      let watchingAnswer = try await watching
      #expect(watchingAnswer == .whole(["1"]))
    }
  }

  /// Also when a handler does not heed it, so without the transport's help.
  @Test func cancellationEndsTheServiceAtOnce() async throws {
    let stop = GRPCFixture()
    let serving = Task { try await stop.server.run() }
    try await withClient(of: stop.port) { client in
      async let deaf = client.call(.deaf)
      await stop.events.wait(for: "Deaf begun")
      serving.cancel()
      try await serving.value
      #expect(!stop.events.events.contains("Deaf ended"))
      #expect(stop.termination.workCount == 1)
      stop.events.record("answer")
      guard case .half(["1"], _) = try await deaf else {
        Issue.record("the client has to see that its answer is not whole")
        return
      }
    }
    await stop.events.wait(for: "Deaf ended")
  }

  @Test func aServerThatIsToldBeforeItListensEndsCleanly() async {
    for _ in 0..<20 {
      let stop = GRPCFixture()
      stop.signals.send(.term)
      let problem = await stop.run().value.problem
      #expect(problem == nil)
    }
  }

  @Test func aServerThatCannotListenFails() async throws {
    let first = GRPCFixture()
    let running = first.run()
    let second = GRPCFixture(port: try await first.port)
    let report = await second.run().value
    #expect(report.result == .serviceFailed && report.exitCode == 70)
    #expect(report.hook("grpc")?.outcome == .failed)
    first.signals.send(.term)
    #expect(await running.value.problem == nil)
  }

  @Test func aServerCannotBeStartedTwice() async throws {
    let stop = GRPCFixture()
    let serving = Task { try await stop.server.run() }
    _ = try await stop.port
    serving.cancel()
    try await serving.value
    await #expect(throws: RuntimeError.self) { try await stop.server.run() }
  }
}
