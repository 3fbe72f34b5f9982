import Foundation
import Rollout
import StopPlan
import Testing

/// Updates: starts, failures, pauses.
@Suite struct RolloutUpdateTests {
  // MARK: - Starts that ask for more time

  @Test func aStartIsAwaitedAsLongAsItAsksForWithinItsBound() {
    var app = TestApp(deadline: .seconds(5), extending: .seconds(10))
    app.up(1)
    app.want(1, 2)
    app.pass(.seconds(4))
    app.extends(2, by: .seconds(4))
    app.pass(.seconds(3))
    #expect(app.notes == [])
    // An earlier moment changes nothing.
    app.extends(2, by: .milliseconds(10))
    app.pass(.milliseconds(900))
    #expect(app.notes == [])
    // What is asked for beyond the bound ends at the bound: 5 s and 10 s after the start.
    app.extends(2, by: .seconds(100))
    app.pass(.milliseconds(7_099))
    #expect(app.notes == [])
    app.pass(.milliseconds(1))
    #expect(app.notes == [.undone(revision: 2, replica: ReplicaNumber(2), .late)])
    app.ends(2)
    #expect(app.rollout.isComplete)
  }

  @Test func withoutABoundNothingIsExtended() {
    var app = TestApp(deadline: .seconds(5))
    app.up(1)
    app.want(1, 2)
    app.extends(2, by: .seconds(100))
    app.pass(.seconds(5))
    #expect(app.notes == [.undone(revision: 2, replica: ReplicaNumber(2), .late)])
  }

  @Test func oneThatIsReadyInTheTimeItAskedForIsTaken() {
    var app = TestApp(deadline: .seconds(5), extending: .seconds(10))
    app.up(1)
    app.want(1, 2)
    app.extends(2, by: .seconds(9))
    app.pass(.seconds(8))
    app.ready(2)
    app.ends(1)
    #expect(app.rollout.isComplete)
  }

  @Test func aFirstRevisionIsOverdueLaterButOnce() {
    var app = TestApp(deadline: .seconds(5), extending: .seconds(10))
    app.want(1, 1)
    app.pass(.seconds(4))
    app.extends(1, by: .seconds(4))
    app.pass(.seconds(3))
    #expect(app.notes == [])
    app.extends(1, by: .seconds(100))
    app.pass(.seconds(8))
    #expect(app.notes == [.overdue(revision: 1, replica: ReplicaNumber(1))])
    app.extends(1, by: .seconds(100))
    app.pass(.seconds(100))
    #expect(app.notes == [])
  }

  @Test func oneThatIsReadyInItsExtendedTimeHasItsSettleTimeToo() {
    var app = TestApp(deadline: .seconds(5), extending: .seconds(10), settle: .seconds(3))
    app.want(1, 1)
    app.extends(1, by: .seconds(9))
    app.pass(.seconds(8))
    app.ready(1)
    app.pass(.milliseconds(2_999))
    #expect(app.notes == [])
    app.pass(.milliseconds(1))
    #expect(app.notes == [.complete(revision: 1)])
  }

  // MARK: - Updates that fail

  @Test func aRevisionThatDoesNotGetReadyIsUndone() {
    var app = TestApp()
    app.up(2)
    #expect(app.rollout.isComplete)
    app.want(2, 2)
    #expect(app.starts == [3] && app.stops == [])
    app.pass(.seconds(5))
    #expect(app.notes == [.undone(revision: 2, replica: ReplicaNumber(3), .late)])
    #expect(app.stops == [3])
    app.ends(3)
    #expect(app.numbers == [1, 2] && app.rollout.isComplete)
    #expect(app.notes == [.restored(revision: 1)])
  }

  @Test func aRevisionThatCrashesOrFailsItsSettleIsUndone() {
    for event in [Rollout.Event.ended(ReplicaNumber(3), .failed), .unhealthy(ReplicaNumber(3)), .ended(ReplicaNumber(3), .done)] {
      var app = TestApp(settle: .seconds(2))
      app.up(2)
      app.pass(.seconds(2))
      app.want(2, 2)
      app.ready(3)
      app.feed(event)
      let failure = event == .unhealthy(ReplicaNumber(3)) ? Rollout.Failure.unhealthy : .ended
      #expect(app.notes.first == .undone(revision: 2, replica: ReplicaNumber(3), failure))
      #expect(app.rollout.desired.revision == 1)
      #expect(app.starts == [])
    }
  }

  /// One of the new revision that has served and goes by itself takes as long as it takes: that is no failure of the update, nor is its end.
  @Test func oneThatHasServedAndLeavesIsNotLate() {
    var app = TestApp(deadline: .seconds(5))
    app.up(2)
    app.want(2, 2)
    app.ready(3)
    #expect(app.stops == [1])
    app.ends(1)
    app.feed(.quitting(ReplicaNumber(3)))
    app.ready(4)
    // The one of the old revision has to stay: two available are promised.
    #expect(app.stops == [] && app.rollout.available(at: app.now) == 2)
    app.pass(.seconds(60))
    #expect(app.notes == [] && app.stops == [] && app.rollout.desired.revision == 2)
    app.ends(3, .failed)
    #expect(app.rollout.desired.revision == 2)
    app.pass(.seconds(10))
    app.ready(5)
    #expect(app.stops == [2])
  }

