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
