import CLinux
import Linux
import StopPlan

/// Reads lastcall-init's arguments and its `LASTCALL_…` environment. Options end at the command; `--` is allowed before it.
struct OptionParser {
  /// What was expected where something else was written.
  struct Mistake: Error {
    var expectation: ByteView
    /// The offset in the value at which it went wrong, below 0 when it is the whole.
    var position = -1
  }

  let options: KeeperOptions
  /// The option or variable that is being read, and its value, for the message about a mistake.
  var name: ByteView = ""
  var value: ByteView = ""
  private var planName: ByteView = ""

  init(_ arguments: CStrings) { options = KeeperOptions(command: arguments) }

  /// Reads the arguments (the first is the program's own name) over what the environment says.
  mutating func read(environment: CStrings) throws(Mistake) {
    try readEnvironment(environment)
    if options.command[0] != nil { options.command += 1 }
    try Dialect.current == .own ? readOwn() : readDialect(environment)
    (name, value) = ("", "")
    if options.command[0] == nil, options.printed.isEmpty, !options.onlyPauses {
      throw Mistake(expectation: "expected a command to run; see --help")
    }
  }

  private mutating func readOwn() throws(Mistake) {
    arguments: while let argument = options.command[0] {
      value = ByteView(argument)
      guard value[0] == UInt8(ascii: "-"), value.count > 1 else { return }
      options.command += 1
      switch value.position(among: "--help -h --version -V -- -v -r") {
      case 0, 1: return options.printed = HelpText.help(.own)
      case 2, 3: return options.printed = HelpText.version(.own)
      case 4: break arguments
      case 5: options.isVerbose = true
      case 6: try readValue(of: .rewrite, written: value)
      default: try readOption()
      }
    }
  }

  /// The plan that the options make.
  mutating func plan() throws(Mistake) -> StopPlan {
    (name, value) = (planName, options.planText)
    do throws(StopPlanError) { return try options.plan() } catch {
      throw Mistake(expectation: ByteView(stringLiteral: error.expectation), position: error.position)
    }
  }

  /// An option; from `setsid` on they need no value and can be written with `no-` before them.
  enum Option: Int {
    case stop, grace, floor, reserve, until, stopOn, timeout, scope, preStop, pause, rewrite, exit, parentDeath, events
    case with, withPolicy, mainPolicy, notice, noticeFile, cgroup
    case setsid, verbose, dryRun
    static var names: ByteView {
      """
      stop grace floor reserve until stop-on timeout scope pre-stop pause rewrite exit parent-death events \
      with with-policy main-policy notice notice-file cgroup setsid verbose dry-run
      """
    }
  }

  private mutating func readOption() throws(Mistake) {
    var rest = value
    let written = rest.take(before: UInt8(ascii: "="))
    var bare = written
    let isLong = bare.take("--")
    let isNegated = bare.take("no-")
    guard isLong, let option = Self.option(named: bare, isVariable: false),
      !isNegated || option.rawValue >= Option.setsid.rawValue && written.count == value.count
    else {
      throw Mistake(expectation: "unknown option; see lastcall-init --help")
    }
    if option.rawValue >= Option.setsid.rawValue {
      if written.count < value.count { value = rest } else { value = isNegated ? "0" : "1" }
      return try set(option)
    }
    if written.count == value.count { return try readValue(of: option, written: written) }
    (name, value) = (written, rest)
    try set(option)
    name = ""
  }

  /// Takes the next argument as an option's value.
  private mutating func readValue(of option: Option, written: ByteView) throws(Mistake) {
    (name, value) = (written, "")
    guard let following = options.command[0] else { throw Mistake(expectation: "expected a value") }
    options.command += 1
    value = ByteView(following)
    try set(option)
    name = ""
  }

  private mutating func readEnvironment(_ environment: CStrings) throws(Mistake) {
    var next = environment
    while let entry = next.pointee {
      next += 1
      value = ByteView(entry)
      name = value.take(before: UInt8(ascii: "="))
      var bare = name
      guard bare.take("LASTCALL_"), !value.isEmpty else { continue }
      if let option = Self.option(named: bare, isVariable: true) {
        try set(option)
        options.isOverridden = true
      }
    }
    name = ""
  }

  /// The option of that name: `stop-on`, as a variable `STOP_ON`.
  @inline(never)
  private static func option(named name: ByteView, isVariable: Bool) -> Option? {
    var names = Option.names
    var index = 0
    while !names.isEmpty {
      let expected = names.take(before: UInt8(ascii: " "))
      var offset = 0
      while offset < expected.count {
        var byte = expected[offset]
        if isVariable { byte = byte == UInt8(ascii: "-") ? UInt8(ascii: "_") : byte & 0xdf }
        if name[offset] != byte { break }
        offset += 1
      }
      if offset == expected.count, offset == name.count { return Option(rawValue: index) }
      index += 1
    }
    return nil
  }