  @Test func aRevisionThatAsksAgainAndAgainToBeRestartedIsUndone() {
    var app = TestApp()
    app.up(1)
    app.want(1, 2)
    for number in 2...3 {
      app.now = app.now + .seconds(2)
      app.ends(number, .restart)
      #expect(app.startedRevisions == [2])
    }
    app.pass(.seconds(1))
    #expect(app.notes == [.undone(revision: 2, replica: ReplicaNumber(2), .ended)])
  }

  @Test func aDeployAfterACrashIsUndoneToo() {
    var app = TestApp()
    app.up(2)
    app.ends(1, .failed)
    app.want(2, 2)
    app.ends(3, .failed)
    #expect(app.notes.first == .undone(revision: 2, replica: ReplicaNumber(3), .ended))
  }

  @Test func whatIsUndoneHasItsOwnBoundsAgain() {
    var app = TestApp()
    app.up(1)
    let old = app.rollout.bounds
    let new = RolloutBounds(surge: 2, unavailable: 1, deadline: .seconds(9), settle: .seconds(1))
    app.feed(.desired(Desired(replicas: 1, revision: 2), bounds: new))
    #expect(app.rollout.bounds == new)
    app.ends(2, .failed)
    #expect(app.rollout.bounds == old)
  }

  @Test func aFirstRevisionThatDoesNotGetReadyIsSaidOnce() {
    var app = TestApp()
    app.want(2, 1)
    #expect(app.actions.last == .arm(app.now + .seconds(5)))
    app.pass(.seconds(5))
    #expect(app.notes == [.overdue(revision: 1, replica: ReplicaNumber(1))])
    app.pass(.seconds(1))
    #expect(app.notes == [])
    app.ready(1, 2)
    #expect(app.rollout.isComplete)
  }

  @Test func aRevisionThatHasServedIsNotUndoneByALaterCrash() {
    var app = TestApp()
    app.up(1)
    app.want(1, 2)
    app.ready(2)
    app.ends(1)
    #expect(app.rollout.isComplete)
    app.now = app.now + .seconds(100)
    app.ends(2, .failed)
    app.pass(.seconds(2))
    app.pass(.seconds(100))
    #expect(app.stops == [] && app.notes == [.overdue(revision: 2, replica: ReplicaNumber(3))])
    #expect(app.rollout.desired.revision == 2)
  }

  @Test func withoutSurgeTheOldOneEndsFirst() {
    var app = TestApp(surge: 0, unavailable: 0)
    app.up(1)
    app.want(1, 2)
    #expect(app.stops == [1] && app.starts == [])
    app.ends(1)
    #expect(app.starts == [2])
  }

  @Test func whatIsReadyAndHasNotSettledIsNotStoppedAllAtOnce() {
    var app = TestApp(settle: .seconds(3))
    app.up(3)
    app.want(3, 2)
    #expect(app.starts == [4] && app.stops == [])
    app.ready(4)
    #expect(app.stops == [1])
  }

  @Test func fewerAreWantedAndTheYoungestGo() {
    var app = TestApp()
    app.up(4)
    app.want(2, 1)
    #expect(app.notes == [.scaled(from: 4, to: 2)])
    #expect(app.stops == [4, 3])
  }

  // MARK: - Pause

  @Test func aPauseKeepsTheOldAndReplacesWhatFailsByItsOwn() {
    var app = TestApp()
    app.up(3)
    app.want(3, 2)
    app.feed(.pause)
    #expect(app.notes == [.paused])
    app.ready(4)
    #expect(app.stops == [])
    app.ends(1, .failed)
    app.pass(.seconds(2))
    #expect(app.startedRevisions == [1])
    app.ends(4, .failed)
    app.pass(.seconds(3))
    #expect(app.startedRevisions == [2])
    app.pass(.seconds(100))
    #expect(app.notes == [] && app.rollout.desired.revision == 2)
    app.feed(.resume)
    #expect(app.notes == [.resumed])
    // 6 gets its whole deadline again.
    app.pass(.seconds(4))
    #expect(app.notes == [])
    app.pass(.seconds(1))
    #expect(app.notes == [.undone(revision: 2, replica: ReplicaNumber(6), .late)])
  }

  @Test func aDeployDuringAPauseBeginsWithTheResumption() {
    var app = TestApp()
    app.up(2)
    app.feed(.pause)
    app.want(2, 2)
    #expect(app.starts == [] && app.notes == [.paused] && !app.rollout.isComplete)
    app.want(3, 2)
    #expect(app.startedRevisions == [1] && app.notes == [.scaled(from: 2, to: 3)])
    app.want(1, 2)
    #expect(app.stops == [3, 2])
    app.feed(.resume)
    #expect(app.notes == [.resumed, .began(revision: 2)] && app.startedRevisions == [2])
  }
}
