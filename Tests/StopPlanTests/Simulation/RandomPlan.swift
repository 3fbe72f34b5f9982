import Seeded
import StopPlan

/// Plans of every shape.
enum RandomPlan {
  static func make(_ generator: inout SeededRandom) -> StopPlan {
    let grace = TimeSpan.milliseconds(Int64(generator.int(0...14_000)))
    if generator.chance(35) {
      return StopPlan.standard(generator.chance(80) ? .term : .quit, grace: generator.chance(5) ? .zero : grace)
    }
    var steps: [StopPlan.Step] = []
    if generator.chance(25) { steps.append(.hook([[104]])) }
    if generator.chance(20) { steps.append(.pause(.milliseconds(Int64(generator.int(0...4_000))))) }
    for _ in 0..<generator.int(1...3) {
      let signals: [Signal] = [.term, .quit, .int, .hup]
      let scopes: [StopPlan.Scope] = [.main, .group, .rest, .tree]
      steps.append(.send(signals[generator.int(0...3)], scopes[generator.int(0...3)]))
      if generator.chance(80) {
        steps.append(.wait(.milliseconds(Int64(generator.int(0...6_000))), ifUseful: generator.chance(30)))
      }
    }
    let until: StopPlan.Until = generator.chance(85) ? .tree : .main
    if generator.chance(50) {
      let scopes: [StopPlan.Scope] = until == .main ? [.main, .group, .tree] : [.tree]
      steps.append(.send(.kill, scopes[generator.int(0...scopes.count - 1)]))
    }
    let floor = TimeSpan.milliseconds(Int64(generator.int(0...2_000)))
    return StopPlan(
      steps: steps, grace: grace, floor: floor, reserve: generator.chance(50) ? floor : .zero, until: until)
  }
}
