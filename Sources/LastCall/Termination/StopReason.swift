/// Why the program stops.
public enum StopReason: Sendable, Equatable, CustomStringConvertible {
  /// A signal came.
  case signal(Signal)
  /// The program itself has asked for it.
  case requested(String)
  /// A service has ended, and with it the program.
  case serviceEnded(String)
  /// A service has failed.
  case serviceFailed(String, error: String)
  /// The task that ran the termination was cancelled.
  case cancelled

  /// The reason in a few words.
  public var description: String {
    switch self {
    case .signal(let signal): "signal \(signal.name)"
    case .requested(let reason): reason
    case .serviceEnded(let name): "service \(name) has ended"
    case .serviceFailed(let name, let error): "service \(name) has failed: \(error)"
    case .cancelled: "its task was cancelled"
    }
  }
}
