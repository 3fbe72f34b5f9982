import CLinux
import Linux
import StopPlan

/// Keeps one process tree: starts its main process, forwards, reaps, and carries out what `StopMachine` decides.
///
/// One wait loop; it wakes only for a signal or the machine's own deadline. `ReplicaKeeper` keeps a tree for an engine.
public class Keeper {
  final let options: KeeperOptions
  /// Where events go as JSON lines, if anywhere.
  final let eventsFile: Descriptor?
  /// The number of the last event.
  final var lastSequence: Int64 = 0
  final var main: Int32 = 0
  final var mainStatus: ExitStatus?
  final var hook: Int32 = 0
  /// The exit code when the main process could not be started.
  final var startFailure: UInt8?
  final var jobControl: JobControl?
  final let apart = Apart()
  /// Where the main process enters its cgroup, or -1.
  final let cgroup: Int
  /// A member of the main process's group whose end is watched for the machine.
  final var watchedMember: ProcessHandle?
  final var deadline = Instant.never
  final var timeLimit = Instant.never
  /// When the succession has something to do; nil is at once.
  final var nextSuccession: Instant?
  /// By when the stop that was announced has to be over, and until when its pause lasts; long ago when none was.
  final var announcedDeadline = Instant(nanoseconds: 0)
  final var pauseEnd = Instant(nanoseconds: 0)
  final var hasNoticed = false
  /// When it is said next what the stop under way waits for.
  final var nextTelling = Instant.never
  final var timedOut = false
  final var killed = false
  final var swept: Int64 = 0
  /// What the machine is to be answered once its actions are carried out: whether it wants to see the tree, or only the main process.
  final var look: Bool?
  /// See `Observation.toldUpTo`; 0 when no group was told since the last.
  final var groupToldUpTo: Int32 = 0
  final var hookIsOver = false
  final var groupIsEmpty = false
  /// What the machine ended with.
  final var isOver = false
  final var leftover = false
  /// The budget for the stop of everything.
  final var totalGrace: TimeSpan
  // The large ones last.
  final let signals: Signals
  final let spawner: Spawner
  final var machine: StopMachine
  final var succession: Succession

  @inline(never)
  init(_ setup: KeeperSetup) {
    options = setup.options
    signals = setup.signals
    cgroup = setup.cgroup
    eventsFile = setup.eventsFile
    let plan = setup.plan
    spawner = setup.spawner
    machine = StopMachine(
      StopMachine.Settings(
        plan: plan, stopOn: options.stopOn, rewrite: options.rewrite, forwardScope: options.scope,
        isEverythingOurs: lc_pid() == 1 && options.sidecarCount == 0))
    totalGrace = options.totalGrace(plan)
    succession = Succession(
      sidecars: options.sidecarCount, grace: totalGrace, mainPolicy: options.mainPolicy, sidecarPolicy: options.sidecarPolicy)
  }

  /// Runs a command as the arguments say, to its end.
  ///
  /// - Parameters:
  ///   - arguments: those of our process, the first being its own name.
  ///   - environment: `NAME=value` entries. Both must outlive the call.
  /// - Returns: the exit code for our own process; `HelpText` documents it.
  public static func run(arguments: CStrings, environment: CStrings) -> UInt8 {
    do throws(KeeperSetup.Exit) {
      return Keeper(try KeeperSetup(arguments: arguments, environment: environment)).loop()
    } catch {
      return error.code
    }
  }

  // MARK: - What a keeper of a replica does otherwise

  /// Whether somebody beside `--events` and `-v` wants to know what happens.
  var isFollowed: Bool { false }

  /// Gives the main process its streams.
  func prepareMain(_ spawn: inout lc_spawn) {}

  /// The main process has its streams, or needs none.
  func releaseStreams() {}

  /// Gives a hook its streams, which are where ours go when nothing is said.
  func prepareHook(_ spawn: inout lc_spawn) {}

