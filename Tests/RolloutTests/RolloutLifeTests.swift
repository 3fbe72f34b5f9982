import Foundation
import Rollout
import StopPlan
import Testing

/// Replicas that run: their liveness, their endings, engines that die.
@Suite struct RolloutLifeTests {
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

  // MARK: - What is told of the end

  /// Only what was asked for is complete; what takes the place of a failure is not told as a rollout.
  @Test func whatFailsIsRestoredAndWhatIsAskedForIsComplete() throws {
    var app = TestApp()
    app.up(2)
    app.ends(1, .failed)
    app.pass(.seconds(2))
    app.ready(3)
    #expect(app.notes == [.restored(revision: 1)])
    app.ends(2, .failed)
    app.want(3, 1)
    app.pass(.seconds(10))
    var notes: [Rollout.Note] = []
    for number in app.numbers where number > 3 {
      app.ready(number)
      notes += app.notes
    }
    #expect(app.rollout.isComplete && notes == [.complete(revision: 1)], "\(app.rollout.replicas)")
    // Over an engine's death, and written by a version that did not know of it.
    app.ends(app.numbers[0], .failed)
    let text = String(decoding: try JSONEncoder().encode(app.rollout.saved), as: UTF8.self)
    #expect(text.contains("\"isRepair\":true"))
    let older = text.replacingOccurrences(of: "\"isRepair\":true,", with: "").replacingOccurrences(of: ",\"isRepair\":true", with: "")
    for (text, note) in [(text, Rollout.Note.restored(revision: 1)), (older, .complete(revision: 1))] {
      let saved = try JSONDecoder().decode(Rollout.Saved.self, from: Data(text.utf8))
      var again = Rollout(restoring: saved, replicas: app.rollout.replicas, at: app.now)
      let later = app.now + .seconds(100)
      let started = again.handle(.clock, at: later).compactMap { if case .start(let number, _) = $0 { number } else { nil } }
      let notes = try #require(started.first.map { again.handle(.ready($0), at: later) })
      #expect(notes.contains(.note(note)), "\(notes)")
    }
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
