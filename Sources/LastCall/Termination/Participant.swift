/// Somebody who takes part in a stop, as the machine knows it.
struct Participant: Sendable, Equatable {
  enum Kind: Sendable, Equatable {
    case hook
    /// Runs before the stop already; whether its end or its failure begins one.
    case service(endStops: Bool, failureStops: Bool)
    /// Its success says that the propagation is complete.
    case confirmation
  }

  typealias ID = Int

  var name: String
  var kind: Kind
  /// When it is told.
  var toldIn: TerminationPhase
  /// The phase that waits for it; not before `toldIn`.
  var awaitedIn: TerminationPhase
  /// Its own budget, from when it is told; nil for what its phase has.
  var budget: Duration?
  /// Names of those it needs: it ends before they are told, where the same phase waits for both.
  var dependsOn: [String] = []
}

/// How a participant's part in the stop came out.
enum HookOutcome: Sendable, Equatable {
  /// It has ended.
  case succeeded
  /// It has ended with an error.
  case failed(String)
  /// Its time was over: it was cancelled and no longer waited for.
  case overran
  /// The propagation was not confirmed in its time.
  case unconfirmed
  /// The stop was ended at once before it was told.
  case notTold
}