  /// Tells who follows.
  func follow(_ line: [UInt8]) {}

  /// Waits for whatever comes first, at most until then.
  func wait(until next: Instant) {
    if watchedMember == nil {
      if let arrival = signals.wait(until: next) { take(arrival) }
      if next != .never || isTelling { passTime() }
      return
    }
    var polled = PollSet()
    polled.watch(PollSet.signals, signals.descriptor)
    polled.watch(PollSet.member, watchedMember?.descriptor)
    polled.wait(until: next)
    takeSignals()
    passTime()
    if polled.isReady(PollSet.member) { watchGroup() }
  }

  // MARK: - Start

  /// Starts the main process, the first time or again.
  final func startMain() {
    let isFirst = main == 0
    if !isFirst {
      machine.restart()
      killed = false
      groupToldUpTo = 0
      lc_set_precedence(0)
      if apart.pids[Apart.watcher] > 0 { lc_end_watcher(apart.pids[Apart.watcher]) }
      apart.pids[Apart.watcher] = 0
      jobControl?.end()
    }
    var spawn = lc_spawn_inheriting()
    spawn.group = group
    if isFirst, spawn.group == lc_group_own { jobControl = JobControl() }
    if let jobControl, jobControl.isInForeground { spawn.terminal = 0 }
    spawn.cgroup = Int32(truncatingIfNeeded: cgroup)
    if isFirst, !options.noticeFile.isEmpty { Path(options.noticeFile).unlink() }
    do throws(StartError) {
      prepareMain(&spawn)
      main = try withUnsafeMutablePointer(to: &apart.pids[Apart.watcher]) { (watcher) throws(StartError) in
        if jobControl != nil, options.stopOn.mask != 0 { spawn.watcher = watcher }
        return try spawner.start(options.command, isMain: true, &spawn)
      }
      releaseStreams()
      startFailure = nil
      mainStatus = nil
    } catch {
      releaseStreams()
      return notStarted(error)
    }
    jobControl?.mainGroup = main
    if isFirst, let limit = options.timeLimit { timeLimit = Clock.now + limit }
    emit(.started(main))
    // No file system is kept busy by an init that has nothing to do in its directory; catatonit keeps no sockets or pipes open either.
    if options.isOnlyForwarding, Dialect.current == .dumbInit || Dialect.current == .catatonit {
      _ = lc_change_directory("/")
      if Dialect.current == .catatonit { lc_close_from(3) }
    }
  }

  /// Own session only where no terminal is lost by it (DESIGN, "sessions").
  private var group: Int32 {
    if let group = options.group { return group }
    if Dialect.current == .own, lc_pid() != 1, lc_session() != lc_pid() { return lc_group_own }
    let terminal = lc_open("/dev/tty", O_RDWR | O_NOCTTY, 0)
    if terminal < 0 { return lc_group_session }
    _ = lc_close(Int32(truncatingIfNeeded: terminal))
    return lc_group_own
  }

  private func notStarted(_ error: StartError) {
    let code = Dialect.current.code(error)
    switch error {
    case .noProcess(let cause): Diagnostics.say("no process can be made for ", options.commandName, cause)
    case .notExecuted(.notFound) where Dialect.current == .own: Diagnostics.say("command not found: ", options.commandName)
    case .notExecuted(let cause): Diagnostics.say("cannot execute ", options.commandName, cause)
    }
    emit(.failed(options.commandName, error.cause))
    mainStatus = .code(code)
    startFailure = code
    // What cannot be started the first time is no program that failed.
    if main == 0 { stopAll() }
    over(Succession.main)
  }

  // MARK: - The loop

  @inline(never)
  final func loop() -> UInt8 {
    while !isOver {
      if let nextSuccession {
        wait(until: min(min(deadline, timeLimit), min(nextTelling, nextSuccession)))
      } else {
        succeed()
      }
    }
    return finish()
  }

