import Glibc

@testable import LastCall

enum ContextCases {
  /// Waits until the task is cancelled.
  @Sendable private static func untilCancelled() async {
    let (never, continuation) = AsyncStream<Void>.makeStream()
    for await _ in never {}
    withExtendedLifetime(continuation) {}
  }

  static func notifications(_ count: String) async throws {
    let count = Int(count) ?? 1
    let (_, signal) = try await Signals.withCancellation(on: .interrupt) {
      sendSelf(.interrupt)
      await untilCancelled()
      try expect(Task.isCancelled, "the signal cancels")
      for _ in 1..<max(count, 2) where count > 1 { sendSelf(.interrupt) }
      try await settle()
    }
    try expect(signal == .interrupt, "it is said which signal it was")
    sendSelf(.interrupt)
    waitForTheEnd()
  }

  static func stop() async throws {
    let (result, signal) = try await Signals.withCancellation(on: .interrupt) { 42 }
    try expect(result == 42 && signal == nil, "what the body returns is returned")
    sendSelf(.interrupt)
    waitForTheEnd()
  }

  static func cancelParent(before: Bool) async throws {
    let (begun, continuation) = AsyncStream<Void>.makeStream()
    let (go, goContinuation) = AsyncStream<Void>.makeStream()
    let parent = Task {
      if before { for await _ in go {} }
      return try await Signals.withCancellation(on: .interrupt) {
        continuation.finish()
        await untilCancelled()
        return Task.isCancelled
      }
    }
    if before {
      parent.cancel()
    } else {
      for await _ in begun {}
      parent.cancel()
    }
    goContinuation.finish()
    let (wasCancelled, signal) = try await parent.value
    try expect(wasCancelled && signal == nil, "the parent's end is the body's")
    sendSelf(.interrupt)
    waitForTheEnd()
  }

  static func simultaneousStop() async throws {
    let signals = try Signals.notify(.interrupt)
    for _ in 0..<10 {
      await withTaskGroup(of: Void.self) { group in
        for _ in 0..<10 { group.addTask { signals.stop() } }
      }
    }
    try expect(await signals.next() == nil, "the sequence has ended")
    sendSelf(.interrupt)
    waitForTheEnd()
  }

  static func stringer() throws {
    try expect("\(try Signals.notify(.interrupt, .terminate))" == "signals INT, TERM", "a subscription says what it has")
  }
}
