import Rollout
import Seeded
import StopPlan
import Testing

@Suite struct SupervisionTests {
  private let bounds: ClosedRange<TimeSpan> = .milliseconds(10) ... .seconds(1)

  /// The process starts badly, crashes and is unwanted at any time; a clock comes when armed and when not.
  @Test(arguments: UInt64(0)..<4) func itIsStartedAgainAfterAPauseAndNeverTwice(part: UInt64) {
    for seed in (part * 500)..<((part + 1) * 500) {
      var random = SeededRandom(seed: seed)
      var supervision = Supervision(backoff: bounds)
      var now = Instant(nanoseconds: 0)
      var (runs, isWanted, armed) = (false, false, Instant?.none)
      func take(_ actions: [Supervision.Action]) {
        for action in actions {
          switch action {
          case .start:
            #expect(!runs && isWanted, "seed \(seed)")
            runs = true
          case .arm(let moment): armed = moment
          case .backingOff(let until): #expect(until - now >= bounds.lowerBound && until - now <= bounds.upperBound, "seed \(seed)")
          }
        }
      }
      for _ in 0..<60 {
        now = now + .milliseconds(Int64(random.int(0...2_000)))
        switch random.int(0...9) {
        case 0:
          isWanted = false
          take(supervision.handle(.unwanted, at: now))
        case 1...2:
          isWanted = true
          take(supervision.handle(.wanted, at: now))
        case 3...6 where runs:
          runs = false
          take(supervision.handle(.ended, at: now))
        default: take(supervision.handle(.clock, at: now))
        }
      }
      isWanted = true
      take(supervision.handle(.wanted, at: now))
      if !runs, let moment = armed { take(supervision.handle(.clock, at: max(now, moment))) }
      #expect(runs, "seed \(seed): wanted, and not started")
    }
  }

  @Test func thePausesGrowToABoundAndAreForgottenAfterALongRun() {
    var supervision = Supervision(backoff: bounds)
    var now = Instant(nanoseconds: 0)
    _ = supervision.handle(.wanted, at: now)
    var pauses: [TimeSpan] = []
    for _ in 0..<9 {
      guard case .backingOff(let until)? = supervision.handle(.ended, at: now).first else { continue }
      pauses.append(until - now)
      now = until
      #expect(supervision.handle(.clock, at: now) == [.start])
    }
    #expect(pauses == [10, 20, 40, 80, 160, 320, 640, 1_000, 1_000].map { .milliseconds($0) })
    now = now + .seconds(1)
    #expect(supervision.handle(.ended, at: now).first == .backingOff(until: now + .milliseconds(10)))
  }
}