  final func passTime() {
    let now = Clock.now
    if now >= timeLimit {
      timeLimit = .never
      // A command that has ended in time keeps its own status, however long what it left takes.
      timedOut = mainStatus == nil
      feed(.stop(StopRequest(id: Self.timeLimitId)))
      if mainStatus != nil { stopAll() }
    }
    if now >= deadline {
      deadline = .never
      // Who has ended is reaped and not looked at.
      if let arrival = signals.next() { take(arrival) }
      feed(.clock)
    }
    if let nextSuccession, now >= nextSuccession { self.nextSuccession = nil }
    tellWaiting(at: now)
  }

  final func takeSignals() {
    while let arrival = signals.next() { take(arrival) }
  }

  func take(_ arrival: Signals.Arrival) {
    // Our own write to a reader that is gone; passed on, it would end the command, and telling of it would raise the next.
    if arrival.signal == .pipe, arrival.sender == lc_pid() { return }
    if arrival.signal == .chld {
      reap()
    } else if arrival.signal == .cont, mainStatus == nil, let jobControl {
      jobControl.continued()
    } else if arrival.sender == apart.pids[Apart.watcher], arrival.sender > 0 {
      feed(.interrupted)
      if mainStatus != nil { stopAll() }
    } else {
      var value = arrival.value
      if let sent = value, let announcement = Announcement(value: sent) {
        take(announcement, from: arrival)
        if arrival.signal == Announcement.signal { return }
        value = nil
      }
      if options.stopOn.contains(arrival.signal) { useAnnouncement() }
      feed(.signal(arrival.signal, value: value, fromTerminal: arrival.fromTerminal && arrival.signal == .int))
      // TSTP, TTIN or TTOU.
      if Dialect.current == .dumbInit, arrival.signal > .stop, arrival.signal < .urg { _ = lc_kill(lc_pid(), Signal.stop.number) }
      // The machine of a main process that is gone has no stop to begin.
      if mainStatus != nil, options.stopOn.contains(arrival.signal) { stopAll() }
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
          if status.shellCode != 0, !isFollowed { Diagnostics.say("the hook failed; the stop goes on") }
          feed(.hookEnded)
        } else if let sidecar = apart.place(of: pid) {
          apart.pids[sidecar] = 0
          emit(.sidecarEnded(options.sidecar(sidecar).name, pid, status))
          over(sidecar)
        } else {
          swept += 1
          if options.namesReaped { nameReaped(pid) }
        }
      case .stopped(let pid, let signal): if pid == main { jobControl?.mainStopped(by: signal) }
      case .nothing:
        let isEmpty = mainStatus != nil && options.sidecarCount > 0 && !observer.hasChild(inMainGroup: false)
        return feed(.reaped(main: mainEnded, treeEmpty: isEmpty))
      case .noChildren: return feed(.reaped(main: mainEnded, treeEmpty: true))
      }
    }
  }

  private func nameReaped(_ pid: Int32) {
    var number: [UInt8] = []
    number.append(number: Int64(pid))
    number.withView { Diagnostics.say("Reaped zombie process with pid=", $0, level: "WARN ") }
  }

  // MARK: - The end

  func finish() -> UInt8 {
    emit(.ended(mainStatus, leftover: leftover, swept: swept))
    jobControl?.end()
    if let path = options.cgroup { lc_remove_cgroup(path) }
    // Before a signal to the group of a main process that there never was, which would be our own. tini maps these codes too.
    if let startFailure, Dialect.current != .tini { return startFailure }
    if Dialect.current == .dumbInit, options.isOnlyForwarding, options.scope == .group, let signal = options.rewrite.apply(to: .term) {
      _ = lc_kill(-main, signal.number)
    }
    if timedOut { return killed ? 137 : 124 }
    return options.exitCodes.apply(to: mainStatus?.shellCode ?? 137)
  }
}
