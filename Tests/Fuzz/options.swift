import Linux
import StopPlan

@testable import Keeper

// Arguments and environment together, as lastcall-init and by the other tools' names: the lines of the input up to one that is `%` are
// environment entries, the others arguments; a first one that begins with `=` is the program's name, and a byte of 1 stands for a
// newline. A variable of ours means what its option means, and reading changes nothing of what is read.

func check(_ input: [UInt8]) {
  // A C string ends at its first NUL.
  var lines = input.parts(separatedBy: "\n").map { Array($0.prefix { $0 != 0 }).map { $0 == 1 ? UInt8(ascii: "\n") : $0 } }
  var environment: [[UInt8]] = []
  if let end = lines.firstIndex(of: [UInt8(ascii: "%")]) {
    environment = Array(lines[..<end])
    lines.removeFirst(end + 1)
  }
  var name = Array("lastcall-init".utf8)
  if lines.first?.first == UInt8(ascii: "=") { name = Array(lines.removeFirst().dropFirst()) }
  Dialect.current = name.withExactView { Dialect(program: $0) }
  if Dialect.current == .own {
    // What the environment says, said by options before the others.
    let said = environment.compactMap(option)
    compare([name] + lines, environment, with: [name] + said + lines)
  } else {
    checkDialect([name] + lines, environment)
  }
}

/// Another tool's options may stand behind its command's name: what is left is the command, in its order.
private func checkDialect(_ arguments: [[UInt8]], _ environment: [[UInt8]]) {
  let strings = CStringArray(arguments)
  let environ = CStringArray(environment)
  // The strings stay; what points at them is put in another order.
  let argv = CStrings.allocate(capacity: arguments.count + 1)
  argv.initialize(from: strings.pointer, count: arguments.count + 1)
  var parser = OptionParser(argv)
  defer {
    release(parser.options)
    argv.deallocate()
  }
  if let mistake = read(&parser, environ.pointer) { return check(parser, mistake) }
  let command = bytes(of: parser.options.command)
  require(!command.isEmpty || !parser.options.printed.isEmpty || parser.options.onlyPauses, "there is something to do")
  var rest = arguments.dropFirst()
  for word in command {
    guard let found = rest.firstIndex(of: word) else { return require(false, "\(word.text) was an argument, in order") }
    rest = rest[(found + 1)...]
  }
  require(bytes(of: environ.pointer) == environment, "the environment is as it was")
  checkPlan(&parser)
}

/// Reads both and looks whether they came to the same.
private func compare(_ arguments: [[UInt8]], _ environment: [[UInt8]], with others: [[UInt8]]) {
  let argv = CStringArray(arguments)
  let environ = CStringArray(environment)
  let otherArgv = CStringArray(others)
  let none = CStringArray([])
  var parser = OptionParser(argv.pointer)
  var other = OptionParser(otherArgv.pointer)
  defer {
    release(parser.options)
    release(other.options)
  }
  let mistake = read(&parser, environ.pointer)
  let otherMistake = read(&other, none.pointer)
  check(parser, mistake)
  check(other, otherMistake)
  require(mistake?.expectation.bytes == otherMistake?.expectation.bytes, "environment and options are refused alike")
  require(mistake?.position == otherMistake?.position, "environment and options are refused at the same place")
  require(isSame(parser.options, other.options), "environment and options mean the same")
  require(bytes(of: argv.pointer) == arguments, "the arguments are as they were")
  require(bytes(of: environ.pointer) == environment, "the environment is as it was")
  guard mistake == nil, parser.options.printed.isEmpty else { return }
  // Options end at the command: it is what is left of the arguments.
  let command = bytes(of: parser.options.command)
  require(!command.isEmpty && command == arguments.suffix(command.count), "the command is the end of the arguments")
  require(command == bytes(of: other.options.command), "environment and options leave the same command")
  checkPlan(&parser)
}

private func read(_ parser: inout OptionParser, _ environment: CStrings) -> OptionParser.Mistake? {
  do throws(OptionParser.Mistake) { try parser.read(environment: environment) } catch { return error }
  return nil
}

/// A mistake says what was expected, and where: both end in the message, so all of it is read.
private func check(_ parser: borrowing OptionParser, _ mistake: OptionParser.Mistake?) {
  guard let mistake else { return }
  require(!mistake.expectation.bytes.isEmpty, "a mistake says what was expected")
  require(mistake.position >= -1 && mistake.position <= parser.value.count, "position \(mistake.position) is inside the value")
  _ = parser.name.bytes + parser.value.bytes
}

