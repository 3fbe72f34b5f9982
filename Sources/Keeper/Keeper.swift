import CLinux
import Linux
import StopPlan

/// Keeps one process tree: starts its main process, forwards, reaps, and carries out what `StopMachine` decides.
///
/// One wait loop; it wakes only for a signal, a client, output, or the machine's own deadline.
public final class Keeper {
  let options: KeeperOptions
  let plan: StopPlan
  let signals: Signals
  let spawner: Spawner
  var machine: StopMachine
  var replica: ReplicaFiles?
  var events = EventRing()
  var main: Int32 = 0
  var mainStatus: ExitStatus?
  var treeEmpty = false
  var hook: Int32?
  var jobControl: JobControl?
  /// A member of the main process's group whose end is watched for the machine.
  var watchedMember: ProcessHandle?
  var deadline: Instant?
  var timeLimit: Instant?
  var timedOut = false
  var killed = false
  var swept: Int64 = 0
  /// What the program said of itself by sd_notify(3).
  var isReady = false
  var statusText: [UInt8] = []
  /// Requests by signal carry no id of their own; clients choose theirs from 1.
  static let timeLimitId: UInt64 = .max
  var pending: [StopMachine.Event] = []
  var end: (main: ExitStatus?, leftover: Bool)?

  init(options: KeeperOptions, plan: StopPlan, signals: Signals, environment: [[UInt8]]) throws(SystemError) {
    self.options = options
    self.plan = plan
    self.signals = signals
    if let directory = options.directory { replica = try ReplicaFiles(directory: directory) }
    spawner = Spawner(signals: signals, environment: environment, grace: plan.grace, notifySocket: replica?.notifyPath)
    machine = StopMachine(StopMachine.Settings(plan: plan, stopOn: options.stopOn, isEverythingOurs: getpid() == 1))
  }

  /// Runs a command as the arguments say, to its end.
  ///
  /// - Parameters:
  ///   - arguments: without the program's own name.
  ///   - environment: `NAME=value` entries.
  /// - Returns: the exit code for our own process; `HelpText` documents it.
  public static func run(arguments: [[UInt8]], environment: [[UInt8]]) -> UInt8 {
    // First of all, so that no signal comes too early.
    let signals: Signals
    do throws(SystemError) { signals = try Signals() } catch { return failed("signals cannot be read", error) }
    let options: KeeperOptions
    let plan: StopPlan
    do throws(OptionMistake) {
      switch try OptionParser.parse(arguments, environment: environment) {
      case .help: return print(HelpText.help)
      case .version: return print(HelpText.version)
      case .run(let parsed):
        options = parsed
        plan = try parsed.plan()
      }
    } catch {
      Diagnostics.say(error)
      return 2
    }
    if getpid() != 1 {
      do throws(SystemError) { try Reaper.becomeSubreaper() } catch { return failed("orphans cannot be adopted", error) }
    }
    do throws(SystemError) {
      let keeper = try Keeper(options: options, plan: plan, signals: signals, environment: environment)
      if let code = keeper.start() { return code }
      return keeper.loop()
    } catch {
      return failed("the run directory cannot be used", error)
    }
  }

  private static func print(_ text: StaticString) -> UInt8 {
    var bytes: [UInt8] = []
    bytes.append(text: text)
    try? Descriptor.output.write(bytes)
    return 0
  }

  private static func failed(_ what: StaticString, _ error: SystemError) -> UInt8 {
    Diagnostics.say { line in
      line.append(text: what)
      line.append(text: ": ")
      line.append(contentsOf: error.text)
    }
    return 125
  }

  // MARK: - Start

  /// Starts the main process.
  /// - Returns: nil, or the exit code when it could not be started.
  private func start() -> UInt8? {
    do throws(SystemError) {
      var program = try spawner.program(options.command)
      program.group = group
      program.writesListenPid = spawner.passesListeners
      if options.directory == nil, program.group.isOwn { program.terminal = JobControl.foregroundTerminal() }
      if let replica {
        program.output = replica.outputWriter
        program.error = replica.errorWriter
        // The program holds a read end of its own output open: a keeper's death must not end it by SIGPIPE.
        program.kept = [replica.output, replica.error].compactMap { $0 }
      }
      main = try start(program)
      try replica?.started()
      if let terminal = program.terminal { jobControl = JobControl(terminal: terminal, ownGroup: getpgrp(), mainGroup: main) }
    } catch {
      return notStarted(error)
    }
    timeLimit = options.timeLimit.map { Clock.now + $0 }
    emit("started") { $0.field("pid", Int64(main)) }
    return nil
  }

