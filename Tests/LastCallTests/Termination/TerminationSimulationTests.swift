import Testing

@testable import LastCall

/// 100,000 seeded stops in ten parts, so that they use the cores there are.
@Suite struct TerminationSimulationTests {
  @Test(arguments: UInt64(0)..<10)
  func invariantsHoldInEveryStop(part: UInt64) {
    for seed in part * 10_000..<(part + 1) * 10_000 {
      var simulation = TerminationSimulation(seed: seed, withRepeats: false)
      simulation.run()
      if !simulation.violations.isEmpty {
        let entries = simulation.machine.entries.map { "\($0.participant)" }.joined(separator: "\n")
        Issue.record(
          "seed \(seed): \(simulation.violations)\n\(simulation.settings)\n\(entries)\n\(simulation.trace.joined(separator: "\n"))")
        return
      }
    }
  }

  /// Platforms repeat TERM.
  @Test func repeatsChangeNothing() {
    for seed in UInt64(0)..<5_000 {
      var once = TerminationSimulation(seed: seed, withRepeats: false)
      var repeated = TerminationSimulation(seed: seed, withRepeats: true)
      once.run()
      repeated.run()
      let isSame = once.trace == repeated.trace
      #expect(isSame, "seed \(seed)\n\(once.trace.joined(separator: "\n"))\n--\n\(repeated.trace.joined(separator: "\n"))")
      if !isSame { return }
    }
  }
}
