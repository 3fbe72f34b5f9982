import StopPlan
import Testing

/// 100,000 seeded runs in ten parts, so that they use the cores there are.
@Suite struct StopMachineSimulationTests {
  static let runsPerPart: UInt64 = 10_000

  @Test(arguments: UInt64(0)..<10)
  func invariantsHoldInEveryRun(part: UInt64) {
    for seed in part * Self.runsPerPart..<(part + 1) * Self.runsPerPart {
      var simulation = Simulation(seed: seed)
      let trace = simulation.run()
      if !trace.violations.isEmpty {
        Issue.record("seed \(seed), plan \(simulation.plan), \(trace.violations)\n\(trace.lines.joined(separator: "\n"))")
        return
      }
    }
  }

  @Test func theSameSeedGivesTheSameRun() {
    for seed in UInt64(0)..<500 {
      var first = Simulation(seed: seed)
      var second = Simulation(seed: seed)
      let same = first.run() == second.run()
      #expect(same, "seed \(seed)")
    }
  }

  @Test func repeatedRequestsChangeNothing() {
    for seed in UInt64(0)..<5_000 {
      var repeated = Simulation(seed: seed, withRepeats: true)
      var once = Simulation(seed: seed, withRepeats: false)
      let same = repeated.run() == once.run()
      #expect(same, "seed \(seed)")
      if !same { return }
    }
  }
}
