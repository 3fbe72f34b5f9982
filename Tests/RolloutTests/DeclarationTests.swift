import Rollout
import Testing

@Suite struct DeclarationTests {
  /// An app of three replicas that runs as its file says.
  private static let running = Declaration(
    lastReplicas: 3, isChanged: false, needsNewReplicas: false, fileReplicas: 3, desiredReplicas: 3, isStopped: false, stoppedReplicas: nil)

  private static func with(_ change: (inout Declaration) -> Void) -> Declaration {
    var declaration = running
    change(&declaration)
    return declaration
  }

  @Test func whatRunsAsTheFileSaysGoesOn() {
    #expect(Self.running.atStart == .goOn)
    #expect(Self.running.atDeploy(isNamed: false) == .goOn)
  }

  @Test func whatWasNeverCarriedOutBegins() {
    let new = Self.with { ($0.lastReplicas, $0.isChanged, $0.needsNewReplicas, $0.desiredReplicas) = (nil, true, true, 0) }
    #expect(new.atStart == .begin(replicas: 3))
    #expect(new.atDeploy(isNamed: false) == .begin(replicas: 3))
  }

  @Test func aNumberThatAUserAskedForStaysUnlessTheFileChangesItsOwn() {
    let scaled = Self.with { ($0.isChanged, $0.needsNewReplicas, $0.desiredReplicas) = (true, true, 5) }
    #expect(scaled.atDeploy(isNamed: false) == .begin(replicas: 5))
    #expect(scaled.atStart == .begin(replicas: 5))
    let changed = Self.with { ($0.isChanged, $0.fileReplicas, $0.desiredReplicas) = (true, 2, 5) }
    #expect(changed.atDeploy(isNamed: false) == .amend(replicas: 2))
  }

  @Test func whatWasUndoneIsTriedAgainByADeployAndNotByAnEnginesDeath() {
    let undone = Self.with { ($0.wasUndone, $0.needsNewReplicas) = (true, true) }
    #expect(undone.atDeploy(isNamed: false) == .begin(replicas: 3))
    #expect(undone.atStart == .goOn)
  }

  @Test func whatAUserStoppedStaysStoppedUntilItIsNamed() {
    let stopped = Self.with { ($0.isStopped, $0.desiredReplicas, $0.stoppedReplicas) = (true, 0, 4) }
    #expect(stopped.atStart == .stayStopped)
    #expect(stopped.atDeploy(isNamed: false) == .stayStopped)
    #expect(stopped.atDeploy(isNamed: true) == .amend(replicas: 4))
    let changed = Self.with { ($0.isStopped, $0.desiredReplicas, $0.isChanged, $0.needsNewReplicas) = (true, 0, true, true) }
    #expect(changed.atStart == .stayStopped)
    #expect(changed.atDeploy(isNamed: false) == .stayStopped)
  }

  @Test func aFullStopThatWasInterruptedIsNoWishToStayStopped() {
    #expect(Self.with { $0.desiredReplicas = 0 }.atStart == .amend(replicas: 3))
    #expect(Self.with { ($0.desiredReplicas, $0.fileReplicas, $0.lastReplicas) = (0, 0, 0) }.atStart == .goOn)
  }
}
