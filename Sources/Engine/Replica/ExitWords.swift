import StopPlan

/// How a program ended, for people.
enum ExitWords {
  static func of(_ status: ExitStatus?) -> String {
    switch status {
    case .code(0): "ended"
    case .code(let code): "exited with \(code)"
    case .signal(let signal, _): "was ended by \(signal)"
    case nil: "ended; how is not known"
    }
  }
}
