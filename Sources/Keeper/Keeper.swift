import CLinux
import Linux
import StopPlan

/// Keeps one process tree: starts its main process, forwards, reaps, and carries out what `StopMachine` decides.
///
/// One wait loop; it wakes only for a signal, a client, output, or the machine's own deadline.
public final class Keeper {
  let replica: Replica?
  /// Where events go as JSON lines, if anywhere.
  let eventsFile: Descriptor?
  var events = EventRing()
  var main: Int32 = 0
  var mainStatus: ExitStatus?
  var hook: Int32 = 0
  var jobControl: JobControl?
  /// The process that tells us of Ctrl-C in the main process's group.
  var interruptWatcher: Int32 = 0
  /// A member of the main process's group whose end is watched for the machine.
  var watchedMember: ProcessHandle?
  var deadline = Instant.never
  var timeLimit = Instant.never
  /// When it is said next what the stop under way waits for.
  var nextTelling = Instant.never
  var timedOut = false
  var killed = false
  var swept: Int64 = 0
  /// What the program said of itself by sd_notify(3).
  var isReady = false
  var statusText: [UInt8] = []
  /// What the machine is to be answered once its actions are carried out: whether it wants to see the tree, or only the main process.
  var look: Bool?
  var hookIsOver = false
  var groupIsEmpty = false
  /// What the machine ended with.
  var isOver = false
  var leftover = false
  // The large ones last.
  let signals: Signals
  let spawner: Spawner
  let options: KeeperOptions
  var machine: StopMachine

  private init(options: KeeperOptions, plan: StopPlan, signals: Signals, environment: CStrings, replica: Replica?, eventsFile: Descriptor?)
  {
    self.options = options
    self.eventsFile = eventsFile
    self.signals = signals
    self.replica = replica
    spawner = Spawner(signals, environment: environment, grace: plan.grace, directory: options.directory)
    machine = StopMachine(
      StopMachine.Settings(
        plan: plan, stopOn: options.stopOn, rewrite: options.rewrite, forwardScope: options.scope, isEverythingOurs: lc_pid() == 1))
  }

  /// Runs a command as the arguments say, to its end.
  ///
  /// - Parameters:
  ///   - arguments: those of our process, the first being its own name.
  ///   - environment: `NAME=value` entries. Both must outlive the call.
  /// - Returns: the exit code for our own process; `HelpText` documents it.
  public static func run(arguments: CStrings, environment: CStrings) -> UInt8 {
    // First of all, so that no signal comes too early.
    let signals: Signals
    do throws(SystemError) { signals = try Signals() } catch { return failed("signals cannot be read", error) }
    var parser = OptionParser(arguments)
    let plan: StopPlan
    do throws(OptionParser.Mistake) {
      try parser.read(environment: environment)
      plan = try parser.plan()
    } catch {
      Diagnostics.say(error, in: parser.name, parser.value)
      return 2
    }
    let options = parser.options
    if !options.printed.isEmpty {
      try? Descriptor.output.write(options.printed)
      return 0
    }
    if options.isDryRun {
      DryRun.print(plan, options, environment: environment)
      return 0
    }
    if let signal = options.parentDeath { _ = lc_want_parent_death(signal.number) }
    if lc_pid() != 1 {
      do throws(SystemError) { try Reaper.becomeSubreaper() } catch { return failed("orphans cannot be adopted", error) }
    }
    var replica: Replica?
    if let directory = options.directory {
      do throws(SystemError) { replica = try Replica.open(directory) } catch { return failed("the run directory cannot be used", error) }
    }
    let eventsFile: Descriptor?
    do throws(SystemError) { eventsFile = try options.openEvents() } catch { return failed("events cannot be written", error) }
    let keeper = Keeper(
      options: options, plan: plan, signals: signals, environment: environment, replica: replica, eventsFile: eventsFile)
    return keeper.startMain() ?? keeper.loop()
  }

  @inline(never)
  private static func failed(_ what: ByteView, _ error: SystemError) -> UInt8 {
    Diagnostics.say(what, "", error)
    return 125
  }

  // MARK: - Start

  /// Starts the main process.
  /// - Returns: nil, or the exit code when it could not be started.
  private func startMain() -> UInt8? {
    var spawn = lc_spawn_inheriting()
    spawn.group = group
    if replica == nil, spawn.group == lc_group_own { jobControl = JobControl.inForeground }
    if let jobControl { spawn.terminal = jobControl.terminal.number }
    do throws(StartError) {
      if let replica {
        spawn.out = replica.output.writer.number
        spawn.err = replica.error.writer.number
        // The program holds a read end of its own output open: a keeper's death must not end it by SIGPIPE.
        var kept: (Int32, Int32) = (replica.output.reader?.number ?? -1, replica.error.reader?.number ?? -1)
        main = try withUnsafePointer(to: &kept) { (kept) throws(StartError) in
          spawn.kept = UnsafeRawPointer(kept).assumingMemoryBound(to: Int32.self)
          spawn.kept_count = 2
          return try spawner.start(options.command, isMain: true, &spawn)
        }
        replica.started()
      } else {
        main = try withUnsafeMutablePointer(to: &interruptWatcher) { (watcher) throws(StartError) in
          if jobControl != nil { spawn.watcher = watcher }
          return try spawner.start(options.command, isMain: true, &spawn)
        }
      }
    } catch {
      return notStarted(error)
    }
    jobControl?.mainGroup = main
    if let limit = options.timeLimit { timeLimit = Clock.now + limit }
    emit(.started(main))
    return nil
  }

