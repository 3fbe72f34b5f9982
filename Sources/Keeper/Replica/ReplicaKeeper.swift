import CLinux
import Linux
import StopPlan

/// Keeps one replica for an engine: a control socket, the program's output and its own word of how it is, and a record of how it ended,
/// all in the replica's run directory.
public final class ReplicaKeeper: Keeper {
  let replica: Replica
  var events = EventRing()
  /// What the program said of itself by sd_notify(3).
  var isReady = false
  var statusText: [UInt8] = []

  private init(_ setup: KeeperSetup, _ replica: Replica) {
    self.replica = replica
    super.init(setup)
  }

  /// Keeps a replica as the arguments say, to its end.
  ///
  /// - Parameters:
  ///   - arguments: our process's own name, the run directory, and what lastcall-init takes.
  ///   - environment: `NAME=value` entries. Both must outlive the call.
  /// - Returns: the exit code for our own process, that of lastcall-init.
  public static func keep(arguments: CStrings, environment: CStrings) -> UInt8 {
    guard let directory = arguments[0] == nil ? nil : arguments[1], directory[0] != CChar(bitPattern: UInt8(ascii: "-")) else {
      Diagnostics.say("usage: lastcall-keeper DIRECTORY [options of lastcall-init] [--] command [arguments]")
      return 2
    }
    do throws(KeeperSetup.Exit) {
      let setup = try KeeperSetup(arguments: arguments + 1, environment: environment, directory: ByteView(directory))
      if setup.options.group == nil { setup.options.group = lc_group_session }
      guard setup.options.sidecarCount == 0, setup.options.mainPolicy == .stop else {
        Diagnostics.say("a replica has no sidecars and is not started again by its keeper: --with and --main-policy are for lastcall-init")
        throw KeeperSetup.Exit(code: 2)
      }
      let replica: Replica
      do throws(SystemError) { replica = try Replica.open(ByteView(directory)) } catch {
        throw KeeperSetup.failed("the run directory cannot be used", error)
      }
      return ReplicaKeeper(setup, replica).loop()
    } catch {
      return error.code
    }
  }

  override var isFollowed: Bool { true }

  override func prepareMain(_ spawn: inout lc_spawn) {
    spawn.out = replica.output.writer.number
    spawn.err = replica.error.writer.number
    // The program holds a read end of its own output open: a keeper's death must not end it by SIGPIPE.
    spawn.kept = UnsafePointer(replica.kept)
    spawn.kept_count = 2
  }

  override func releaseStreams() { replica.started() }

  /// A hook's output belongs beside the program's.
  override func openHookLog() -> Descriptor? {
    try? replica.directory.appending("hooks.log").open(O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW)
  }

  override func follow(_ line: [UInt8]) {
    events.keep(line)
    replica.broadcast(line)
  }

  override func wait(until next: Instant) {
    var polled = PollSet()
    polled.watch(PollSet.signals, signals.descriptor)
    polled.watch(PollSet.member, watchedMember?.descriptor)
    polled.watch(PollSet.listener, replica.listener)
    polled.watch(PollSet.notify, replica.notify)
    polled.watch(PollSet.output, replica.output.reader)
    polled.watch(PollSet.error, replica.error.reader)
    for place in replica.clients.indices {
      if let client = replica.clients[place] { polled.watch(PollSet.clients + place, client.descriptor, writes: client.isBehind) }
    }
    polled.wait(until: next)
    takeSignals()
    passTime()
    dispatch(&polled)
  }

  /// Takes what is there. Signals are taken apart, before everything else.
  private func dispatch(_ polled: inout PollSet) {
    if polled.isReady(PollSet.member) { watchGroup() }
    if polled.isReady(PollSet.output) || polled.isReady(PollSet.error) { replica.readOutput(rounds: 16) }
    if polled.isReady(PollSet.notify) { readNotifications() }
    for place in replica.clients.indices where polled.isReady(PollSet.clients + place) {
      if let client = replica.clients[place] { serve(client) }
    }
    replica.dropGone()
    if polled.isReady(PollSet.listener) {
      while let client = replica.acceptClient() { client.send(status("keeper")) }
    }
  }

  override func finish() -> UInt8 {
    replica.readOutput(rounds: 64)
    replica.finishOutput()
    defer { record() }
    return super.finish()
  }

  private func record() {
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
