import Foundation
import Synchronization

/// Carries a ``LoadPlan`` out: a thread for every connection.
public final class LoadRun: Sendable {
  let plan: LoadPlan
  let host: String
  private let tallies: [LockedTally]
  private let behaviours: [Behaviour]
  private let stopping = Atomic<Bool>(false)
  private let usesOther = Atomic<Bool>(false)
  private let begun = Atomic<Int>(0)
  private let startTime = Atomic<UInt64>(0)
  private let endTime = Atomic<UInt64>(0)
  private let readiness: Mutex<Readiness>
  private let firstBodies = Mutex<[String: UInt64]>([:])

  /// One connection's counts: only its own thread writes them, so the lock is hardly ever waited for.
  private final class LockedTally: Sendable {
    let value: Mutex<Tally>

    init(_ tally: Tally) {
      value = Mutex(tally)
    }
  }

  private struct Readiness {
    var waitingFor: Int
    var after: Double?
    var onReady: (@Sendable () -> Void)?
  }

  /// A run of `plan` that has not begun. Connections beyond 4096 are not made; the duration is bounded by ``LoadPlan/longestDuration``.
  public init(_ plan: LoadPlan) {
    var bounded = plan
    bounded.connections = min(max(plan.connections, 1), 4096)
    bounded.duration = min(plan.duration, LoadPlan.longestDuration)
    self.plan = bounded
    host = plan.target.authority
    behaviours = bounded.mix.assign(bounded.connections)
    tallies = behaviours.map { LockedTally(Tally(connectionOf: $0)) }
    readiness = Mutex(Readiness(waitingFor: bounded.connections))
  }

  /// Runs the load and returns when it has ended and no request is in flight any more.
  /// - Parameter onReady: called once, on one of the run's threads, when every connection has had its first right answer.
  public func run(onReady: @escaping @Sendable () -> Void = {}) -> LoadReport {
    let start = monotonicNow()
    startTime.store(start, ordering: .relaxed)
    endTime.store(start + plan.duration.nanoseconds, ordering: .relaxed)
    readiness.withLock { $0.onReady = onReady }
    let group = DispatchGroup()
    var postConnections = 0
    for (index, behaviour) in behaviours.enumerated() {
      if behaviour == .post { postConnections += 1 }
      let keepsConnection = behaviour == .post ? !postConnections.isMultiple(of: 2) : behaviour != .new
      group.enter()
      let thread = Thread {
        ConnectionWorker(run: self, index: index, behaviour: behaviour, keepsConnection: keepsConnection).work()
        group.leave()
      }
      thread.stackSize = 512 * 1024
      thread.start()
    }
    group.wait()
    let end = monotonicNow()
    endTime.store(end, ordering: .relaxed)
    return report()
  }

  /// Begins no further request; those in flight are finished.
  public func stop() {
    stopping.store(true, ordering: .relaxed)
  }

  /// Sends connections made from now on to the other target, or back; those that are there stay.
  public func switchTarget() {
    _ = usesOther.logicalXor(true, ordering: .relaxed)
  }

  /// Where new connections go.
  var target: Endpoint {
    usesOther.load(ordering: .relaxed) ? plan.otherTarget ?? plan.target : plan.target
  }

  /// What has happened so far.
  public func report() -> LoadReport {
    var total = Tally()
    for tally in tallies { total.merge(tally.value.withLock { $0 }) }
    return LoadReport(
      plan: plan, tally: total, seconds: elapsed(min(monotonicNow(), max(endTime.load(ordering: .relaxed), 1))),
      readyAfter: readiness.withLock { $0.after })
  }

  /// Seconds from the start of the run to `time`.
  func elapsed(_ time: UInt64) -> Double {
    let start = startTime.load(ordering: .relaxed)
    return time > start ? Double(time - start) / 1e9 : 0
  }

  /// Whether a connection goes on; the answer is the same for whoever asks without beginning a request.
  var isOver: Bool {
    stopping.load(ordering: .relaxed) || monotonicNow() >= endTime.load(ordering: .relaxed)
  }

  /// Whether one more request may begin, which is then counted.
  func begin() -> Bool {
    guard !isOver else { return false }
    guard let limit = plan.requests else { return true }
    return begun.wrappingAdd(1, ordering: .relaxed).oldValue < limit
  }

  func update(_ index: Int, _ change: (inout Tally) -> Void) {
    tallies[index].value.withLock { change(&$0) }
  }

  /// A connection has had its first right answer.
  func connectionIsReady() {
    let call = readiness.withLock { state -> (@Sendable () -> Void)? in
      state.waitingFor -= 1
      guard state.waitingFor == 0 else { return nil }
      state.after = elapsed(monotonicNow())
      return state.onReady
    }
    call?()
  }

  /// The hash that bodies of `path` must have, once one has been seen.
  func expectedBody(_ path: String) -> UInt64? {
    firstBodies.withLock { $0[path] }
  }

  /// Remembers the first hash of `path`; says whether `hash` is it.
  func isSameBody(_ path: String, _ hash: UInt64) -> Bool {
    firstBodies.withLock { known in
      let first = known[path] ?? hash
      known[path] = first
      return first == hash
    }
  }
}

extension Duration {
  /// Whole nanoseconds, 0 for what is negative, bounded by about 292 years.
  var nanoseconds: UInt64 {
    guard self > .zero else { return 0 }
    let (seconds, attoseconds) = components
    return UInt64(min(seconds, 9_000_000_000)) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000)
  }

  /// Whole milliseconds for poll(2), rounded up.
  var pollMilliseconds: Int32 {
    Int32(clamping: (nanoseconds + 999_999) / 1_000_000)
  }
}
