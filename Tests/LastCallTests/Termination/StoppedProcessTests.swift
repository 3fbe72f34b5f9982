import Foundation
import LastCall
import Testing

/// Whole programs, stopped by real signals.
@Suite(.timeLimit(.minutes(10))) struct StoppedProcessTests {
  /// Starts the case, waits until it says that it runs, sends the signals, and gives its exit code.
  private func exitCode(
    _ name: String, _ signals: [Signal] = [.term], environment: [String: String] = [:], via: [String] = []
  ) async throws -> Int32 {
    let words = via + [try TestProgram.path("StopCases"), name]
    let program = try ReadProgram(words, environment: ProcessInfo.processInfo.environment.merging(environment) { $1 })
    await program.firstByte()
    for signal in signals { kill(program.pid, signal.number) }
    return await program.ending()
  }

  @Test func aCleanStopByASignalIsZeroOr143ByChoice() async throws {
    #expect(try await exitCode("clean") == 0)
    #expect(try await exitCode("clean", [.int]) == 0)
    #expect(try await exitCode("signalCode") == 143)
  }

  /// A shell's background job has INT ignored, and a Ctrl-C that was meant for another program must not stop it.
  @Test func whatWasIgnoredAtTheStartBeginsNoStop() async throws {
    #expect(try await exitCode("signalCode", [.int]) == 130)
    let background = ["/bin/sh", "-c", "trap '' INT; exec \"$@\"", "sh"]
    #expect(try await exitCode("signalCode", [.int, .term], via: background) == 143)
  }

  @Test func whatWentWrongHasACodeOfItsOwn() async throws {
    #expect(try await exitCode("failing", []) == 70)
    #expect(try await exitCode("broken") == 74)
    #expect(try await exitCode("stuck") == 75)
  }

  @Test func theGraceOfTheEnvironmentIsRespected() async throws {
    #expect(try await exitCode("stuckByEnvironment", environment: ["LASTCALL_GRACE": "1"]) == 75)
  }

  @Test func anExitHandlerThatHangsDoesNotHoldTheEndUp() async throws {
    #expect(try await exitCode("exitHandler") == 0)
  }

  /// Every thread of the concurrency pool is busy: neither the signal's task nor the deadline's can run.
  @Test func aBlockedPoolDoesNotHoldTheEndUp() async throws {
    #expect(try await exitCode("blocked") == 75)
  }
}
