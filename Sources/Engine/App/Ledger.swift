import AppSpec
import Foundation
import Rollout
import StopPlan

/// What an engine knows of one app beside its machine: what is declared, its revisions, its processes and their records, and what is to be
/// written before anything is done about it.
struct Ledger {
  /// What is declared now; replicas of earlier revisions were started from theirs.
  var app: App
  /// What the file said when it was last carried out.
  var declared: App?
  /// Whether a user has stopped it.
  var isStopped = false
  /// How many replicas it had then.
  var stoppedReplicas: Int?
  var processes: [ReplicaNumber: ReplicaProcess] = [:]
  var records: [ReplicaNumber: ReplicaRecord] = [:]
  /// What runs beside replicas.
  var sidecars: [ReplicaNumber: Sidecars] = [:]
  /// The revisions that are kept, by number.
  var revisions: [Int: RevisionRecord] = [:]
  /// Whether what an earlier engine has left is looked after again.
  var isResumed = false
  /// Whether it was carried out what the file makes of it. An app that waits for another comes to that late.
  var hasBegun = false
  /// Stops of what serves that wait until the disk has room: what takes its place could not be started.
  var held: [ReplicaNumber] = []
  /// Whether a full stop was asked for.
  var isStopping = false
  /// Whether a stop that begins waits for nothing before its first signal.
  var isHurrying = false
  /// By when a full stop has to be over; nil while none is under way.
  var fullStopDeadline: Instant?
  /// Replicas of which something may still run, though nothing can be done about it.
  var inDoubt: [String] = []
  /// What is to be written before anything is done about it, and what is done then, in the machine's order.
  var outbox: [StateChange] = []
  var deeds: [Deed] = []
  var outcomeWaiters: [CheckedContinuation<AppOutcome, Never>] = []
  var writing: Task<Void, Never>?
  /// What a full disk did not take, and when it is tried again.
  var unwritten: [StateChange] = []
  var retry = Alarm()
  var written: AppRecord?
  /// Set when nothing of it is to be written any more.
  var isForgotten = false

  init(app: App) { self.app = app }

  /// What the machine wants done once it is written down.
  enum Deed {
    case start(ReplicaNumber)
    case stop(ReplicaNumber)
    case end(AppOutcome, [CheckedContinuation<AppOutcome, Never>])
  }
}

/// How what was asked of an app ended.
enum AppOutcome: Sendable {
  case complete
  case undone(String)
  case superseded
}

/// What an earlier engine has left of an app.
struct RecoveredApp: Sendable {
  var record: AppRecord?
  var revisions: [RevisionRecord] = []
  var replicas: [ReplicaRecord] = []
  var proxies: [ReplicaRecord] = []
  var sidecars: [ReplicaRecord] = []

  /// All of them.
  var records: [ReplicaRecord] { replicas + proxies + sidecars }

  /// What it was; nil when the newest of the database is lost.
  var kind: App.Kind? { record.map { $0.job == nil ? .service : .job } }
}
