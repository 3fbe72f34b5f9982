import Glibc

@testable import LastCall

/// Go's os/signal tests, one a run, since what they change belongs to the whole process.
@main struct SignalCases {
  static func main() async {
    let arguments = CommandLine.arguments.dropFirst()
    guard let name = arguments.first, let body = cases[name] else {
      complain("usage: SignalCases CASE [ARGUMENT]; cases: \(cases.keys.sorted().joined(separator: " "))")
      exit(2)
    }
    do {
      try await body(arguments.dropFirst().first ?? "")
      exit(0)
    } catch {
      complain("\(name): \(error)")
      exit(1)
    }
  }

  private static func complain(_ text: String) {
    let bytes = Array((text + "\n").utf8)
    _ = write(2, bytes, bytes.count)
  }

  private static let cases: [String: @Sendable (String) async throws -> Void] = [
    "TestSignal": { _ in try await DeliveryCases.slowSubscriber() },
    "TestStress": { _ in try await StormCases.stress() },
    "TestReset": { _ in try await DispositionCases.cancel(byIgnoring: false) },
    "TestIgnore": { _ in try await DispositionCases.cancel(byIgnoring: true) },
    "TestIgnored": { _ in try DispositionCases.ignored() },
    "TestDetectNohup": { try DispositionCases.detectNohup($0) },
    "TestStop": { try await DispositionCases.stop($0) },
    "TestNohup": { try await DispositionCases.nohup($0) },
    "TestSIGCONT": { _ in try await DeliveryCases.cont() },
    "TestAtomicStop": { _ in try await StormCases.atomicStop() },
    "TestTime": { _ in try await StormCases.time() },
    "TestSignalTrace": { _ in try await StormCases.subscriptions() },
    "TestNotifyContextNotifications": { try await ContextCases.notifications($0) },
    "TestNotifyContextStop": { _ in try await ContextCases.stop() },
    "TestNotifyContextCancelParent": { _ in try await ContextCases.cancelParent(before: false) },
    "TestNotifyContextPrematureCancelParent": { _ in try await ContextCases.cancelParent(before: true) },
    "TestNotifyContextSimultaneousStop": { _ in try await ContextCases.simultaneousStop() },
    "TestNotifyContextStringer": { _ in try ContextCases.stringer() },
    "TestResetIgnore": { try await DispositionCases.resetIgnore($0) },
    "TestInitiallyIgnoredResetIgnore": { try await DispositionCases.initiallyIgnored($0) },
    "TestTerminalSignal": { _ in try await TerminalCases.read() },
    "pipe": { try await PipeCases.run($0) },
    "mask": { _ in try await DispositionCases.childMask() },
    "fault": { try await DeliveryCases.fault($0) },
    "forked": { _ in try await StormCases.forked() },
    "dropped": { _ in try await DeliveryCases.droppedSubscription() },
    "takenOver": { _ in try await DispositionCases.takenOver() },
    "restored": { _ in try await DispositionCases.restored() },
    "failedNotify": { _ in try DispositionCases.failedNotify() },
    "uncatchable": { _ in try DispositionCases.uncatchable() },
    "realTime": { _ in try await DeliveryCases.realTime() },
  ]
}
