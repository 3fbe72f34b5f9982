import StopPlan

/// Decides when a process that an app always needs, its proxy, is started again after it has ended: after a pause that grows, and never
/// once it is not wanted any more.
public struct Supervision: Sendable {
  /// What can happen.
  public enum Event: Equatable, Sendable {
    /// It is wanted from now on.
    case wanted
    /// It is not wanted any more; whoever says so ends it.
    case unwanted
    /// It has ended, or could not be started.
    case ended
    /// Time has passed.
    case clock
  }

  /// What is to be done.
  public enum Action: Equatable, Sendable {
    /// Start it.
    case start
    /// Send `.clock` at this moment; nil takes the last one back.
    case arm(Instant?)
    /// It ended by itself and is started again at that moment.
    case backingOff(until: Instant)
  }

  private enum Phase: Equatable {
    case idle
    case running(since: Instant)
    case waiting(until: Instant)
  }

  private var phase = Phase.idle
  /// Whether it is wanted now.
  public private(set) var isWanted = false
  private var backoff: Backoff

  /// Whether it is started again after a pause.
  public var isWaiting: Bool { if case .waiting = phase { true } else { false } }

  /// Nothing runs and nothing is wanted.
  public init(backoff bounds: ClosedRange<TimeSpan>) { backoff = Backoff(bounds) }

  /// Takes in what happened and returns what to do about it.
  public mutating func handle(_ event: Event, at now: Instant) -> [Action] {
    switch event {
    case .wanted:
      isWanted = true
      if phase == .idle { return start(at: now) }
    case .unwanted:
      isWanted = false
      if case .waiting = phase {
        phase = .idle
        return [.arm(nil)]
      }
    case .ended:
      guard case .running(let since) = phase else { return [] }
      phase = .idle
      guard isWanted else { return [] }
      // What ran for long did not fail by its start.
      if now - since >= backoff.bounds.upperBound { backoff.reset() }
      let until = now + backoff.next()
      phase = .waiting(until: until)
      return [.backingOff(until: until), .arm(until)]
    case .clock:
      if case .waiting(let until) = phase, now >= until { return start(at: now) }
    }
    return []
  }

  private mutating func start(at now: Instant) -> [Action] {
    phase = .running(since: now)
    return [.start]
  }
}