  /// Sets an option to `value`.
  @inline(never)
  mutating func set(_ option: Option) throws(Mistake) {
    switch option {
    case .stop: (options.planText, planName) = (value, name)
    case .grace: options.grace = try span()
    case .floor: options.floor = try span()
    case .reserve: options.reserve = try span()
    case .timeout:
      let limit = try span()
      // As in timeout(1), 0 sets no limit.
      options.timeLimit = limit == .zero ? nil : limit
    case .until:
      guard let until = value.position(among: "main tree") else { throw Mistake(expectation: "expected main or tree") }
      options.until = until == 0 ? .main : .tree
    case .stopOn:
      options.stopOn = []
      try addParts(of: option)
    case .rewrite, .with: try addParts(of: option)
    case .scope:
      guard let scope = StopPlan.Scope(text: value), scope != .rest else { throw Mistake(expectation: "expected main, group or tree") }
      options.scope = scope
    case .preStop: options.preStop = try Self.words(value)
    case .pause: options.pause = try span()
    case .exit: if !options.exitCodes.add(value) { throw Mistake(expectation: "expected exit codes, as 143=0 or 1-5=0") }
    case .parentDeath: options.parentDeath = try Self.catchable(value)
    case .withPolicy: options.sidecarPolicy = try policy()
    case .mainPolicy: options.mainPolicy = try policy()
    case .notice: options.notice = try Self.catchable(value)
    case .noticeFile: options.noticeFile = value
    case .cgroup: options.cgroup = value.cString
    case .events: options.eventsTarget = value
    case .setsid: options.group = isOn ? lc_group_session : lc_group_own
    case .verbose: options.isVerbose = isOn
    case .dryRun: options.isDryRun = isOn
    }
  }

  private var isOn: Bool { @inline(never) get { value.position(among: "0 no off false") == nil } }

  /// Adds what commas separate, and for sidecars, which may hold commas, newlines.
  @inline(never)
  private func addParts(of option: Option) throws(Mistake) {
    var rest = value
    repeat {
      var part = rest.take(before: option == .with ? UInt8(ascii: "\n") : UInt8(ascii: ","))
      if option == .with {
        guard options.sidecarCount < Succession.limit, part.offset(of: UInt8(ascii: ":")) > 0 else {
          throw Mistake(expectation: "expected NAME: COMMAND, at most 16 times")
        }
        options.addSidecar(part)
        _ = try Self.words(options.sidecar(options.sidecarCount).command)
        continue
      }
      let signal = try Self.catchable(option == .rewrite ? part.take(before: UInt8(ascii: ":")) : part)
      if option == .stopOn {
        options.stopOn.insert(signal)
        continue
      }
      let replacement = Signal(text: part)
      guard replacement != nil || part == "0" || part == "ignore" else {
        throw Mistake(expectation: "expected SIGNAL:SIGNAL, as TERM:INT, or SIGNAL:0 to drop it")
      }
      options.rewrite.set(signal, to: replacement)
    } while !rest.isEmpty
  }

  @inline(never)
  private static func words(_ text: ByteView) throws(Mistake) -> [[UInt8]] {
    let words: [[UInt8]]
    do throws(Words.Problem) { words = try Words.split(text) } catch {
      throw Mistake(expectation: "a quote is not closed, or a backslash stands at the end")
    }
    if words.isEmpty { throw Mistake(expectation: "expected a command") }
    return words
  }

  @inline(never)
  private func policy() throws(Mistake) -> Succession.Policy {
    guard let position = value.position(among: "ignore restart stop"), let policy = Succession.Policy(rawValue: UInt8(position)) else {
      throw Mistake(expectation: "expected ignore, restart or stop")
    }
    return policy
  }

  @inline(never)
  private static func catchable(_ text: ByteView) throws(Mistake) -> Signal {
    // The other tools take any: an image that rewrites KILL, or wants it when its parent dies, has to start.
    guard let signal = Signal(text: text), Dialect.current != .own || signal.canBeCaught && signal != .chld else {
      throw Mistake(expectation: "expected signals that can be caught, as in TERM,INT")
    }
    return signal
  }

  @inline(never)
  private func span() throws(Mistake) -> TimeSpan {
    guard let span = TimeSpan(text: value) else {
      throw Mistake(expectation: "expected a length: seconds (25, 0.5) or with a unit (500ms, 2m), at most ten years")
    }
    return span
  }
}
