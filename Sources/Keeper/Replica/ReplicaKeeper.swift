import CLinux
import Linux
import StopPlan

/// Keeps one replica for an engine: a control socket, the program's output and its own word of how it is, and a record of how it ended,
/// all in the replica's run directory.
public final class ReplicaKeeper: Keeper {
  let replica: Replica
  let own: ReplicaOptions
  let store: DescriptorStore
  /// Our own arguments and environment, for the keeper that we may become.
  let arguments: CStrings
  let inherited: CStrings
  private let watchdogPid: UnsafeMutablePointer<CChar>?
  private let polled: ReplicaPollSet
  var events = EventRing()
  var identity = ReplicaIdentity()
  /// The id of the request that began the stop under way, if one did.
  var stopId: UInt64?
  var says = ReplicaWord()
  /// When what could not be written is tried again; never when all could be.
  private var nextTry = Instant.never

  private init(
    _ setup: KeeperSetup, _ replica: Replica, _ own: ReplicaOptions, arguments: CStrings, environment: CStrings,
    watchdogPid: UnsafeMutablePointer<CChar>?
  ) {
    self.replica = replica
    self.own = own
    self.arguments = arguments
    self.watchdogPid = watchdogPid
    inherited = environment
    store = DescriptorStore(limit: own.storeLimit, stored: own.stored, isResumed: own.resumed != nil, environment: environment)
    polled = ReplicaPollSet(storeLimit: own.storeLimit)
    says.watchdog = own.watchdog
    super.init(setup)
  }

  /// Keeps a replica as the arguments say, to its end.
  ///
  /// - Parameters:
  ///   - arguments: our process's own name, the run directory, our own options, and what lastcall-init takes; or `become` with what
  ///     `Become` takes.
  ///   - environment: `NAME=value` entries. Both must outlive the call.
  /// - Returns: the exit code for our own process, that of lastcall-init.
  public static func keep(arguments: CStrings, environment: CStrings) -> UInt8 {
    guard let directory = arguments[0] == nil ? nil : arguments[1], directory[0] != CChar(bitPattern: UInt8(ascii: "-")) else {
      Diagnostics.say("usage: lastcall-keeper DIRECTORY [own options] [options of lastcall-init] [--] command [arguments]")
      return 2
    }
    if ByteView(directory) == "become" { return Become.run(arguments + 2, environment: environment) }
    do throws(KeeperSetup.Exit) { return try make(ByteView(directory), arguments, environment).loop() } catch { return error.code }
  }

  /// A keeper that is ready to start its program, or to go on with it. Apart from `keep`, whose stack stays for a life.
  @inline(never)
  private static func make(
    _ directory: ByteView, _ arguments: CStrings, _ environment: CStrings
  ) throws(KeeperSetup.Exit) -> ReplicaKeeper {
    let own = try ReplicaOptions(arguments + 2)
    let state = own.resumed.flatMap { ReplicaState($0) }
    state?.resumeSignals()
    let (entries, watchdogPid) = own.environment(environment)
    let setup = try KeeperSetup(arguments: own.rest, environment: entries, directory: directory)
    // It took what it needs.
    entries.deallocate()
    if setup.options.group == nil { setup.options.group = lc_group_session }
    guard setup.options.sidecarCount == 0, setup.options.mainPolicy == .stop else {
      Diagnostics.say("a replica has no sidecars and is not started again by its keeper: --with and --main-policy are for lastcall-init")
      throw KeeperSetup.Exit(code: 2)
    }
    if own.isCheck {
      try? Descriptor.output.write(StateWriter.head)
      throw KeeperSetup.Exit(code: 0)
    }
    let replica: Replica?
    do throws(SystemError) {
      replica = own.resumed == nil ? try Replica.open(directory, own) : state.flatMap { Replica.resume(directory, own, from: $0) }
    } catch {
      throw KeeperSetup.failed("the run directory cannot be used", error)
    }
    guard let replica else {
      Diagnostics.say("the state of the keeper before cannot be read; what it kept runs on without one")
      throw KeeperSetup.Exit(code: 125)
    }
    let keeper = ReplicaKeeper(setup, replica, own, arguments: arguments, environment: environment, watchdogPid: watchdogPid)
    if let state { keeper.resume(from: state) }
    return keeper
  }

  override var isFollowed: Bool { true }

  override func prepareMain(_ spawn: inout lc_spawn) {
    give(replica.output, &spawn)
    lc_set_watchdog_pid(watchdogPid)
  }

  private func give(_ log: OutputLog, _ spawn: inout lc_spawn) {
    spawn.out = log.output.writer.number
    spawn.err = log.error.writer.number
    replica.keep(log)
    spawn.kept = UnsafePointer(replica.kept)
    spawn.kept_count = 2
  }

  override func releaseStreams() {
    lc_set_watchdog_pid(nil)
    replica.output.closeWriters()
    if main == 0 { return }
    identity.started(main)
    var json = JSONLine()
    json.field("at", wall: Clock.wall)
    identity.append(to: &json)
    json.close()
    record("process", json, isLasting: false)
  }

  /// A hook's output belongs beside the program's.
  override func prepareHook(_ spawn: inout lc_spawn) {
    replica.openHooks()
    if let hooks = replica.hooks { give(hooks, &spawn) }
  }

  override func follow(_ line: [UInt8]) {
    events.keep(line)
    replica.broadcast(line)
  }

  // MARK: - The loop

