import Glibc
import Testing

@testable import LastCall

/// 100,000 seeded stops in ten parts, so that they use the cores there are.
@Suite struct TerminationSimulationTests {
  @Test(arguments: UInt64(0)..<10)
  func invariantsHoldInEveryStop(part: UInt64) async {
    let problem = await besideThePool {
      for seed in part * 10_000..<(part + 1) * 10_000 {
        var simulation = TerminationSimulation(seed: seed, withRepeats: false)
        simulation.run()
        guard !simulation.violations.isEmpty else { continue }
        let entries = simulation.machine.entries.map { "\($0.participant)" }.joined(separator: "\n")
        return "seed \(seed): \(simulation.violations)\n\(simulation.settings)\n\(entries)\n\(simulation.trace.joined(separator: "\n"))"
      }
      return nil
    }
    #expect(problem == nil)
  }

  /// Platforms repeat TERM.
  @Test func repeatsChangeNothing() async {
    let problem = await besideThePool {
      for seed in UInt64(0)..<5_000 {
        var once = TerminationSimulation(seed: seed, withRepeats: false)
        var repeated = TerminationSimulation(seed: seed, withRepeats: true)
        once.run()
        repeated.run()
        guard once.trace != repeated.trace else { continue }
        return "seed \(seed)\n\(once.trace.joined(separator: "\n"))\n--\n\(repeated.trace.joined(separator: "\n"))"
      }
      return nil
    }
    #expect(problem == nil)
  }

  /// On a thread of its own that others go before: for most of a minute it would else keep the pool from every other test.
  private func besideThePool(_ body: @escaping @Sendable () -> String?) async -> String? {
    await withCheckedContinuation { continuation in
      let code = OwnThread.start(name: "simulation") {
        setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 5)
        continuation.resume(returning: body())
      }
      if code != 0 { continuation.resume(returning: "no thread: \(code)") }
    }
  }
}
