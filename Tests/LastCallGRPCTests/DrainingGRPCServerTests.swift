import GRPCCore
import LastCall
import LastCallGRPC
import LastCallTestKit
import Testing

@Suite(.timeLimit(.minutes(10))) struct DrainingGRPCServerTests {
  @Test func rpcsInFlightEndAndTheReportIsClean() async throws {
    let stop = GRPCFixture()
    let running = stop.run()
    try await withClient(of: stop.port) { client in
      async let unary = client.call(.get)
      await stop.events.wait(for: "Get begun")
      stop.clock.advance(by: .seconds(1))
      async let streaming = client.call(.list)
      await stop.events.wait(for: "List begun")
      await stop.stopAndWaitUntilTold()
      await stop.log.wait(for: .drain)
      stop.clock.advance(by: .seconds(1))
      await stop.log.wait(forLineWith: "still waiting: 2 requests (test.Echo/Get, 2.0 s), grpc (1.0 s); 19.0 s left")
      stop.events.record("answer")
      let unaryAnswer = try await unary
      #expect(unaryAnswer == .whole(["one"]))
      let streamingAnswer = try await streaming
      #expect(streamingAnswer == .whole(["1", "2", "3"]))
      // The server does not wait for the client to go.
      let report = await running.value
      #expect(report.problem == nil)
      #expect(report.hook("grpc")?.outcome == .succeeded)
      #expect(report.requests == [2, 0])
      #expect(report.phase(.drain)?.took == 1)
    }
  }

  @Test func aNewConnectionIsRefusedOnceTheStopHasBegun() async throws {
    let stop = GRPCFixture()
    let running = stop.run()
    let port = try await stop.port
    try await withClient(of: port) { client in
      async let held = client.call(.get)
      await stop.events.wait(for: "Get begun")
      await stop.stopAndWaitUntilTold()
      let late = try await withClient(of: port) { try await $0.call(.quick, waitsForServer: false) }
      #expect(late.isUnavailable, "\(late)")
      stop.events.record("answer")
      let heldAnswer = try await held
      #expect(heldAnswer == .whole(["one"]))
    }
    let report = await running.value
    #expect(report.problem == nil)
    #expect(report.requests == [1, 0])
  }

  /// RPCs that race with the end of their connection, on it. The one in flight is another client's: beside such a race the transport loses
  /// what is in flight on the same connection (see the documentation).
  @Test func whateverIsBegunDuringTheStopIsAnsweredWholeOrRefused() async throws {
    let stop = GRPCFixture()
    let running = stop.run()
    let port = try await stop.port
    try await holding(stop) {
      try await withClient(of: port) { client in
        try await withThrowingTaskGroup(of: [Answer].self) { group in
          for _ in 0..<8 {
            group.addTask {
              var answers: [Answer] = []
              while true {
                answers.append(try await client.call(.quick, waitsForServer: false))
                if answers.count == 20 { stop.events.record("busy") }
                guard case .whole = answers[answers.count - 1] else { return answers }
              }
            }
          }
          await stop.events.wait { $0.filter { $0 == "busy" }.count == 8 }
          await stop.stopAndWaitUntilTold()
          let answers = try await group.reduce(into: []) { $0 += $1 }
          let whole = answers.filter { $0 == .whole(["server", "2", "3"]) }
          // A whole answer is never short, and whoever did not get one knows it.
          #expect(answers.filter(\.isUnavailable).count == 8)
          #expect(whole.count + 8 == answers.count, "\(answers.filter { !whole.contains($0) })")
        }
      }
    }
    let report = await running.value
    #expect(report.problem == nil)
    // The report counts from the stop's begin: the one that was held, and whatever was whole by then.
    #expect((report.requests?[0] ?? 0) >= 1)
  }

  @Test func newRPCsGoToAnotherServer() async throws {
    let first = GRPCFixture("first")
    let second = GRPCFixture("second")
    let running = first.run()
    let other = second.run()
    try await withClient(of: first.port, second.port) { client in
      var answer: Answer
      repeat { answer = try await client.call(.quick) } while answer != .whole(["first", "2", "3"])
      first.signals.send(.term)
      #expect(await running.value.problem == nil)
      // One that was on its way to the first when it ended may fail.
      repeat {
        answer = try await client.call(.quick)
        #expect(answer == .whole(["second", "2", "3"]) || answer.isUnavailable)
      } while answer.isUnavailable
    }
    second.signals.send(.term)
    #expect(await other.value.problem == nil)
  }

  /// Has an RPC in flight, of another client, while `body` runs, and expects it to be answered.
  private func holding<R: Sendable>(_ stop: GRPCFixture, _ body: () async throws -> R) async throws -> R {
    try await withClient(of: stop.port) { client in
      async let held = client.call(.get)
      await stop.events.wait(for: "Get begun")
      let result = try await body()
      stop.events.record("answer")
      let heldAnswer = try await held
      #expect(heldAnswer == .whole(["one"]))
      return result
    }
  }
}
