import Foundation
import Rollout
import StopPlan
import Testing

/// An app in a test: what it is fed, and what came out of it last.
struct TestApp {
  var rollout: Rollout
  var now = Instant(nanoseconds: 1_000_000_000)
  private(set) var actions: [Rollout.Action] = []

  init(
    surge: Int = 1, unavailable: Int = 0, deadline: TimeSpan = .seconds(5), extending: TimeSpan = .zero, settle: TimeSpan = .zero,
    backoff: ClosedRange<TimeSpan> = .seconds(1) ... .seconds(8)
  ) {
    rollout = Rollout(
      RolloutBounds(
        surge: surge, unavailable: unavailable, deadline: deadline, extending: extending, settle: settle, backoff: backoff))
  }

  mutating func feed(_ event: Rollout.Event) { actions = rollout.handle(event, at: now) }

  mutating func want(_ replicas: Int, _ revision: Int) { feed(.desired(Desired(replicas: replicas, revision: revision))) }

  mutating func pass(_ span: TimeSpan) {
    now = now + span
    feed(.clock)
  }

  mutating func ready(_ numbers: Int...) { for number in numbers { feed(.ready(ReplicaNumber(number))) } }

  /// A replica asks to be awaited so much longer from now on.
  mutating func extends(_ number: Int, by span: TimeSpan) { feed(.extended(ReplicaNumber(number), until: now + span)) }

  mutating func ends(_ number: Int, _ ending: Ending = .done) { feed(.ended(ReplicaNumber(number), ending)) }

  mutating func unhealthy(_ numbers: Int...) { for number in numbers { feed(.unhealthy(ReplicaNumber(number))) } }

  /// Brings up a first revision of so many replicas.
  mutating func up(_ replicas: Int) {
    want(replicas, 1)
    for number in 1...replicas { ready(number) }
  }

  var starts: [Int] { actions.compactMap { if case .start(let number, _) = $0 { number.value } else { nil } } }
  var startedRevisions: [Int] { actions.compactMap { if case .start(_, let revision) = $0 { revision } else { nil } } }
  var stops: [Int] { actions.compactMap { if case .stop(let number) = $0 { number.value } else { nil } } }
  var notes: [Rollout.Note] { actions.compactMap { if case .note(let note) = $0 { note } else { nil } } }
  var numbers: [Int] { rollout.replicas.map(\.number.value) }
}