  /// Own session only where no terminal is lost by it (DESIGN, "sessions").
  private var group: Int32 {
    if let ownSession = options.ownSession { return ownSession ? lc_group_session : lc_group_own }
    if replica != nil { return lc_group_session }
    if lc_pid() != 1, lc_session() != lc_pid() { return lc_group_own }
    let terminal = lc_open("/dev/tty", O_RDWR | O_NOCTTY, 0)
    if terminal < 0 { return lc_group_session }
    _ = lc_close(Int32(truncatingIfNeeded: terminal))
    return lc_group_own
  }

  private func notStarted(_ error: StartError) -> UInt8 {
    let code: UInt8
    let reason: SystemError
    switch error {
    case .noProcess(let cause):
      Diagnostics.say("no process can be made for ", options.commandName, cause)
      (code, reason) = (125, cause)
    case .notExecuted(.notFound):
      Diagnostics.say("command not found: ", options.commandName)
      (code, reason) = (127, .notFound)
    case .notExecuted(let cause):
      Diagnostics.say("cannot execute ", options.commandName, cause)
      (code, reason) = (126, cause)
    }
    emit(.failed(options.commandName, reason))
    mainStatus = .code(code)
    record()
    return code
  }

  // MARK: - The loop

  private func loop() -> UInt8 {
    takeSignals()
    while !isOver {
      let next = min(deadline, timeLimit, nextTelling)
      if replica == nil, watchedMember == nil {
        if let arrival = signals.wait(until: next) { take(arrival) }
        if next != .never || isTelling { passTime() }
        continue
      }
      var polled = PollSet()
      watch(&polled)
      polled.wait(until: next)
      takeSignals()
      passTime()
      dispatch(&polled)
    }
    return finish()
  }

  private func watch(_ polled: inout PollSet) {
    polled.watch(PollSet.signals, signals.descriptor)
    polled.watch(PollSet.member, watchedMember?.descriptor)
    guard let replica else { return }
    polled.watch(PollSet.listener, replica.listener)
    polled.watch(PollSet.notify, replica.notify)
    polled.watch(PollSet.output, replica.output.reader)
    polled.watch(PollSet.error, replica.error.reader)
    for place in replica.clients.indices {
      if let client = replica.clients[place] { polled.watch(PollSet.clients + place, client.descriptor, writes: client.isBehind) }
    }
  }

  /// Takes what is there. Signals are taken apart, before everything else.
  private func dispatch(_ polled: inout PollSet) {
    if polled.isReady(PollSet.member) { watchGroup() }
    guard let replica else { return }
    if polled.isReady(PollSet.output) || polled.isReady(PollSet.error) { replica.readOutput(rounds: 16) }
    if polled.isReady(PollSet.notify) { readNotifications(replica) }
    for place in replica.clients.indices where polled.isReady(PollSet.clients + place) {
      if let client = replica.clients[place] { serve(client) }
    }
    replica.dropGone()
    if polled.isReady(PollSet.listener) {
      while let client = replica.acceptClient() { client.send(status("keeper")) }
    }
  }

  private func passTime() {
    let now = Clock.now
    if now >= timeLimit {
      timeLimit = .never
      // A command that has ended in time keeps its own status, however long what it left takes.
      timedOut = mainStatus == nil
      feed(.stop(StopRequest(id: Self.timeLimitId)))
    }
    if now >= deadline {
      deadline = .never
      feed(.clock)
    }
    tellWaiting(at: now)
  }

  private func takeSignals() {
    while let arrival = signals.next() { take(arrival) }
  }

  private func take(_ arrival: Signals.Arrival) {
    // Our own write to a reader that is gone; passed on, it would end the command, and telling of it would raise the next.
    if arrival.signal == .pipe, arrival.sender == lc_pid() { return }
    if arrival.signal == .chld {
      reap()
    } else if arrival.signal == .cont, mainStatus == nil, let jobControl {
      jobControl.continued()
    } else if arrival.sender == interruptWatcher, interruptWatcher > 0 {
      feed(.interrupted)
    } else {
      feed(.signal(arrival.signal, value: arrival.value, fromTerminal: arrival.fromTerminal && arrival.signal == .int))
    }
  }

  private func reap() {
    var mainEnded: ExitStatus?
    while true {
      switch Reaper.next() {
      case .ended(let pid, let status):
        if pid == main {
          mainStatus = status
          mainEnded = status
          emit(.exited(pid, status))
        } else if pid == hook {
          hook = 0
          emit(.hookEnded(status))
          feed(.hookEnded)
        } else {
          swept += 1
        }
      case .stopped(let pid, _): if pid == main { jobControl?.mainStopped() }
      case .nothing: return feed(.reaped(main: mainEnded, treeEmpty: false))
      case .noChildren: return feed(.reaped(main: mainEnded, treeEmpty: true))
      }
    }
  }

  // MARK: - The end

  private func finish() -> UInt8 {
    replica?.readOutput(rounds: 64)
    replica?.finishOutput()
    emit(.ended(mainStatus, leftover: leftover, swept: swept))
    record()
    jobControl?.end()
    if timedOut { return killed ? 137 : 124 }
    return options.exitCodes.apply(to: mainStatus?.shellCode ?? 137)
  }

  private func record() {
    guard let replica else { return }
    var json = JSONLine()
    json.field("at", wall: Clock.wall)
    json.field("pid", Int64(main))
    if let mainStatus { json.field(mainStatus) }
    json.field("killed", killed)
    json.field("leftover", leftover)
    json.field("swept", swept)
    json.close()
    do throws(SystemError) { try replica.record(json.bytes) } catch {
      Diagnostics.say("the exit record cannot be written", "", error)
    }
  }
}