  override func wait(until next: Instant) {
    polled.clear()
    polled.watch(ReplicaPollSet.signals, signals.descriptor)
    polled.watch(ReplicaPollSet.member, watchedMember?.descriptor)
    polled.watch(ReplicaPollSet.listener, replica.listener)
    polled.watch(ReplicaPollSet.notify, replica.notify)
    watch(replica.output, ReplicaPollSet.output)
    if let hooks = replica.hooks { watch(hooks, ReplicaPollSet.hookOutput) }
    for place in replica.clients.indices {
      if let client = replica.clients[place] { polled.watch(ReplicaPollSet.clients + place, client.descriptor, writes: client.isBehind) }
    }
    for index in store.stored.indices where store.stored[index].isPolled {
      polled.watchEnd(ReplicaPollSet.stored + index, store.stored[index].descriptor)
    }
    polled.wait(until: min(next, min(nextTry, machine.deadline == nil ? says.watchdogAt : .never)))
    takeSignals()
    passTime()
    dispatch()
    lookAfterLogs()
    watchdogPassed()
  }

  /// A program whose log waits for the disk waits too, once its pipe is full.
  private func watch(_ output: OutputLog, _ place: Int) {
    if output.log.isBlocked { return }
    polled.watch(place, output.output.reader)
    polled.watch(place + 1, output.error.reader)
  }

  override func take(_ arrival: Signals.Arrival) {
    if arrival.signal == .hup {
      reopenLogs()
    } else if arrival.signal == .chld || arrival.sender != lc_pid() {
      // What our own writes raise (PIPE, XFSZ) is not for the program.
      super.take(arrival)
    }
  }

  /// Takes what is there. Signals are taken apart, before everything else.
  private func dispatch() {
    if polled.isReady(ReplicaPollSet.member) { watchGroup() }
    if polled.isReady(ReplicaPollSet.output) || polled.isReady(ReplicaPollSet.error) { replica.output.read(rounds: 16) }
    if polled.isReady(ReplicaPollSet.hookOutput) || polled.isReady(ReplicaPollSet.hookError) { replica.hooks?.read(rounds: 16) }
    // Before the program's own word, which may remove some and move the others.
    var index = store.stored.count
    while index > 0 {
      index -= 1
      if polled.isReady(ReplicaPollSet.stored + index) { dropStored(at: index) }
    }
    if polled.isReady(ReplicaPollSet.notify) { readNotifications() }
    for place in replica.clients.indices where polled.isReady(ReplicaPollSet.clients + place) {
      if let client = replica.clients[place] { serve(client) }
    }
    replica.dropGone()
    if polled.isReady(ReplicaPollSet.listener) {
      while let client = replica.acceptClient() { client.send(status("keeper")) }
    }
  }

  /// Tries again, once a second, what could not be written. No clock runs when all could be.
  @inline(never)
  private func lookAfterLogs() {
    let now = Clock.now
    if now >= nextTry {
      replica.output.retry()
      replica.hooks?.retry()
      nextTry = .never
    }
    tellOfLogs()
    let isFailing = replica.output.log.failure != nil || replica.hooks?.log.failure != nil
    if !isFailing { nextTry = .never } else if nextTry == .never { nextTry = now + .seconds(1) }
  }

  @inline(never)
  private func tellOfLogs() {
    if let news = replica.output.news() { emit(news) }
    if let news = replica.hooks?.news() { emit(news) }
  }

  /// Opens the logs again, for who has moved them away.
  func reopenLogs() {
    do throws(SystemError) {
      try replica.output.reopen()
      try replica.hooks?.reopen()
    } catch {
      Diagnostics.say("a log cannot be opened again and is written on where it is", "", error)
    }
  }

  // MARK: - The end

  override func finish() -> UInt8 {
    // What it said last may be what it has stored; more than that no socket holds (unix(7), net.unix.max_dgram_qlen).
    readNotifications(most: 1024)
    replica.output.finish()
    replica.hooks?.finish()
    tellOfLogs()
    if replica.output.log.unwritten > 0 { emit(.logLost(replica.output.log)) }
    if let log = replica.hooks?.log, log.unwritten > 0 { emit(.logLost(log)) }
    // What the program has stored lives on in what these have not yet received.
    if !store.stored.isEmpty {
      awaitHeir()
      for place in replica.clients.indices {
        if let client = replica.clients[place], client.follows { handOver(to: client) }
      }
    }
    defer { recordEnd() }
    return super.finish()
  }

  /// Whoever has heard only now that something is stored needs a moment to come for it.
  private func awaitHeir() {
    let limit = store.filledAt + .seconds(2)
    var (isAwaited, hasCome) = (true, false)
    repeat {
      // Who has just come may not have been heard yet.
      while let client = replica.acceptClient() { client.send(status("keeper")) }
      isAwaited = false
      polled.clear()
      polled.watch(ReplicaPollSet.listener, replica.listener)
      for place in replica.clients.indices {
        guard let client = replica.clients[place] else { continue }
        serve(client)
        polled.watch(ReplicaPollSet.clients + place, client.descriptor, writes: client.isBehind)
        if client.follows, !client.isGone { (isAwaited, hasCome) = (true, hasCome || client.isHeir) }
      }
      replica.dropGone()
      if isAwaited, !hasCome { polled.wait(until: limit) }
    } while isAwaited && !hasCome && Clock.now < limit
  }

  private func recordEnd() {
    var json = JSONLine()
    json.field("at", wall: Clock.wall)
    json.field("pid", Int64(main))
    if let mainStatus { json.field(mainStatus) }
    json.field("killed", killed)
    json.field("leftover", leftover)
    json.field("swept", swept)
    if replica.output.log.unwritten > 0 { json.field("lostLines", replica.output.log.unwritten) }
    json.close()
    record("exit", json, isLasting: true)
  }

  private func record(_ name: ByteView, _ json: JSONLine, isLasting: Bool) {
    do throws(SystemError) { try replica.record(name, json.bytes, isLasting: isLasting) } catch {
      Diagnostics.say("a record cannot be written: ", name, error)
    }
  }
}