private func checkPlan(_ parser: inout OptionParser) {
  let options = parser.options
  let plan: StopPlan
  do throws(OptionParser.Mistake) { plan = try parser.plan() } catch {
    require(!options.planText.isEmpty, "the standard plan is a plan")
    return check(parser, error)
  }
  require(plan.floor == options.floor ?? plan.floor && plan.reserve == options.reserve ?? plan.reserve, "floor and reserve are as said")
  require(plan.until == options.until ?? .tree, "the plan ends when what was said is gone")
  if let grace = options.grace {
    // What sidecars need after it is taken off.
    require(plan.grace == (options.sidecarCount == 0 ? grace : grace - grace / 4), "grace \(plan.grace) is as said")
    require(options.totalGrace(plan) == grace, "the whole grace is as said")
  }
  require(plan.grace >= .zero && plan.grace <= options.totalGrace(plan), "grace \(plan.grace) is part of the whole")
  // The sum of a plan's 64 waits may be longer than one length.
  require(options.totalGrace(plan).nanoseconds < .max, "the whole grace is a length of time")
  var steps = plan.steps[...]
  if !options.preStop.isEmpty { require(steps.popFirst() == .hook(options.preStop), "--pre-stop comes first") }
  if let pause = options.pause { require(steps.popFirst() == .pause(pause), "then --pause") }
  if options.planText.isEmpty { require(steps.first == .send(.term, options.scope), "then the scope is told") }
  var written: [UInt8] = []
  plan.append(to: &written)
  require(!written.isEmpty, "--dry-run has a plan to print")
  checkSidecars(options)
}

/// A sidecar's command is split once more behind our own options, when it is started.
private func checkSidecars(_ options: KeeperOptions) {
  require(options.sidecarCount <= Succession.limit, "there are at most \(Succession.limit) sidecars")
  guard options.sidecarCount > 0 else { return }
  for number in 1...options.sidecarCount {
    let (name, command) = options.sidecar(number)
    require(!name.bytes.isEmpty && !name.bytes.contains(UInt8(ascii: ":")), "a sidecar has a name")
    let words = split(command.bytes)
    require(words?.isEmpty == false, "a sidecar has a command")
    require(
      split(Array("init -- ".utf8) + command.bytes) == ["init", "--"].map { Array($0.utf8) } + (words ?? []), "the command stays as it is")
  }
}

private func split(_ text: [UInt8]) -> [[UInt8]]? { text.withExactView { try? Words.split($0) } }

/// A variable's option, as `LASTCALL_STOP_ON=HUP` is `--stop-on=HUP`; nil when it is none.
private func option(_ entry: [UInt8]) -> [UInt8]? {
  let names = [
    "STOP", "GRACE", "FLOOR", "RESERVE", "UNTIL", "STOP_ON", "TIMEOUT", "SCOPE", "PRE_STOP", "PAUSE", "REWRITE", "EXIT",
    "PARENT_DEATH", "EVENTS", "WITH", "WITH_POLICY", "MAIN_POLICY", "NOTICE", "NOTICE_FILE", "CGROUP", "SETSID", "VERBOSE", "DRY_RUN",
  ]
  for name in names {
    let variable = Array("LASTCALL_\(name)=".utf8)
    guard entry.starts(with: variable), entry.count > variable.count else { continue }
    let option = "--" + String(name.lowercased().map { $0 == "_" ? "-" : $0 }) + "="
    return Array(option.utf8) + entry.dropFirst(variable.count)
  }
  return nil
}

private func bytes(of strings: CStrings) -> [[UInt8]] {
  var found: [[UInt8]] = []
  var next = strings
  while let string = next.pointee {
    found.append(ByteView(string).bytes)
    next += 1
  }
  return found
}

private func isSame(_ one: KeeperOptions, _ two: KeeperOptions) -> Bool {
  for code in UInt8.min...UInt8.max where one.exitCodes.apply(to: code) != two.exitCodes.apply(to: code) { return false }
  let isSamePlan =
    one.planText == two.planText && one.grace == two.grace && one.floor == two.floor && one.reserve == two.reserve && one.until == two.until
    && one.preStop == two.preStop && one.pause == two.pause && one.scope == two.scope
  let isSameForwarding = one.stopOn == two.stopOn && one.rewrite == two.rewrite && one.parentDeath == two.parentDeath
  let isSameCompany =
    sidecars(one) == sidecars(two) && one.sidecarPolicy == two.sidecarPolicy && one.mainPolicy == two.mainPolicy
    && one.notice == two.notice && one.noticeFile == two.noticeFile
  let isSameRun =
    one.timeLimit == two.timeLimit && one.group == two.group
    && one.cgroup.map { ByteView($0).bytes } == two.cgroup.map { ByteView($0).bytes }
    && one.eventsTarget == two.eventsTarget && one.isVerbose == two.isVerbose && one.isDryRun == two.isDryRun
  return isSamePlan && isSameForwarding && isSameCompany && isSameRun && one.printed == two.printed
}

private func sidecars(_ options: KeeperOptions) -> [[UInt8]] {
  (0..<options.sidecarCount).flatMap { index in [options.sidecar(index + 1).name.bytes, options.sidecar(index + 1).command.bytes] }
}
