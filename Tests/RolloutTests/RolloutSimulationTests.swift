import Rollout
import Seeded
import StopPlan
import Testing

@Suite struct RolloutSimulationTests {
  /// Runs a world and says its seed when something did not hold.
  /// - Returns: whether all held.
  private func holds(_ world: inout RolloutWorld, seed: UInt64) -> Bool {
    world.run()
    #expect(world.violations.isEmpty, "seed \(seed): \(world.violations.first ?? "")")
    return world.violations.isEmpty
  }

  @Test(arguments: UInt64(0)..<4) func boundsAreKeptAndItComesToRest(part: UInt64) {
    var extensions = 0
    for seed in (part * 500)..<((part + 1) * 500) {
      var world = RolloutWorld(seed: seed, replicas: 1...12, requests: 6, deathsPerThousand: 0)
      if !holds(&world, seed: seed) { return }
      extensions += world.extensions
    }
    #expect(extensions > 100)
  }

  @Test(arguments: UInt64(0)..<4) func anEngineThatDiesAtAnyMomentChangesNothingOfThat(part: UInt64) {
    var deaths = 0
    for seed in (part * 500)..<((part + 1) * 500) {
      var world = RolloutWorld(seed: 10_000 + seed, replicas: 1...12, requests: 8, deathsPerThousand: 60)
      if !holds(&world, seed: 10_000 + seed) { return }
      deaths += world.deaths
    }
    #expect(deaths > 500)
  }

  @Test(arguments: UInt64(0)..<4) func thousandsOfReplicasAreKeptAsAFewAre(seed: UInt64) {
    var world = RolloutWorld(seed: 20_000 + seed, replicas: 1_000...3_000, requests: 3, deathsPerThousand: 1)
    _ = holds(&world, seed: 20_000 + seed)
    #expect(world.started.count > 1_000)
  }
}
