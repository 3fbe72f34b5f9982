/// What happened in a stop: who was told, how long everything took, what was cut and what was left.
///
/// Its JSON has the same names; times are seconds.
public struct TerminationReport: Sendable, Equatable, Codable {
  /// How the stop as a whole came out. The worst of what happened decides.
  public enum Result: String, Sendable, Codable {
    /// Everything that was waited for ended in its time.
    case clean
    /// Work was left when the drain was over, a service or a hook of another phase was cut or failed, or the stop was ended at once.
    case forced
    /// A service failed; the stop that followed was clean or not.
    case serviceFailed
    /// A hook of the phases flush or close failed or was cut: data may be lost.
    case flushFailed
  }

  /// One phase.
  public struct Phase: Sendable, Equatable, Codable {
    /// Its name, see ``TerminationPhase/name``.
    public var name: String
    /// What it could have taken, in seconds.
    public var budget: Double
    /// What it took, in seconds.
    public var took: Double
    /// Whether somebody was cut in it.
    public var wasCut: Bool
  }

  /// How the part of a hook or service in the stop came out.
  public enum Outcome: String, Sendable, Codable {
    /// It has ended.
    case succeeded
    /// It has ended with an error.
    case failed
    /// Its time was over: it was cancelled and no longer waited for.
    case overran
    /// The propagation was not confirmed in its time.
    case unconfirmed
    /// It takes no part: it was added after its phase, or the stop was ended at once before it was told.
    case notTold = "not told"
    /// A service that had ended before the stop.
    case endedBefore = "ended before"
  }

  /// One hook or service.
  public struct Hook: Sendable, Equatable, Codable {
    /// Its name.
    public var name: String
    /// The phase that waited for it.
    public var phase: String
    /// What it could have taken from when it was told, in seconds; nil when it was never told.
    public var budget: Double?
    /// What it took from when it was told, in seconds; nil when it was never told.
    public var took: Double?
    /// How its part in the stop came out.
    public var outcome: Outcome
    /// What it failed with.
    public var error: String?
  }

  /// Work that was still under way when the drain was over.
  public struct Abandoned: Sendable, Equatable, Codable {
    /// What it is called.
    public var name: String
    /// What kind of work it is.
    public var kind: String
    /// How long it had been under way, in seconds.
    public var age: Double
    /// Its last note.
    public var note: String?
    /// Where it was begun, `Module/File.swift:12`.
    public var location: String
  }

  /// How much tracked work of a kind has ended since the stop began, what was under way then included.
  public struct Work: Sendable, Equatable, Codable {
    /// What kind of work it is.
    public var kind: String
    /// How much has come to its end.
    public var completed: Int
    /// How much was cut: left when the drain was over, or broken off before by itself, which alone leaves a stop clean.
    public var cut: Int
  }

  /// Why the program stopped.
  public var reason: String
  /// The result.
  public var result: Result
  /// What the program should exit with, see ``ExitCodes``.
  public var exitCode: Int32
  /// The grace period of the stop in seconds, as it was at the begin.
  public var grace: Double
  /// What the stop took, in seconds.
  public var took: Double
  /// How often it was escalated: 1 shortened it, 2 ended it at once.
  public var escalations: Int
  /// The phases that were entered, in order.
  public var phases: [Phase]
  /// All hooks and services.
  public var hooks: [Hook]
  /// Tracked work.
  public var work: [Work]
  /// What was still under way when the drain was over, the oldest first, at most 100.
  public var abandoned: [Abandoned]
  /// What hooks had to say, in the order in which they said it.
  public var entries: [Entry]

  /// Something a hook had to say.
  public struct Entry: Sendable, Equatable, Codable {
    /// Who said it.
    public var hook: String
    /// What about.
    public var key: String
    /// What.
    public var value: String
  }
}
