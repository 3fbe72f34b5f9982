/// The phases of a stop, in their order.
///
/// All share one deadline. In each, everyone is told at once; a phase ends when everyone in it has ended, or when its time is over.
public enum TerminationPhase: Int, CaseIterable, Comparable, Sendable {
  /// The outside is told: readiness flips, the registration is taken back and that is verified. Requests still come and are served.
  case notice
  /// Routers and clients get time to notice. Requests still come and are served.
  case propagation
  /// Listeners are closed, consumers pause.
  case stopAccepting
  /// Requests, messages and tracked work end.
  case drain
  /// What is in memory goes where it belongs: buffers are sealed and flushed, offsets committed.
  case flush
  /// Connections and files are closed, in the reverse order of dependency.
  case close
  /// What outlives everything else: the admin port, the exporter of metrics.
  case exit

  /// The earlier phase first.
  public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }

  /// Its name in logs and reports.
  public var name: String {
    switch self {
    case .notice: "notice"
    case .propagation: "propagation"
    case .stopAccepting: "stop accepting"
    case .drain: "drain"
    case .flush: "flush"
    case .close: "close"
    case .exit: "exit"
    }
  }

  var next: Self? { Self(rawValue: rawValue + 1) }
}
