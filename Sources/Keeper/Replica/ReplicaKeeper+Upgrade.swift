import CLinux
import Linux
import StopPlan

/// A keeper becomes another one, by execve(2), and its program does not notice: same pid, same children, same pipes and sockets.
extension ReplicaKeeper {
  /// How long the other one has to say which state it takes.
  private static var checkBound: TimeSpan { .seconds(5) }

  /// Becomes the lastcall-keeper of that file.
  /// - Returns: why it has not; when it has it does not return.
  func upgrade(to path: ByteView) -> ByteView {
    guard machine.deadline == nil, hook == 0, mainStatus == nil, main > 0 else {
      return "not while a stop is under way or a hook runs; what is kept ends, and its successor can have another keeper"
    }
    // Our own descriptor for events has to be there for the other one.
    let eventsNumber = options.eventsTarget.number(limit: Int64(Int32.max)).map { Int32(truncatingIfNeeded: $0) }
    if let eventsNumber { _ = lc_set_cloexec(eventsNumber, 0) }
    defer { if let eventsNumber { _ = lc_set_cloexec(eventsNumber, 1) } }
    guard takesOurState(path) else { return "that file is no lastcall-keeper that takes over from this one with these options" }
    let number = Int32(truncatingIfNeeded: lc_memory_file("lastcall-keeper"))
    guard number >= 0 else { return "no memory for the state" }
    let file = Descriptor(number: number)
    defer { file.close() }
    // What the program wrote up to now is in its pipes; of what is in our hands nothing is lost by a file that can be written.
    guard (try? file.write(state())) != nil else { return "no memory for the state" }
    surviving(true)
    var option: [UInt8] = []
    option.append(text: "--resume=")
    option.append(number: Int64(number))
    execute(path, option)
    surviving(false)
    return "that file cannot be executed"
  }

  /// Our own arguments with one more behind the run directory.
  private func arguments(with option: [UInt8]) -> CStrings {
    var count = 0
    while arguments[count] != nil { count += 1 }
    let list = CStrings.allocate(capacity: count + 2)
    var next = list
    for index in 0..<count {
      guard let argument = arguments[index], index < 2 || !isResume(index) else { continue }
      next.pointee = argument
      next += 1
      if index == 1 {
        next.pointee = option.withView { CStringArray.copy($0) }
        next += 1
      }
    }
    next.pointee = nil
    return list
  }

  /// Whether an argument is what the keeper before has told us: such a one stands right behind the run directory.
  private func isResume(_ index: Int) -> Bool { index == 2 && own.resumed != nil }

  private func execute(_ path: ByteView, _ option: [UInt8]) {
    let list = arguments(with: option)
    _ = Path(path).withCString { lc_execute($0, CStringArray.constant(list), CStringArray.constant(inherited), 0) }
    list[2]?.deallocate()
    list.deallocate()
  }

  // MARK: - The check

  /// Has the other one read our options and say which state it takes.
  private func takesOurState(_ path: ByteView) -> Bool {
    var option: [UInt8] = []
    option.append(text: "--resume-version")
    let list = arguments(with: option)
    defer {
      list[2]?.deallocate()
      list.deallocate()
    }
    guard let (reader, writer) = try? Descriptor.pipe() else { return false }
    defer { reader.close() }
    var spawn = lc_spawn_inheriting()
    spawn.out = writer.number
    let pid = try? spawner.start(list, executable: Path(path), &spawn)
    writer.close()
    guard let pid else { return false }
    defer { lc_end_watcher(pid) }
    let end = Clock.now + Self.checkBound
    var said: [UInt8] = []
    var part: [UInt8] = []
    var entry = pollfd(fd: reader.number, events: Int16(POLLIN), revents: 0)
    while said.count < 64, Clock.now < end {
      guard lc_poll(&entry, 1, max(0, (end - Clock.now).nanoseconds)) > 0 else { continue }
      guard (try? reader.read(into: &part, count: 64)) != nil, !part.isEmpty else { break }
      said.append(bytes: part)
    }
    return said.withView { $0 == StateWriter.head }
  }

  // MARK: - The state

  private func state() -> [UInt8] {
    var state = StateWriter()
    state.number(.main, Int64(main))
    state.number(.swept, swept)
    state.number(.sequence, lastSequence)
    state.number(.ready, says.isReady ? 1 : 0)
    state.number(.reloading, says.isReloading ? 1 : 0)
    state.number(.listener, Int64(replica.listener.number))
    state.number(.notify, Int64(replica.notify.number))
    state.number(.maskLow, Int64(signals.inheritedMask & 0xffff_ffff))
    state.number(.maskHigh, Int64(signals.inheritedMask >> 32))
    state.number(.childrenIgnored, signals.childrenWereIgnored ? 1 : 0)
    state.number(.announcedDeadline, announcedDeadline.nanoseconds)
    state.number(.pauseEnd, pauseEnd.nanoseconds)
    state.number(.hasNoticed, hasNoticed ? 1 : 0)
    state.number(.timeLimit, timeLimit.nanoseconds)
    state.number(.watchdog, says.watchdog)
    state.number(.watchdogAt, says.watchdogAt.nanoseconds)
    if let limit = says.extensionLimit { state.number(.extensionLimit, limit.nanoseconds) }
    state.number(.firstSequence, events.firstSequence)
    state.text(.events, events.lines)
    state.text(.status, says.status)
    state.text(.stored, store.list())
    replica.output.save(to: &state)
    return state.bytes
  }

  /// What the other one needs survives the exec, or is closed by it again.
  private func surviving(_ survives: Bool) {
    let all = [
      replica.listener, replica.notify, replica.output.output.reader, replica.output.error.reader, replica.output.log.file,
    ]
    for descriptor in all { try? descriptor?.setCloseOnExec(!survives) }
    for entry in store.stored { try? entry.descriptor.setCloseOnExec(!survives) }
  }

  /// Goes on where the keeper before has stopped.
  func resume(from state: ReplicaState) {
    // The main program is running; it is not started.
    _ = succession.next(at: Clock.now)
    main = Int32(truncatingIfNeeded: state[.main] ?? 0)
    identity.started(main)
    swept = state[.swept] ?? 0
    lastSequence = state[.sequence] ?? 0
    says.isReady = state[.ready] == 1
    says.isReloading = state[.reloading] == 1
    says.status = state.text(.status)
    says.watchdog = state[.watchdog] ?? 0
    says.watchdogAt = state.instant(.watchdogAt)
    says.extensionLimit = state[.extensionLimit].map { Instant(nanoseconds: $0) }
    announcedDeadline = Instant(nanoseconds: state[.announcedDeadline] ?? 0)
    pauseEnd = Instant(nanoseconds: state[.pauseEnd] ?? 0)
    hasNoticed = state[.hasNoticed] == 1
    timeLimit = state.instant(.timeLimit)
    events = EventRing(lines: state.text(.events), firstSequence: state[.firstSequence] ?? 1)
    store.take(state.text(.stored))
    emit(.plain("upgraded"))
    // Whatever has ended meanwhile is looked for.
    _ = lc_kill(lc_pid(), Signal.chld.number)
  }
}

extension ReplicaState {
  /// Says what our signals were before a keeper took them, before we take them again.
  func resumeSignals() {
    let mask = UInt64(self[.maskLow] ?? 0) | UInt64(self[.maskHigh] ?? 0) << 32
    lc_resume_signals(mask, self[.childrenIgnored] == 1 ? 1 : 0)
  }
}
