import AppSpec
import Foundation
import GRDB
import NIOCore
import NIOPosix
import Rollout

/// What an engine must not forget: desired state, revisions, the replicas it has started and is stopping, and events. In SQLite, WAL with
/// synchronous=FULL: what `commit` has returned from is there after a crash.
///
/// Changes of many callers that come while one transaction is written go into the next one together: a disk that syncs a hundred times a
/// second does not hold up a thousand replicas.
public actor StateStore {
  private let database: DatabaseQueue
  /// A thread of our own: a slow disk must not hold up what else runs.
  private static let thread = MultiThreadedEventLoopGroup(numberOfThreads: 1).next()

  /// Our own thread.
  public nonisolated var unownedExecutor: UnownedSerialExecutor { Self.thread.executor.asUnownedSerialExecutor() }

  /// What no event says.
  private let secrets: Secrets
  private var pending: [StateChange] = []
  private var waiting: [CheckedContinuation<Void, any Error>] = []
  private var writing: Task<Void, Never>?
  /// Events that could not be kept, because the disk was full; tried again with the next change.
  private var unkept: [EngineEvent] = []
  private var publish: @Sendable ([EngineEvent], (any Error)?) async -> Void = { _, _ in }
  /// How many events may wait for a disk.
  private static let unkeptLimit = 10_000

  /// Opens or makes the database at `path`.
  public init(path: String) throws { try self.init(path: path, secrets: Secrets(inherited: [:])) }

  /// - Parameter secrets: learns those of the revisions that are kept, and of those to come.
  init(path: String, secrets: Secrets) throws {
    database = try StateSchema.open(path)
    self.secrets = secrets
    for revision in try database.read({ try StateSchema.revisions($0, of: nil) }) { secrets.learn(revision.spec) }
  }

  /// Says who is told of events once they are kept, or of why they are not.
  func onEvents(_ publish: @escaping @Sendable ([EngineEvent], (any Error)?) async -> Void) { self.publish = publish }

  /// Keeps changes and returns when they are on the disk.
  /// - Throws: SQLite's error; nothing of the changes is kept then but for the events, which are tried again.
  func commit(_ changes: [StateChange]) async throws {
    pending += changes.map(secrets.redacted)
    try await withCheckedThrowingContinuation { continuation in
      waiting.append(continuation)
      write()
    }
  }

  /// Keeps changes some time soon, in the order of the calls.
  func post(_ changes: [StateChange]) {
    pending += changes.map(secrets.redacted)
    write()
  }

  /// Waits until everything posted is on the disk, or could not be put there.
  func flush() async { while let writing { await writing.value } }

  private func write() {
    guard writing == nil else { return }
    writing = Task {
      while !pending.isEmpty || !waiting.isEmpty { await writePending() }
      writing = nil
    }
  }

  /// Blocks our thread until the disk has it: GRDB's own waiting would begin libdispatch's pool.
  private func keep(_ changes: [StateChange], after late: [EngineEvent]) throws -> [EngineEvent] {
    try database.write { database in
      for event in late { _ = try StateSchema.apply(.event(event), to: database) }
      return try changes.compactMap { try StateSchema.apply($0, to: database) }
    }
  }

  private func writePending() async {
    let (changes, waiters, late) = (pending, waiting, unkept)
    (pending, waiting, unkept) = ([], [], [])
    do {
      let events = try keep(changes, after: late)
      if !events.isEmpty { await publish(events, nil) }
      for waiter in waiters { waiter.resume() }
    } catch {
      let events = changes.compactMap { if case .event(let event) = $0 { event } else { nil } }
      unkept = (late + events).suffix(Self.unkeptLimit)
      await publish(events, error)
      for waiter in waiters { waiter.resume(throwing: error) }
    }
  }

  // MARK: - Reading

  /// The events after `id`, oldest first, at most the last `limit`; of one app or replica, or all when nil.
  public nonisolated func events(after id: Int64 = 0, limit: Int, of name: String?) throws -> [(id: Int64, event: EngineEvent)] {
    try database.read { try StateSchema.events($0, after: id, limit: limit, of: name) }
  }

  /// The revisions of an app that are kept, the oldest first.
  public nonisolated func revisions(of app: String) throws -> [RevisionRecord] {
    try database.read { try StateSchema.revisions($0, of: app) }
  }

  nonisolated func stops(of app: String) throws -> [StopRecord] { try database.read { try StateSchema.stops($0, of: app) } }

  nonisolated func apps() throws -> [AppRecord] { try database.read { try StateSchema.apps($0) } }

  nonisolated func replicas() throws -> [ReplicaRecord] { try database.read { try StateSchema.replicas($0) } }
}
