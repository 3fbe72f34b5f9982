import AppSpec
import CLinux
import Foundation
import Ingress
import Linux
import StopPlan

/// The proxy of one app: a program of ours under a keeper of its own, as any replica.
actor IngressProcess {
  private let app: App
  private let record: ReplicaRecord
  private let process: ReplicaProcess
  private let context: EngineContext
  private let controlPath: String
  private var client: IngressClient?
  private var drainWaiters: [String: CheckedContinuation<Void, Never>] = [:]
  private var drained: Set<String> = []
  /// Those whose drain is not waited for any more.
  private var hurried: Set<String> = []

  init(_ record: ReplicaRecord, app: App, listener: ListeningSocket, context: EngineContext) {
    self.app = app
    self.record = record
    self.context = context
    controlPath = context.paths.replica(record.name) + "/ingress.sock"
    let command = CommandWords(
      program: context.ownBinary, arguments: [Template("ingress"), Template("--control"), Template(controlPath)], directory: app.directory)
    let proxy = App(proxyFor: app, named: record.name, command: command)
    process = ReplicaProcess(record, app: proxy, listener: listener.descriptor, context: context)
  }

  /// The record of an app's proxy of that number.
  static func record(of app: App, number: Int) -> ReplicaRecord {
    ReplicaRecord(
      name: app.name + "-proxy" + (number == 1 ? "" : "-\(number)"), app: app.name, role: .proxy, number: number, revision: 0,
      boot: ReplicaRecord.currentBoot, startedAt: Clock.now.nanoseconds)
  }

  /// Starts the proxy and waits until it takes connections.
  func start() async throws {
    try await context.store.commit([.replica(record)])
    try await process.launch(record)
    try await connect()
  }

  /// Takes over a proxy that an earlier engine has started.
  /// - Returns: false when it has ended.
  func adopt() async -> Bool {
    await process.adopt()
    do { try await connect() } catch {
      await stop(deadline: Clock.now)
      return false
    }
    return true
  }

  private func connect() async throws {
    guard await process.untilReady() else {
      throw EngineError("the proxy of \(app.name) ended before it was ready; see lastcall logs \(app.name)-proxy")
    }
    let client = try await IngressClient.connect(controlPath)
    self.client = client
    Task {
      for await event in client.events {
        if case .drained(let replica) = event { isDrained(replica) }
      }
      // It is gone, and with it whatever was in flight.
      for replica in drainWaiters.keys { wake(replica) }
    }
  }

  func untilEnded() async {
    await process.untilEnded()
    let event = EngineEvent(
      app: app.name, replica: record.name, reason: "Exited", message: "\(record.name) \(ExitWords.of(await process.exitStatus))",
      key: await process.endKey)
    await context.store.post([.replicaGone(record.name), .event(event)])
    await context.ended.add(record, of: 1)
  }

  /// Sends requests to a replica from now on.
  func add(_ replica: String, port: Int) async throws {
    guard let address = ReplicaAddress("127.0.0.1:\(port)") else { return }
    try await client?.add(replica, address)
  }

  /// Takes a replica out. When this returns no new request goes to it.
  /// - Returns: how many requests are still in flight.
  func drain(_ replica: String) async throws -> Int {
    guard let answer = try await client?.drain(replica) else { return 0 }
    if answer.isDrained { isDrained(replica) }
    return answer.inFlight
  }

  /// Waits until nothing is in flight on a drained replica, at most until the deadline.
  func untilDrained(_ replica: String, by deadline: Instant) async {
    if drained.contains(replica) || hurried.contains(replica) { return }
    let limit = Task {
      try await TaskThreads.sleep(deadline - Clock.now)
      wake(replica)
    }
    await withCheckedContinuation { drainWaiters[replica] = $0 }
    limit.cancel()
  }

  /// Whether requests that find no replica wait for one.
  func hold(_ holds: Bool) async throws { try await client?.hold(holds) }

  func remove(_ replica: String) async {
    drained.remove(replica)
    hurried.remove(replica)
    try? await client?.remove(replica)
  }

  /// Forgets the replicas that are not among these.
  func keepOnly(_ members: Set<String>) async {
    for replica in (try? await client?.status().replicas) ?? [] where !members.contains(replica.replica) { await remove(replica.replica) }
  }

  /// The requests in flight on a replica, or on all of them; nil when that is not known.
  func inFlight(_ replica: String?) async -> Int? {
    guard let replicas = try? await client?.status().replicas else { return nil }
    guard let replica else { return replicas.reduce(0) { $0 + $1.inFlight } }
    return replicas.first { $0.replica == replica }?.inFlight
  }

  func inFlightByReplica() async -> [String: Int] {
    let replicas = (try? await client?.status().replicas) ?? []
    return Dictionary(replicas.map { ($0.replica, $0.inFlight) }, uniquingKeysWith: { first, _ in first })
  }

  private func isDrained(_ replica: String) {
    drained.insert(replica)
    wake(replica)
  }

  /// Waits no longer for what is in flight on a drained replica.
  func hurry(_ replica: String) {
    hurried.insert(replica)
    wake(replica)
  }

  private func wake(_ replica: String) { drainWaiters.removeValue(forKey: replica)?.resume() }

  /// Stops the proxy: it answers what is in flight and closes.
  func stop(deadline: Instant) async {
    await process.stop(ReplicaRecord.Stop(id: RequestIDs.next(), deadline: deadline.nanoseconds))
  }

  func escalate() async { await process.escalate() }

  func bringKeeperUpToDate() async { await process.bringKeeperUpToDate() }
}

extension App {
  /// The proxy as an app: ready when it says so, stopped by TERM within the app's own grace.
  init(proxyFor app: App, named name: String, command: CommandWords) {
    self.init(name: name, command: command)
    directory = app.directory
    logs = app.logs
    update = app.update
    ready = Readiness(.notify)
    notify.store = 0
    stop = Stop(grace: app.stop.grace)
  }
}
