import CLinux
import Linux
import StopPlan

/// The options of the tools whose place lastcall-init takes.
extension OptionParser {
  /// Reads the arguments of another tool, and what it takes from the environment.
  @inline(never)
  mutating func readDialect(_ environment: CStrings) throws(Mistake) {
    readDialectEnvironment(environment)
    var next = options.command
    var kept = next
    var isOver = false
    while let argument = next[0] {
      next += 1
      value = ByteView(argument)
      if isOver || value[0] != UInt8(ascii: "-") || value.count == 1 {
        kept[0] = argument
        kept += 1
        // With getopt(3) options may stand behind the command, which then needs `--` before it when it has some of its own.
        if options.endsAtCommand { isOver = true }
        continue
      }
      if value == "--" {
        isOver = true
        continue
      }
      name = value
      var rest = value.dropping(1)
      if rest.take("-") {
        let position = rest.take(before: UInt8(ascii: "=")).position(among: Dialect.current.optionNames) ?? -1
        try read(Dialect.current.optionLetters[position], &rest, &next)
      } else {
        while !rest.isEmpty {
          let letter = rest[0]
          rest = rest.dropping(1)
          try read(letter, &rest, &next)
        }
      }
    }
    kept[0] = nil
    options.takePlace()
  }

  /// Reads one option; its value is what is left of the argument, or the next argument.
  @inline(never)
  private mutating func read(_ letter: UInt8, _ rest: inout ByteView, _ next: inout CStrings) throws(Mistake) {
    // Help and version end the reading.
    guard options.printed.isEmpty else { return }
    let letters = Dialect.current.optionLetters
    guard letters.offset(of: letter) < letters.count else { throw Mistake(expectation: "unknown option") }
    if letter == UInt8(ascii: "r") || letter == UInt8(ascii: "p") || letter == UInt8(ascii: "e") {
      value = rest
      rest = ""
      if value.isEmpty {
        guard let following = next[0] else { throw Mistake(expectation: "expected a value") }
        next += 1
        value = ByteView(following)
      }
    }
    switch letter {
    case UInt8(ascii: "c"): options.group = lc_group_inherit
    case UInt8(ascii: "r"): try set(.rewrite)
    case UInt8(ascii: "p"): try set(.parentDeath)
    case UInt8(ascii: "e"):
      guard let code = value.number(limit: 255) else { throw Mistake(expectation: "expected an exit code, 0 to 255") }
      options.exitCodes.add(UInt8(code), becomes: 0)
    case UInt8(ascii: "s"): options.isSubreaper = true
    case UInt8(ascii: "g"): options.scope = .group
    case UInt8(ascii: "v"): options.isVerbose = true
    case UInt8(ascii: "w"): options.namesReaped = true
    case UInt8(ascii: "P"): options.onlyPauses = true
    case UInt8(ascii: "h"): options.printed = HelpText.help(Dialect.current)
    default: options.printed = HelpText.version(Dialect.current)
    }
  }

  private func readDialectEnvironment(_ environment: CStrings) {
    options.endsAtCommand = Dialect.current == .dumbInit
    var next = environment
    while let entry = next.pointee {
      next += 1
      var value = ByteView(entry)
      let name = value.take(before: UInt8(ascii: "="))
      switch (
        Dialect.current,
        name.position(
          among: "DUMB_INIT_SETSID DUMB_INIT_DEBUG TINI_SUBREAPER TINI_KILL_PROCESS_GROUP TINI_VERBOSITY CATATONIT_DEBUG POSIXLY_CORRECT")
      ) {
      case (.dumbInit, 0): if value == "0" { options.group = lc_group_inherit }
      case (.dumbInit, 1): if value == "1" { options.isVerbose = true }
      case (.tini, 2): options.isSubreaper = true
      case (.tini, 3): options.scope = .group
      case (.tini, 4):
        // Over -v, and as atoi(3) reads it.
        let level = value.number() ?? 0
        options.isVerbose = level > 1
        options.isQuiet = level == 0
      case (.catatonit, 5): options.isVerbose = true
      case (_, 6): options.endsAtCommand = true
      default: break
      }
    }
  }
}

extension KeeperOptions {
  /// Does by default what the other tool does: passes signals on, and ends with the command. `LASTCALL_…` adds a stop by plan.
  fileprivate func takePlace() {
    if !isOverridden {
      stopOn = []
      until = .main
      if Dialect.current != .catatonit { isSubreaper = isSubreaper ?? false }
    }
    let isDumbInit = Dialect.current == .dumbInit
    if !isDumbInit {
      group = lc_group_own
    } else if group == nil {
      scope = .group
    } else {
      return
    }
    // To an orphaned group TSTP, TTIN and TTOU do nothing (POSIX), so dumb-init sends STOP; tini and catatonit take them for themselves.
    var number = Dialect.current == .tini ? Signal.ttin.number : Signal.tstp.number
    while let signal = Signal(number: number), signal < .urg {
      if !isDumbInit || !rewrite.isSet(signal) { rewrite.set(signal, to: isDumbInit ? .stop : nil) }
      number += 1
    }
  }
}
