import AppSpec
import Foundation
import Ingress
import Linux
import Rollout
import StopPlan

/// Keeps one app's proxy running and tells it which replicas there are; a proxy that takes another's place is told all of them.
actor ProxyController {
  private let app: App
  private let listener: ListeningSocket
  private let context: EngineContext
  private var supervision: Supervision
  private var process: IngressProcess?
  private var count = 0
  private var alarm = Alarm()
  /// The ready replicas by name, with their ports: what every proxy has to know.
  private var members: [String: Int] = [:]
  /// Whether requests wait for a replica: not while none is to come. The last wish counts, in whatever order they arrive.
  private var holds = true
  private var lastWish = 0
  private var hasWish = false
  private var isTellingWish = false
  /// A new proxy is being told the members; no other change may come in between.
  private var telling: Task<Void, Never>?

  init(app: App, listener: ListeningSocket, context: EngineContext) {
    self.app = app
    self.listener = listener
    self.context = context
    supervision = Supervision(backoff: app.restart.backoff)
  }

  /// Starts the proxy and waits until it takes connections.
  func start() async throws {
    for action in supervision.handle(.wanted, at: Clock.now) where action == .start {
      let process = next()
      do {
        try await process.start()
        if !holds { try await process.hold(false) }
      } catch {
        feed(.unwanted)
        feed(.ended)
        throw error
      }
      Task { await follow(process) }
    }
  }

  /// Takes over the proxies that an earlier engine has started: the newest serves, others end.
  /// - Returns: whether one serves.
  func adopt(_ records: [ReplicaRecord]) async -> Bool {
    for record in records.sorted(by: { $0.number > $1.number }) {
      count = max(count, record.number)
      // Its numbers may be anybody's by now.
      guard record.isOfThisBoot else { continue }
      let process = IngressProcess(record, app: app, listener: listener, context: context)
      guard await process.adopt() else {
        Task { await process.untilEnded() }
        continue
      }
      if self.process == nil {
        _ = supervision.handle(.wanted, at: Clock.now)
        self.process = process
        Task { await follow(process) }
      } else {
        Task { await process.untilEnded() }
        await process.stop(deadline: Clock.now + app.stop.grace)
      }
    }
    return process != nil
  }

  /// Whoever is not a member by now is not sent anything any more.
  func keepOnlyMembers() async { await process?.keepOnly(Set(members.keys)) }

  /// Stops the proxy: it answers what is in flight and closes. Waits for its end.
  func stop(deadline: Instant) async {
    feed(.unwanted)
    await process?.stop(deadline: deadline)
    await process?.untilEnded()
  }

  /// Skips to the next signal.
  func escalate() async { await process?.escalate() }

  /// Has its keeper become the one that is installed now.
  func bringKeeperUpToDate() async { await process?.bringKeeperUpToDate() }

  // MARK: - Members

  /// Sends requests to a replica from now on; when the proxy is gone just now, from its successor's start on.
  func add(_ replica: String, port: Int) async throws {
    members[replica] = port
    await telling?.value
    guard members[replica] == port, let process else { return }
    do {
      try await process.add(replica, port: port)
      // Who is added is waited for, unless its app was stopped meanwhile.
      if !holds { await tellWish() }
    } catch {
      if case IngressError.refused? = error as? IngressError { throw error }
      // It is gone, or as good as gone; who takes its place is told all members.
      await process.stop(deadline: Clock.now)
    }
  }

  /// Takes a replica out. When this returns no new request goes to it.
  /// - Returns: how many requests are still in flight.
  func drain(_ replica: String) async throws -> Int {
    members.removeValue(forKey: replica)
    await telling?.value
    return try await process?.drain(replica) ?? 0
  }

  /// Says whether a replica is to come, so that requests wait for it.
  /// - Parameter wish: counts up; an earlier one changes nothing any more.
  func hold(_ holds: Bool, wish: Int) async {
    guard wish > lastWish else { return }
    (lastWish, self.holds) = (wish, holds)
    await telling?.value
    await tellWish()
  }

  /// Says what is wished, once more for whatever came while it was being said.
  private func tellWish() async {
    hasWish = true
    if isTellingWish { return }
    isTellingWish = true
    defer { isTellingWish = false }
    while hasWish {
      hasWish = false
      try? await process?.hold(holds)
    }
  }

  /// Waits no longer for what is in flight on a replica.
  func hurry(_ replica: String) async { await process?.hurry(replica) }

  func untilDrained(_ replica: String, by deadline: Instant) async { await process?.untilDrained(replica, by: deadline) }

  func remove(_ replica: String) async {
    members.removeValue(forKey: replica)
    await telling?.value
    await process?.remove(replica)
  }

  func inFlight(_ replica: String? = nil) async -> Int? { await process?.inFlight(replica) }

  func inFlightByReplica() async -> [String: Int] { await process?.inFlightByReplica() ?? [:] }

  // MARK: - The process

  private func feed(_ event: Supervision.Event) {
    for action in supervision.handle(event, at: Clock.now) {
      switch action {
      case .start: Task { await restart() }
      case .arm(let moment): alarm.set(moment) { await self.feed(.clock) }
      case .backingOff(let until):
        let tenths = max(0, (until - Clock.now).nanoseconds) / 100_000_000
        let text = "the proxy of \(app.name) ended by itself; connections wait until another one starts in \(tenths / 10).\(tenths % 10) s"
        Task { await context.reporter.report(EngineEvent(app: app.name, kind: .warning, reason: "ProxyEnded", message: text)) }
      }
    }
  }

  private func next() -> IngressProcess {
    count += 1
    let record = IngressProcess.record(of: app, number: count)
    let process = IngressProcess(record, app: app, listener: listener, context: context)
    self.process = process
    return process
  }

  private func restart() async {
    // A stop may have come since this was decided.
    guard supervision.isWanted else { return feed(.ended) }
    let process = next()
    let telling = Task {
      do {
        try await process.start()
        for (name, port) in members where members[name] != nil { try await process.add(name, port: port) }
        if !holds { try await process.hold(false) }
      } catch {
        await context.reporter.report(EngineEvent(app: app.name, kind: .warning, reason: "Failed", message: "\(error)"))
        // Whatever is left of it would take connections and answer none.
        await process.stop(deadline: Clock.now)
      }
    }
    self.telling = telling
    await telling.value
    self.telling = nil
    await follow(process)
  }

  private func follow(_ process: IngressProcess) async {
    await process.untilEnded()
    feed(.ended)
  }
}
