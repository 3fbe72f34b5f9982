import CLinux
import Linux
import StopPlan

/// Whose place lastcall-init takes, by the name that it is called by. What each does is from its own source and tests:
/// dumb-init.c 1.2.5, tini.c 0.19, catatonit.c 0.2.
enum Dialect: Equatable, Sendable {
  /// lastcall-init itself.
  case own
  case dumbInit
  /// Also as docker-init.
  case tini
  case catatonit

  /// Known from the first argument on; one process has one.
  nonisolated(unsafe) static var current = Dialect.own

  /// The dialect of a program's name, its directories aside.
  init(program: ByteView) {
    var rest = program
    var name = program
    while !rest.isEmpty { name = rest.take(before: UInt8(ascii: "/")) }
    switch name.position(among: "dumb-init catatonit tini tini-static docker-init") {
    case 0: self = .dumbInit
    case 1: self = .catatonit
    case nil: self = .own
    default: self = .tini
    }
  }

  /// What stands before each line that is said.
  func appendPrefix(_ level: ByteView, to line: inout [UInt8]) {
    switch self {
    case .own: return line.append(text: "lastcall-init: ")
    case .dumbInit: return line.append(text: "[dumb-init] ")
    case .tini:
      line.append(text: "[")
      line.append(text: level)
      line.append(text: " tini (")
    case .catatonit:
      line.append(text: level)
      line.append(text: " (catatonit:")
    }
    line.append(number: Int64(lc_pid()))
    line.append(text: self == .tini ? ")] " : "): ")
  }

  /// The letters of its options.
  var optionLetters: ByteView {
    switch self {
    case .own: ""
    case .dumbInit: "crvhV"
    case .tini: "Vhspvwgel"
    case .catatonit: "VhgPL"
    }
  }

  /// The long names of its options, for the first of the letters.
  var optionNames: ByteView {
    switch self {
    case .dumbInit: "single-child rewrite verbose help version"
    default: "version help"
    }
  }

  /// The exit code for wrong options.
  var usageCode: UInt8 { self == .own ? 2 : 1 }

  /// The exit code when the command could not be started.
  func code(_ error: StartError) -> UInt8 {
    switch (self, error) {
    case (.dumbInit, .notExecuted): 2
    case (.own, .noProcess): 125
    case (_, .notExecuted(.notFound)) where self != .catatonit: 127
    case (.own, _): 126
    case (.tini, .notExecuted(SystemError(code: EACCES))): 126
    default: 1
    }
  }
}
