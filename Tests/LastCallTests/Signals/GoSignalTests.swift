import Foundation
import LastCall
import Testing

/// Go's os/signal cases (src/os/signal/signal_test.go), by name. Each runs in a process of its own: `Tests/SignalCases`.
@Suite(.timeLimit(.minutes(10))) struct GoSignalTests {
  static let hangup = ChildProcess.Ending.signalled(.hangup)
  static let interrupt = ChildProcess.Ending.signalled(.interrupt)

  private func ending(_ name: String, _ argument: String = "", via: [String] = []) async throws -> ChildProcess.Ending {
    let words = via + [try TestProgram.path("SignalCases"), name, argument]
    return try await ChildProcess(words[0], Array(words.dropFirst())).ending()
  }

  @Test(
    "TestSignal, TestStress, TestIgnore, TestIgnored, TestSIGCONT, TestTime, TestSignalTrace, TestNotifyContextStringer",
    arguments: [
      "TestSignal", "TestStress", "TestIgnore", "TestIgnored", "TestSIGCONT", "TestTime", "TestSignalTrace", "TestNotifyContextStringer",
      "mask", "fault", "takenOver", "realTime", "failedNotify",
    ])
  func endsWell(_ name: String) async throws {
    #expect(try await ending(name) == .exited(0))
  }

  @Test("TestReset") func reset() async throws {
    // At its end HUP has its default action again.
    #expect(try await ending("TestReset") == Self.hangup)
  }

  @Test("TestDetectNohup") func detectNohup() async throws {
    #expect(try await ending("TestDetectNohup", "not") == .exited(0))
    #expect(try await ending("TestDetectNohup", "ignored", via: ["nohup"]) == .exited(0))
    #expect(try await ending("TestDetectNohup", "ignored") == .exited(1), "the case can fail")
  }

  @Test("TestStop") func stop() async throws {
    #expect(try await ending("TestStop", "WINCH") == .exited(0))
    #expect(try await ending("TestStop", "HUP") == Self.hangup)
    #expect(try await ending("TestStop", "USR1") == .signalled(.usr1))
  }

  @Test("TestNohup", arguments: ["before", "after"])
  func nohup(_ when: String) async throws {
    #expect(try await ending("TestNohup", when) == Self.hangup)
    #expect(try await ending("TestNohup", when, via: ["nohup"]) == .exited(0))
  }

  /// The thread sanitizer keeps an asynchronous signal back until its thread makes a call, and drops it if the handler is gone by then
  /// (ProcessPendingSignalsImpl in tsan_interceptors_posix.cpp): what the case asks for cannot hold, and it waits for ever.
  @Test("TestAtomicStop", .disabled(if: TestProgram.runsUnderThreadSanitizer)) func atomicStop() async throws {
    var endings: [ChildProcess.Ending] = []
    for _ in 0..<10 { endings.append(try await ending("TestAtomicStop")) }
    #expect(endings.allSatisfy { $0 == .exited(0) || $0 == Self.interrupt }, "\(endings)")
  }

  @Test("TestNotifyContextNotifications", arguments: ["1", "10"])
  func notifyContextNotifications(_ count: String) async throws {
    #expect(try await ending("TestNotifyContextNotifications", count) == Self.interrupt)
  }

  @Test("TestNotifyContext…", arguments: ["Stop", "CancelParent", "PrematureCancelParent", "SimultaneousStop"])
  func notifyContext(_ name: String) async throws {
    #expect(try await ending("TestNotifyContext\(name)") == Self.interrupt)
  }

  @Test("TestResetIgnore", arguments: ["HUP", "INT", "USR1", "TERM", "WINCH", "CONT"], ["", "+notify"])
  func resetIgnore(_ name: String, _ notify: String) async throws {
    #expect(try await ending("TestResetIgnore", name + notify) == .exited(0))
  }

  @Test("TestInitiallyIgnoredResetIgnore", arguments: ["HUP", "INT", "USR1"])
  func initiallyIgnored(_ name: String) async throws {
    let shell = ["sh", "-c", "trap '' \(name); exec \"$@\"", "sh"]
    #expect(try await ending("TestInitiallyIgnoredResetIgnore", name, via: shell) == .exited(0))
  }

  @Test("SIGPIPE as Go's documentation has it", arguments: ["output", "error", "subscribed"])
  func brokenOutputEnds(_ how: String) async throws {
    #expect(try await ending("pipe", how) == .signalled(.pipe))
  }

  @Test("Other broken pipes, and SIGPIPE ignored at the start, end nothing")
  func otherBrokenPipes() async throws {
    #expect(try await ending("pipe", "other") == .exited(0))
    #expect(try await ending("pipe", "plain") == .exited(0), "SwiftNIO alone goes on with a broken output")
    #expect(try await ending("pipe", "output", via: ["sh", "-c", "trap '' PIPE; exec \"$@\"", "sh"]) == .exited(0))
  }

  @Test func aFaultOfItsOwnEndsTheProgram() async throws {
    #expect(try await ending("fault", "own") == .signalled(try #require(Signal(number: 11))))
  }

  /// A crash reporter that was there before has its say: the fault's own address comes to it.
  @Test(arguments: ["reporter", "plainReporter"]) func aFaultGoesToTheFormerHandler(_ how: String) async throws {
    #expect(try await ending("fault", how) == .exited(42))
  }

  /// One that returns leaves the end to the default action, as without us.
  @Test(arguments: ["oneShot", "resets"]) func aFormerHandlerThatReturnsDoesNotSpin(_ how: String) async throws {
    #expect(try await ending("fault", how) == .signalled(try #require(Signal(number: 11))))
  }

  /// The child has none of the threads that were in the handler as it was forked.
  @Test func aForkedChildDoesNotWaitForThreadsItDoesNotHave() async throws {
    #expect(try await ending("forked") == .exited(0))
  }

  @Test func aHandlerThatSomebodyPutsBackDoesNotSpin() async throws {
    #expect(try await ending("restored") == .signalled(.usr1))
  }

  @Test func aSubscriptionThatNobodyHoldsHasEnded() async throws {
    #expect(try await ending("dropped") == .signalled(.usr1))
  }

  @Test func whatCannotBeCaughtIsRefusedWhole() async throws {
    #expect(try await ending("uncatchable") == .signalled(.terminate))
  }
}
