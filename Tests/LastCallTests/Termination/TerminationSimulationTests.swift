import Glibc
import Testing

@testable import LastCall

/// 100,000 seeded stops in ten parts, so that they use the cores there are.
@Suite struct TerminationSimulationTests {
  @Test(arguments: UInt64(0)..<10)
  func invariantsHoldInEveryStop(part: UInt64) async {
    let problem = await besideEverything {
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
    let problem = await besideEverything {
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
}

/// Others go before it: it takes most of a minute.
private func besideEverything(_ body: @escaping @Sendable () -> String?) async -> String? {
  await besideThePool {
    setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 5)
    return body()
  }
}
