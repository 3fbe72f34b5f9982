import AppSpec
import Rollout
import StopPlan

/// Carries out one app: its machine decides, a service's rollout or the runs of a job. What it decides is written down, then done to keepers and
/// the proxy; what they say is given to it. What is the same for both kinds is done in extensions of this protocol.
protocol AppController: Actor {
  nonisolated var name: String { get }
  nonisolated var context: EngineContext { get }
  nonisolated var listener: ListeningSocket? { get }
  nonisolated var proxy: ProxyController? { get }
  var ledger: Ledger { get set }

  // MARK: - The machine

  /// What a later engine goes on from.
  var record: AppRecord { get }
  /// The revision that is wanted.
  var revision: Int { get }
  /// How many replicas are wanted.
  var wantedReplicas: Int { get }
  /// Whether what is wanted has been reached, or given up.
  var isSettled: Bool { get }
  /// Whether what comes after it may begin: it is up, or has done its work.
  var hasDoneItsPart: Bool { get }
  /// Whether nothing of it runs, nor is to.
  var runsNothing: Bool { get }
  /// Its state, and why.
  var state: ShownState { get }
  /// What its replicas are, for `lastcall ps`.
  func rows(of target: String?) async -> [ReplicaRow]

  /// Has the machine go for a revision.
  func want(revision: Int, replicas: Int)
  /// What a replica is given that starts now of what another has stored.
  func estate(for number: ReplicaNumber) async -> Estate?
  /// A replica goes by itself: it serves no more, and its end is still to come.
  func quits(_ number: ReplicaNumber)
  /// A replica has ended.
  /// - Parameters:
  ///   - wasStopped: whether its stop had begun.
  ///   - estate: what it had stored.
  func ended(_ number: ReplicaNumber, _ ending: Ending, wasStopped: Bool, leaving estate: Estate?)
  /// A replica runs: what is done with it until it ends.
  func serve(_ process: ReplicaProcess, _ number: ReplicaNumber, since began: Instant) async

  // MARK: - Requests

  /// Takes over what an earlier engine has left: who lives is followed again, stops that were under way go on with what they had left.
  func recover(_ found: RecoveredApp) async
  /// Looks after what an earlier engine has left, before it is known what the file makes of it: an app may wait long for another.
  func resume() async throws
  /// Starts what is declared; nothing once a full stop was asked for. What an earlier engine has left goes on as it was when the file says the
  /// same as then.
  func start() async throws
  /// Replaces all replicas by new ones, or runs the job once more, and waits for the outcome.
  func restart() async -> AppOutcome
  /// Starts what was stopped, and waits for the outcome.
  func startAgain() async -> AppOutcome
  /// Changes the number of replicas and waits for the outcome.
  func scale(to replicas: Int) async -> AppOutcome
  /// Holds the replacement of old replicas by new ones, or goes on with it.
  func pause(_ holds: Bool) -> AppOutcome
  /// Stops what runs. It stays stopped over an engine's death.
  /// - Parameters:
  ///   - grace: by when it has to be gone, if that is sooner than what is declared; 0 kills at once.
  ///   - isHurried: whether it waits for no drain and no hook, and skips to the next signal where a stop is under way.
  func stop(grace: TimeSpan?, isHurried: Bool) async
  /// Waits until what is under way has ended, or it is known that nothing will come of it.
  func untilSettled() async -> AppOutcome
  /// Stops everything of it, under one grace clock, and waits until nothing is left.
  func stopAll() async
  /// Skips to the next signal everywhere.
  func escalate() async
}

/// The controller of an app of that kind.
func makeController(_ app: App, listener: ListeningSocket?, context: EngineContext) -> any AppController {
  switch app.kind {
  case .service: ServiceController(app: app, listener: listener, context: context)
  case .job: JobController(app: app, context: context)
  }
}

extension AppController {
  /// What is declared now.
  var app: App { ledger.app }

  /// Whether that is a replica of it.
  func has(_ replica: String) -> Bool { ledger.processes.values.contains { $0.name == replica } }

  /// Whether it was not begun yet.
  var isNew: Bool { ledger.declared == nil }

  /// Replicas of which something may still run, though nothing can be done about it.
  var inDoubt: [String] { ledger.inDoubt }

  /// Why it was not begun yet.
  var waitsFor: String { app.after.isEmpty ? "" : "it waits for \(app.after.joined(separator: ", "))" }

  func name(_ number: ReplicaNumber) -> String { "\(name)-\(number.value)" }

  static func counted(_ count: Int) -> String { count == 1 ? "1 replica" : "\(count) replicas" }
}