  /// Own session only where no terminal is lost by it (DESIGN, "sessions").
  private var group: Program.Group {
    if options.directory != nil { return .session }
    let leads = getpid() == 1 || getsid(0) == getpid()
    if leads, (try? Path("/dev/tty").open(O_RDWR | O_NOCTTY)).map({ $0.close() }) == nil { return .session }
    return .own
  }

  func start(_ program: Program) throws(SystemError) -> Int32 {
    do throws(Program.StartError) { return try program.start() } catch {
      switch error {
      case .noProcess(let cause), .notExecuted(let cause): throw cause
      }
    }
  }

  private func notStarted(_ error: SystemError) -> UInt8 {
    let command = options.command.first ?? []
    Diagnostics.say { line in
      line.append(text: error == .notFound ? "command not found: " : "cannot execute ")
      line.append(contentsOf: command)
      if error != .notFound {
        line.append(text: ": ")
        line.append(contentsOf: error.text)
      }
    }
    emit("failed") { json in
      json.field("command", text: command)
      json.field("reason", text: error.text)
    }
    let code: UInt8 = error == .notFound ? 127 : 126
    record(.code(code), leftover: false)
    return code
  }

  // MARK: - The loop

  private func loop() -> UInt8 {
    takeSignals()
    while end == nil {
      var polled = PollSet(keeper: self)
      polled.wait(until: [deadline, timeLimit].compactMap { $0 }.min())
      takeSignals()
      passTime()
      polled.dispatch(to: self)
    }
    return finish()
  }

  private func passTime() {
    let now = Clock.now
    if let limit = timeLimit, now >= limit {
      timeLimit = nil
      timedOut = true
      feed(.stop(StopRequest(id: Self.timeLimitId)))
    }
    if let deadline, now >= deadline {
      self.deadline = nil
      feed(.clock)
    }
  }

  private func takeSignals() {
    while let arrival = signals.next() {
      if arrival.signal == .chld {
        reap()
      } else if arrival.signal == .cont, let jobControl {
        jobControl.continued()
      } else {
        feed(.signal(arrival.signal, value: arrival.value, fromTerminal: arrival.fromTerminal && arrival.signal == .int))
      }
    }
  }

  private func reap() {
    var mainEnded: ExitStatus?
    reaping: while true {
      switch Reaper.next() {
      case .ended(let pid, let status):
        if pid == main, mainStatus == nil {
          mainStatus = status
          mainEnded = status
          emit("exited") { json in
            json.field("pid", Int64(pid))
            json.field(status)
          }
        } else if pid == hook {
          hook = nil
          emit("hookEnded") { $0.field(status) }
          feed(.hookEnded)
        } else {
          swept += 1
        }
      case .stopped(let pid, _): if pid == main { jobControl?.mainStopped() }
      case .nothing: break reaping
      case .noChildren:
        treeEmpty = true
        break reaping
      }
    }
    feed(.reaped(main: mainEnded, treeEmpty: treeEmpty))
  }

  /// Gives the machine an event and carries out what it decides, and the events which that brings about, in their order.
  func feed(_ event: StopMachine.Event) {
    pending.append(event)
    guard pending.count == 1 else { return }
    while let next = pending.first {
      for action in machine.handle(next, at: Clock.now) { carryOut(action) }
      pending.removeFirst()
    }
  }

  // MARK: - The end

  private func finish() -> UInt8 {
    replica?.readOutput()
    replica?.log.finish()
    let status = end?.main
    let leftover = end?.leftover ?? false
    emit("ended") { json in
      if let status { json.field(status) }
      json.field("leftover", leftover)
      json.field("swept", swept)
    }
    record(status, leftover: leftover)
    jobControl?.end()
    if timedOut { return killed ? 137 : 124 }
    return status?.shellCode ?? 137
  }

  private func record(_ status: ExitStatus?, leftover: Bool) {
    guard let replica else { return }
    var json = JSONLine()
    var time: [UInt8] = []
    Clock.appendTimestamp(Clock.wall, to: &time)
    json.field("at", text: time)
    json.field("pid", Int64(main))
    if let status { json.field(status) }
    json.field("killed", killed)
    json.field("leftover", leftover)
    json.field("swept", swept)
    do throws(SystemError) { try replica.record(json.line()) } catch {
      Diagnostics.say { line in
        line.append(text: "the exit record cannot be written: ")
        line.append(contentsOf: error.text)
      }
    }
  }
}

extension Program.Group {
  var isOwn: Bool {
    switch self {
    case .own: true
    case .inherited, .session: false
    }
  }
}
