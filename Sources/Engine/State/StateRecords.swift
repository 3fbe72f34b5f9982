import AppSpec
import Foundation
import Linux
import Rollout
import StopPlan

/// What is kept of one app: what it is to be.
struct AppRecord: Codable, Sendable, Equatable {
  var name: String
  /// What a service's rollout goes on from.
  var rollout: Rollout.Saved?
  /// What a job goes on from.
  var job: ScheduledJob.Saved?
  /// What the file said when it was last carried out. A revision that was undone is not tried again because an engine has died.
  var declared: App?
  /// Whether a user has stopped it; it stays so over an engine's death.
  var isStopped = false
  /// How many replicas it had, and gets again when it is started.
  var stoppedReplicas: Int?
}

/// How long a stop really took.
struct StopRecord: Sendable {
  var app: String
  var seconds: Double
  var wasKilled: Bool
}

/// A revision of an app: what its replicas are started from. A restart is a revision too.
public struct RevisionRecord: Codable, Sendable, Equatable {
  /// The app's name.
  public var app: String
  /// Counts from 1.
  public var number: Int
  /// When it was made, in seconds since 1970 UTC.
  public var at: Double
  /// Why there is one: up, deploy, restart, undo to revision 3, …
  public var cause: String
  /// What became of it: empty while nothing has, then complete, undone or superseded.
  public var outcome = ""
  /// What was declared.
  public var spec: App
}

/// A replica, a proxy or a sidecar that was started, or is about to be: written before the fork, so that a later engine looks for it.
struct ReplicaRecord: Codable, Sendable, Equatable {
  enum Role: String, Codable, Sendable { case replica, proxy, sidecar }

  /// A stop that was asked for; a later engine goes on with it: the same id, the same deadline.
  struct Stop: Codable, Sendable, Equatable {
    var id: UInt64
    /// On the monotonic clock, which goes on until the next boot; 0 kills at once.
    var deadline: Int64
    /// When it was asked for, on the same clock.
    var since: Int64?
    /// Whether the preStop hook of kind HTTP was asked; that its keeper does not know.
    var isHookOver: Bool?

    /// The same, over sooner; a request of its own for the keeper.
    func shortened(to deadline: Instant) -> Stop {
      var stop = self
      (stop.id, stop.deadline) = (RequestIDs.next(), deadline.nanoseconds)
      return stop
    }

    /// Whether nobody is told, but killed.
    var isAtOnce: Bool { deadline == 0 }
  }

  var name: String
  var app: String
  var role = Role.replica
  /// Of a sidecar that of the replica that it is beside.
  var number: Int
  var revision: Int
  var port: Int?
  /// Which of the app's sidecars it is.
  var sidecar: String?
  /// The boot it lives in (/proc/sys/kernel/random/boot_id); nothing of it is left in another.
  var boot: String
  /// The PID namespace whose numbers its processes have (namespaces(7)); nil of one that an older lastcall wrote down.
  var pidNamespace: UInt64? = Self.currentPIDNamespace
  /// On the monotonic clock, in ns.
  var startedAt: Int64
  var readySince: Int64?
  /// The cgroup that its program was started in; nil when it has none of its own.
  var cgroup: String?
  /// Since when it goes by itself, on the same clock; nil of one that does not.
  var quitsSince: Int64?
  /// Whether it had settled then.
  var hasSettled: Bool?
  var stop: Stop?
  /// In which step of its plan its keeper waits for its turn; nil when it goes through it by itself.
  var turn: Int?

  /// What this boot is called.
  static let currentBoot =
    (try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8))?.trimmingCharacters(in: .whitespacesAndNewlines) ?? ""

  /// Which PID namespace we are in, by its inode.
  static let currentPIDNamespace: UInt64? = {
    var information = stat()
    return stat("/proc/self/ns/pid", &information) == 0 ? UInt64(information.st_ino) : nil
  }()

  /// Whether its processes may live, and be found by their numbers.
  var isOfThisBoot: Bool { boot == Self.currentBoot && (pidNamespace == nil || pidNamespace == Self.currentPIDNamespace) }

  /// As the rollout knows it.
  var replica: Replica {
    let phase: ReplicaPhase =
      if stop != nil { .stopping } else if let readySince { .ready(since: Instant(nanoseconds: readySince)) } else { .starting }
    return Replica(
      number: ReplicaNumber(number), revision: revision, phase: phase, startedAt: Instant(nanoseconds: startedAt),
      isQuitting: quitsSince != nil,
      hasSettled: hasSettled ?? false)
  }
}

/// One thing that is to be kept.
enum StateChange: Sendable {
  case event(EngineEvent)
  case app(AppRecord)
  case appGone(String)
  case revision(RevisionRecord)
  case outcome(app: String, revision: Int, String)
  case replica(ReplicaRecord)
  case replicaGone(String)
  case stop(StopRecord)

  /// Those that no later one of them makes pointless, in their order: what waits for a full disk must not grow without end.
  static func latest(of changes: [StateChange]) -> [StateChange] {
    var known: Set<String> = []
    return changes.reversed().filter { $0.subject.map { known.insert($0).inserted } ?? false }.reversed()
  }

  /// What it says all of; nil when it adds to what is there.
  private var subject: String? {
    switch self {
    case .event, .stop: nil
    case .app(let record): "app/\(record.name)"
    case .appGone(let name): "app/\(name)"
    case .revision(let record): "revision/\(record.app)/\(record.number)"
    case .outcome(let app, let number, _): "outcome/\(app)/\(number)"
    case .replica(let record): "replica/\(record.name)"
    case .replicaGone(let name): "replica/\(name)"
    }
  }
}
