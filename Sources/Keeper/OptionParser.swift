import Linux
import StopPlan

/// Reads lastcall-init's arguments and its `LASTCALL_…` environment. Options end at the command; `--` is allowed before it.
struct OptionParser {
  private var options = KeeperOptions()

  /// Reads `arguments` (without the program's name) over what the environment says.
  static func parse(_ arguments: [[UInt8]], environment: [[UInt8]]) throws(OptionMistake) -> Request {
    var parser = OptionParser()
    for entry in environment { try parser.readEnvironment(entry) }
    var index = 0
    while index < arguments.count {
      let argument = arguments[index]
      guard argument.first == UInt8(ascii: "-"), argument.count > 1 else { break }
      index += 1
      if Self.matches(argument[...], "--") { break }
      if Self.matches(argument[...], "--help") || Self.matches(argument[...], "-h") { return .help }
      if Self.matches(argument[...], "--version") || Self.matches(argument[...], "-V") { return .version }
      if Self.matches(argument[...], "--verbose") || Self.matches(argument[...], "-v") {
        parser.options.isVerbose = true
        continue
      }
      let equals = argument.firstIndex(of: UInt8(ascii: "=")) ?? argument.endIndex
      let value: [UInt8]?
      if equals < argument.endIndex {
        value = Array(argument[(equals + 1)...])
      } else {
        value = index < arguments.count ? arguments[index] : nil
        index += 1
      }
      guard let option = Option.all.first(where: { Self.matches(argument[..<equals], $0.name) }) else {
        throw OptionMistake(option: "", value: argument, expectation: "unknown option; see lastcall-init --help", position: nil)
      }
      guard let value else { throw OptionMistake(option: option.name, value: [], expectation: "expected a value", position: nil) }
      try parser.set(option, value)
    }
    parser.options.command = Array(arguments[index...])
    guard !parser.options.command.isEmpty else {
      throw OptionMistake(option: "", value: [], expectation: "expected a command to run; see lastcall-init --help", position: nil)
    }
    return .run(parser.options)
  }

  /// An option with a value, under its name and its variable.
  private struct Option {
    enum Kind { case stop, grace, floor, reserve, until, stopOn, timeout, keep }
    var kind: Kind
    var name: StaticString
    var variable: StaticString

    static let all: [Option] = [
      Option(kind: .stop, name: "--stop", variable: "LASTCALL_STOP="),
      Option(kind: .grace, name: "--grace", variable: "LASTCALL_GRACE="),
      Option(kind: .floor, name: "--floor", variable: "LASTCALL_FLOOR="),
      Option(kind: .reserve, name: "--reserve", variable: "LASTCALL_RESERVE="),
      Option(kind: .until, name: "--until", variable: "LASTCALL_UNTIL="),
      Option(kind: .stopOn, name: "--stop-on", variable: "LASTCALL_STOP_ON="),
      Option(kind: .timeout, name: "--timeout", variable: "LASTCALL_TIMEOUT="),
      Option(kind: .keep, name: "--keep", variable: "LASTCALL_KEEP="),
    ]
  }

  private mutating func readEnvironment(_ entry: [UInt8]) throws(OptionMistake) {
    guard hasPrefix(entry, "LASTCALL_") else { return }
    if hasPrefix(entry, "LASTCALL_VERBOSE=") { options.isVerbose = entry.count > 17 && entry[17] != UInt8(ascii: "0") }
    for option in Option.all where hasPrefix(entry, option.variable) {
      let value = Array(entry.dropFirst(option.variable.utf8CodeUnitCount))
      if value.isEmpty { continue }
      do throws(OptionMistake) { try set(option, value) } catch {
        throw OptionMistake(option: option.variable, value: value, expectation: error.expectation, position: error.position)
      }
    }
  }

  private mutating func set(_ option: Option, _ value: [UInt8]) throws(OptionMistake) {
    switch option.kind {
    case .stop:
      options.planText = value
      _ = try options.plan()
    case .grace: options.grace = try span(option, value)
    case .floor: options.floor = try span(option, value)
    case .reserve: options.reserve = try span(option, value)
    case .timeout:
      let limit = try span(option, value)
      // As in timeout(1), 0 sets no limit.
      options.timeLimit = limit == .zero ? nil : limit
    case .until:
      if Self.matches(value[...], "main") {
        options.until = .main
      } else if Self.matches(value[...], "tree") {
        options.until = .tree
      } else {
        throw OptionMistake(option: option.name, value: value, expectation: "expected main or tree", position: nil)
      }
    case .stopOn:
      options.stopOn = []
      for name in value.split(separator: UInt8(ascii: ",")) {
        guard let signal = Signal(text: name), signal.canBeCaught, signal != .chld else {
          let expectation: StaticString = "expected signals that can be caught, as in TERM,INT"
          throw OptionMistake(option: option.name, value: value, expectation: expectation, position: nil)
        }
        options.stopOn.append(signal)
      }
    case .keep: options.directory = Path(value)
    }
  }

  private func span(_ option: Option, _ value: [UInt8]) throws(OptionMistake) -> TimeSpan {
    guard let span = TimeSpan(text: value[...]) else {
      let expectation: StaticString = "expected a length of time: seconds (8, 0.5) or with a unit (500ms, 2m)"
      throw OptionMistake(option: option.name, value: value, expectation: expectation, position: nil)
    }
    return span
  }

  static func matches(_ text: ArraySlice<UInt8>, _ literal: StaticString) -> Bool {
    text.count == literal.utf8CodeUnitCount && hasPrefix(Array(text), literal)
  }
}
