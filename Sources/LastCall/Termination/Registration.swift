import ServiceLifecycle

/// What the shell keeps of a participant.
struct Registration: Sendable {
  enum Body: Sendable {
    case hook(@Sendable (StopContext) async throws -> Void)
    case service(any Service)
  }

  var participant: Participant
  var body: Body
}

/// What the end of a service means for the program.
public enum ServiceEnd: Sendable, Equatable {
  /// The program stops.
  case stop
  /// Nothing.
  case ignore
}