@Suite struct RolloutTests {
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
    #expect(app.notes == [.complete(revision: 1)])
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
    #expect(app.starts == [] && app.notes == [] && !app.rollout.isComplete)
    app.want(3, 2)
    #expect(app.startedRevisions == [1] && app.notes == [.scaled(from: 2, to: 3)])
    app.want(1, 2)
    #expect(app.stops == [3, 2])
    app.feed(.resume)
    #expect(app.notes == [.resumed, .began(revision: 2)] && app.startedRevisions == [2])
  }

  // MARK: - Liveness

  @Test func anUnhealthyReplicaHasItsSubstituteFirst() {
    var app = TestApp()
    app.up(2)
    app.unhealthy(1)
    #expect(app.stops == [] && app.starts == [])
    app.pass(.seconds(2))
    #expect(app.starts == [3] && app.stops == [])
    app.ready(3)
    #expect(app.stops == [1])
  }

  @Test func aBrakeHoldsWhenManyAreUnhealthyAndIsToldOnce() {
    var app = TestApp(surge: 0, unavailable: 1)
    app.up(5)
    var notes: [Rollout.Note] = []
    for number in 1...5 {
      app.unhealthy(number)
      notes += app.notes
      #expect(app.stops == (number == 1 ? [1] : []))
    }
    #expect(notes == [.holding(1)])
    for number in 2...4 { app.feed(.healthy(ReplicaNumber(number))) }
    app.feed(.healthy(ReplicaNumber(5)))
    #expect(app.notes == [.holding(0)])
    app.ends(1)
    app.pass(.seconds(2))
    app.ready(6)
    #expect(app.numbers == [2, 3, 4, 5, 6])
    #expect(app.rollout.isComplete)
  }

  // MARK: - Endings

  @Test func whatEndsForGoodIsNotReplaced() {
    var app = TestApp()
    app.up(2)
    app.ends(1, .done)
    #expect(app.notes == [.notReplaced(ReplicaNumber(1), .done)])
    #expect(app.starts == [] && app.rollout.wanted == 1 && app.rollout.isComplete)
    app.ends(2, .refused)
    #expect(app.notes == [.notReplaced(ReplicaNumber(2), .refused), .stopped])
    app.want(2, 2)
    #expect(app.starts == [3, 4])
  }

  @Test func whatAsksToBeRestartedIsStartedAtOnceButNotInALoop() {
    var app = TestApp()
    app.up(1)
    app.now = app.now + .seconds(1)
    app.ends(1, .restart)
    #expect(app.starts == [2] && app.notes == [])
    app.ends(2, .restart)
    #expect(app.starts == [])
    #expect(app.rollout.backingOffUntil.map { $0 > app.now } == true)
  }

  @Test func pausesGrowWithinTheirBoundsAndAreForgotten() {
    var app = TestApp()
    app.up(1)
    var nominal = TimeSpan.seconds(1)
    for number in 1...6 {
      app.ends(number, .failed)
      guard let until = app.rollout.backingOffUntil else { return #expect(Bool(false), "no pause") }
      #expect(until - app.now >= max(.seconds(1), nominal - nominal / 4) && until - app.now <= min(.seconds(8), nominal + nominal / 4))
      #expect(app.rollout.failuresInARow == number)
      app.pass(until - app.now)
      #expect(app.starts == [number + 1] && app.rollout.backingOffUntil == nil)
      nominal = min(nominal + nominal, .seconds(8))
    }
    app.ready(7)
    app.pass(.seconds(8))
    #expect(app.rollout.failuresInARow == 0)
    #expect(app.actions == [.arm(nil)] || app.actions.isEmpty)
  }

  @Test func aHundredThatFailTogetherAreOneFailure() {
    var app = TestApp()
    app.up(100)
    for number in 1...100 {
      app.now = app.now + .milliseconds(20)
      app.ends(number, .failed)
    }
    #expect(app.rollout.failuresInARow == 1)
    app.pass(.seconds(2))
    #expect(app.rollout.count == 100)
  }

  @Test func appsThatFailTogetherPauseDifferently() {
    let pauses = (UInt64(0)..<20).map { seed in
      var rollout = Rollout(RolloutBounds(surge: 1, unavailable: 0, deadline: .seconds(5), settle: .zero), seed: seed)
      let start = Instant(nanoseconds: 0)
      _ = rollout.handle(.desired(Desired(replicas: 1, revision: 1)), at: start)
      _ = rollout.handle(.ended(ReplicaNumber(1), .failed), at: start)
      return rollout.backingOffUntil
    }
    #expect(Set(pauses).count == 20)
  }

  // MARK: - Engine deaths and size

  @Test func aRestoredMachineDecidesNothingBeforeItKnows() throws {
    var app = TestApp()
    app.up(3)
    app.want(3, 2)
    let data = try JSONEncoder().encode(app.rollout.saved)
    let saved = try JSONDecoder().decode(Rollout.Saved.self, from: data)
    #expect(saved == app.rollout.saved)
    let replicas = app.rollout.replicas
    app.rollout = Rollout(restoring: saved, replicas: replicas, at: app.now)
    app.ready(4)
    #expect(app.actions == [])
    app.ends(2, .lost)
    #expect(app.actions == [])
    app.feed(.clock)
    // Of 1, 3 and the new 4 none can be spared.
    #expect(app.stops == [] && app.starts == [5] && app.startedRevisions == [2])
  }

  @Test func aReplicaThatNeverRanIsNoFailure() {
    var app = TestApp()
    app.up(1)
    app.want(1, 2)
    app.rollout = Rollout(restoring: app.rollout.saved, replicas: app.rollout.replicas, at: app.now)
    app.ends(2, .lost)
    app.feed(.clock)
    #expect(app.notes == [] && app.startedRevisions == [2])
  }

  @Test func theClockIsArmedOnlyWhenItsMomentChanges() {
    var app = TestApp(deadline: .seconds(60))
    app.want(3, 1)
    #expect(app.actions.last == .arm(app.now + .seconds(60)))
    app.ready(1)
    #expect(app.actions == [])
    app.pass(.seconds(1))
    #expect(app.actions == [.arm(app.now + .seconds(59))])
  }

  @Test func fiveThousandReplicasAreStartedReadyAndReplaced() {
    var app = TestApp(surge: 100, unavailable: 0, settle: .milliseconds(10))
    app.want(5_000, 1)
    var waiting = app.starts
    var steps = 0
    func run() {
      while !app.rollout.isComplete {
        steps += 1
        let batch = waiting
        waiting = []
        for number in batch {
          app.now = app.now + .milliseconds(1)
          app.ready(number)
          waiting += app.starts
          for stopped in app.stops {
            app.ends(stopped)
            waiting += app.starts
          }
        }
        app.pass(.milliseconds(10))
        waiting += app.starts
        for stopped in app.stops {
          app.ends(stopped)
          waiting += app.starts
        }
        if steps > 10_000 { return }
      }
    }
    run()
    #expect(app.rollout.count == 5_000 && app.numbers.last == 5_000)
    app.want(5_000, 2)
    waiting += app.starts
    run()
    #expect(app.rollout.isComplete && app.rollout.count == 5_000 && app.numbers.last == 10_000)
  }
}
