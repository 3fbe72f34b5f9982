import GRPCCore
import LastCallTestKit

/// Methods whose moments a test has in its hand: they record what they do, and wait for what it records.
struct TestService: RegistrableRPCService {
  enum Method: String, CaseIterable {
    /// Answers `one` once there is the event `answer`.
    case get = "Get"
    /// Answers `1`, then, once there is the event `answer`, `2` and `3`.
    case list = "List"
    /// Answers the server's name, `2` and `3`.
    case quick = "Quick"
    /// Answers `1` and does not end before its task is cancelled.
    case stuck = "Stuck"
    /// Answers `1` and does not end before there is the event `answer`, whoever cancels it.
    case deaf = "Deaf"
    /// Answers `1`, and ends when the RPC is cancelled.
    case watch = "Watch"

    var descriptor: MethodDescriptor { MethodDescriptor(fullyQualifiedService: "test.Echo", method: rawValue) }
  }

  let name: String
  let events: RecordedEvents

  func registerMethods<Transport: ServerTransport>(with router: inout RPCRouter<Transport>) {
    for method in Method.allCases {
      router.registerHandler(forMethod: method.descriptor, deserializer: TextCoding(), serializer: TextCoding()) { request, context in
        try await answer(method, request, context)
      }
    }
  }

  private func answer(
    _ method: Method, _ request: StreamingServerRequest<String>, _ context: ServerContext
  ) async throws -> StreamingServerResponse<String> {
    // As for a unary method: the handler has ended before the answer is sent.
    if method == .get {
      events.record("Get begun")
      await withRPCCancellationHandler {
        await events.wait(for: "answer")
      } onCancelRPC: {
        events.record("Get told")
      }
      return StreamingServerResponse(single: ServerResponse(message: "one"))
    }
    return StreamingServerResponse { writer in
      try await writer.write(method == .quick ? name : "1")
      if method != .quick { events.record("\(method.rawValue) begun") }
      switch method {
      case .get, .quick: break
      case .list: await events.wait(for: "answer")
      // A task of its own: a wait of the test kit ends with the task that waits.
      case .deaf: await Task { await events.wait(for: "answer") }.value
      case .stuck: await untilCancelled()
      case .watch:
        try await context.cancellation.cancelled
        return [:]
      }
      if method != .quick { events.record("\(method.rawValue) ended") }
      try await writer.write("2")
      try await writer.write("3")
      return [:]
    }
  }
}

/// Texts as they are, so that no code generator is needed.
struct TextCoding: MessageSerializer, MessageDeserializer {
  func serialize<Bytes: GRPCContiguousBytes>(_ message: String) throws -> Bytes { Bytes(message.utf8) }

  func deserialize<Bytes: GRPCContiguousBytes>(_ bytes: Bytes) throws -> String {
    bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
  }
}

/// Waits until the task is cancelled.
func untilCancelled() async {
  let (never, continuation) = AsyncStream<Void>.makeStream()
  for await _ in never {}
  withExtendedLifetime(continuation) {}
}
