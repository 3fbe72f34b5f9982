import AppSpec
import CLinux
import Linux
import StopPlan

/// How a replica begins for this engine: it is started, or taken over from an engine that was killed.
extension ReplicaProcess {
  /// Starts the keeper, which starts the program, and follows what it says.
  /// - Parameters:
  ///   - record: what is kept of it in the run directory too, for an engine that has lost the newest of its database.
  ///   - estate: what another has stored and this one is given, as far as it may store itself.
  func launch(_ record: ReplicaRecord, given estate: Estate? = nil) async throws {
    // Who is not wanted any more is not started.
    if request != nil { return over() }
    var record = record
    record.turn = turn?.step
    record.cgroup = cgroup
    let lock: Descriptor
    do { lock = try directory.take(for: record) } catch {
      // Whatever is there is not ours to sweep.
      over()
      throw error
    }
    do {
      try await startKeeper(lock, given: estate)
      lock.close()
    } catch {
      // What still holds it then is of the replica, and not we.
      lock.close()
      await keeperEnded()
      throw error
    }
  }

  private func startKeeper(_ lock: Descriptor, given estate: Estate?) async throws {
    let stored = Array((estate?.entries ?? []).prefix(app.notify.store))
    let command = self.command(stored)
    if app.user != nil, app.container == nil { try context.paths.letThrough(to: name) }
    var image: ImageConfiguration?
    if let container = app.container {
      image = try await beside.podman.configuration(of: container.image)
      // The stop may have come meanwhile.
      if request != nil { return over() }
      try directory.noteContainer()
    }
    let output = try Path(string: directory.keeperLog).open(O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW)
    defer { output.close() }
    let null = try Path("/dev/null").open(O_RDWR)
    defer { null.close() }
    var program = Program(
      executable: Path(string: context.keeperBinary), arguments: try command.arguments(image).map { Array($0.utf8) },
      environment: try command.environment())
    (program.input, program.output, program.error) = (null, output, output)
    program.directory = Path(string: app.directory)
    program.group = .session
    // The lock goes on to the program: while something of the replica lives, it is held.
    program.placed = [listener].compactMap { $0 } + stored.map(\.descriptor) + [lock]
    program.writesListenPid = !command.inheritedNames.isEmpty
    keeper = try await context.children.start(program)
    identity = ProcessRecord(pid: keeper)?.identity
    // Until its keeper has them; one that ends at once may never say so.
    given = estate
    try await connectAtStart()
  }

  /// The socket is there a moment after the keeper has started; how long that takes is bounded.
  private func connectAtStart() async throws {
    let limit = Clock.now + .seconds(20)
    var pause = TimeSpan.milliseconds(2)
    while true {
      try await TaskThreads.sleep(pause)
      pause = min(pause + pause, .milliseconds(50))
      if let link = try? await KeeperLink.connect(directory.socket, after: 0, inbox.put) {
        await context.children.disown(keeper)
        return keep(link)
      }
      if ProcessRecord(pid: keeper)?.isZombie ?? true {
        let status = await context.children.wait(for: keeper)
        // A program that ends at once has ended before we could connect.
        if directory.exit() != nil { return await keeperEnded() }
        throw EngineError("\(name) did not start: \(directory.lastWords() ?? "its keeper ended with \(status.shellCode)")")
      }
      if Clock.now > limit { throw EngineError("the keeper of \(name) does not answer; see \(directory.keeperLog)") }
    }
  }

  /// Whether it was tried to start it, be it by an engine before, whose keeper has not answered yet.
  var isLaunched: Bool { isEnded || keeper > 0 || directory.isHeld }

  /// It is not started after all; who waits for its end goes on.
  func abandon() { if !isEnded { over() } }

  // MARK: - After an engine's death

  /// Takes over what an earlier engine has started. Returns when it is followed again, or has ended.
  func adopt() async {
    if !directory.exists, let keeper = LivingKeepers.lost(context.paths)[name] { return await follow(lost: keeper) }
    var pause = TimeSpan.milliseconds(1)
    let limit = Clock.now + Self.answerBound
    know(directory.processes())
    while directory.isHeld {
      if let link = try? await KeeperLink.connect(directory.socket, after: 0, inbox.put) { return keep(link) }
      let processes = directory.processes()
      know(processes)
      // A keeper that was forked just before its engine died needs a moment; one that is gone never answers.
      if processes != nil, processes?.livingKeeper == nil { break }
      if Clock.now > limit { break }
      try? await TaskThreads.sleep(pause)
      pause = min(pause + pause, .milliseconds(50))
    }
    await keeperEnded()
  }

  private func know(_ processes: ReplicaProcesses?) {
    (main, mainStart) = (processes?.main ?? 0, processes?.mainStart)
    if let processes { identity = ProcessIdentity(pid: processes.keeper, startTime: processes.keeperStart) }
  }

  /// How long a keeper may take to answer an engine that has come back.
  private static let answerBound = TimeSpan.seconds(5)
}
