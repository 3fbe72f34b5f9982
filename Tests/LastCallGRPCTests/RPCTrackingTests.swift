import GRPCCore
import LastCallGRPC
import LastCallTestKit
import Testing

@testable import LastCall

/// The interceptor by itself: when an RPC counts as ended, and as what.
@Suite(.timeLimit(.minutes(10))) struct RPCTrackingTests {
  typealias Response = StreamingServerResponse<String>

  let stop = GRPCFixture()
  let cancellation = ServerContext.RPCCancellationHandle()

  private func intercept(_ next: @escaping @Sendable () async throws -> Response) async throws -> Response {
    let context = ServerContext(
      descriptor: TestService.Method.get.descriptor, remotePeer: "in-process:1", localPeer: "in-process:2", cancellation: cancellation)
    let request = StreamingServerRequest(single: ServerRequest(metadata: [:], message: "question"))
    return try await RPCTracking(stop.termination).intercept(request: request, context: context) { _, _ in try await next() }
  }

  private func produce(_ response: Response) async throws {
    _ = try await response.accepted.get().producer(RPCWriter(wrapping: NoWriter()))
  }

  /// How many have been completed, and how many cut.
  private var requests: [Int]? { stop.termination.work.ended()[.request].map { [$0.completed, $0.cut] } }

  @Test func anRPCLastsUntilItsLastMessage() async throws {
    let response = try await intercept {
      #expect(stop.termination.workCount == 1)
      return Response { _ in
        #expect(stop.termination.workCount == 1)
        return ["trailer": "1"]
      }
    }
    #expect(stop.termination.workCount == 1)
    let trailers = try await response.accepted.get().producer(RPCWriter(wrapping: NoWriter()))
    #expect(trailers == ["trailer": "1"])
    #expect(stop.termination.workCount == 0)
    #expect(requests == [1, 0])
  }

  @Test func anErrorIsAnAnswer() async throws {
    let error = RPCError(code: .invalidArgument, message: "no")
    await #expect(throws: error) { _ = try await intercept { throw error } }
    #expect(try await intercept { Response(error: error) }.accepted.map { _ in 0 } == .failure(error))
    let response = try await intercept { Response { _ in throw error } }
    await #expect(throws: error) { try await produce(response) }
    #expect(stop.termination.workCount == 0)
    #expect(requests == [3, 0])
  }

  @Test func anErrorAfterTheCancellationIsACut() async throws {
    let error = RPCError(code: .cancelled, message: "gone")
    cancellation.cancel()
    await #expect(throws: error) { _ = try await intercept { throw error } }
    _ = try await intercept { Response(error: error) }
    let response = try await intercept { Response { _ in throw error } }
    await #expect(throws: error) { try await produce(response) }
    // Who heeds the cancellation and still answers has answered.
    try await produce(try await intercept { Response { _ in [:] } })
    #expect(requests == [1, 3])
  }

  @Test func anAnswerThatNobodySendsDoesNotHoldTheDrain() async throws {
    _ = try await intercept { Response { _ in [:] } }
    #expect(stop.termination.workCount == 0)
    #expect(requests == [0, 1])
  }
}

private struct NoWriter: RPCWriterProtocol {
  func write(_ element: String) async throws {}
  func write(contentsOf elements: some Sequence<String>) async throws {}
}
