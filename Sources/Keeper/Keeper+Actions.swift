import CLinux
import Linux
import StopPlan

/// How the keeper carries out what the machine decides.
extension Keeper {
  /// The id of the stop that --timeout asks for; clients choose theirs from what an Int64 holds.
  static var timeLimitId: UInt64 { .max }

  /// Gives the machine an event and carries out what it decides; then what that brings about, in its order.
  @inline(never)
  func feed(_ event: StopMachine.Event) {
    handle(event)
    while !isOver {
      if let wholeTree = look {
        look = nil
        // A fork bomb leaves others the processor only every few seconds. After a look no hook is started, which would not inherit ours.
        if wholeTree, groupToldUpTo == 0, !killed { lc_set_precedence(1) }
        var observation = observer.observe(wholeTree: wholeTree, stopSignal: machine.stopSignal, mainLives: mainStatus == nil)
        if groupToldUpTo > 0 {
          observation.toldUpTo = groupToldUpTo
          observation.toldGroup = main
        }
        groupToldUpTo = 0
        handle(.observed(observation))
      } else if hookIsOver {
        hookIsOver = false
        handle(.hookEnded)
      } else if groupIsEmpty {
        groupIsEmpty = false
        handle(.groupEmpty)
      } else {
        return
      }
    }
  }

  @inline(never)
  private func handle(_ event: StopMachine.Event) { carryOut(machine.handle(event, at: Clock.now)) }

  private func carryOut(_ actions: [StopMachine.Action]) {
    for action in actions {
      switch action {
      case .observe(let wholeTree): look = wholeTree
      case .send(let signal, let identity): send(signal, to: identity)
      case .forward(let signal, let value, let scope): forward(signal, value: value, scope: scope)
      case .signalEverything(let signal): signalEverything(signal)
      case .runHook(let step): runHook(machine.command(ofStep: step))
      case .watchGroup: findGroupMember()
      case .arm(let moment): deadline = moment ?? .never
      case .note(let note):
        emit(.note(note))
        switch note {
        case .killing: killed = true
        case .began(.mainEnded, _): break
        case .began:
          giveNotice()
          stopAll()
        default: break
        }
      case .finish(_, let leftover):
        self.leftover = leftover
        over(Succession.main)
      }
    }
  }

  @inline(never)
  var observer: TreeObserver { TreeObserver(keeper: lc_pid(), main: main, until: machine.lookBound, apart: apart) }

  private func signalEverything(_ signal: Signal) {
    // Who goes before those who end would reap them one by one.
    defer { lc_set_precedence(0) }
    var whom: Int32 = -1
    if !machine.isEverythingOurs {
      if signal == .kill, let path = options.cgroup { lc_kill_cgroup(path) }
      // A child of ours holds its group's number until we reap it.
      guard main > 0, mainStatus == nil || observer.hasChild(inMainGroup: true) else { return }
      if signal != .cont, signal != .kill { groupToldUpTo = ProcessTree.newestPid }
      whom = -main
    }
    _ = lc_kill(whom, signal.number)
    if signal != .cont { emit(.signalled(whom, signal)) }
  }

  private func send(_ signal: Signal, to identity: ProcessIdentity) {
    do throws(SystemError) {
      // Our own child keeps its pid until we reap it; any other may be gone, and its pid another's.
      if identity.pid == main, mainStatus == nil {
        try DirectSignal.send(signal, to: main)
      } else {
        try ProcessHandle.send(signal, to: identity)
      }
      if isTelling { emit(.signalled(identity.pid, signal)) }
    } catch {
      if error.code != ESRCH { emit(.notSignalled(identity.pid, signal, error)) }
    }
  }

  /// Passes on a signal that came, or that a client asks for.
  func forward(_ signal: Signal, value: Int?, scope: StopPlan.Scope) {
    if isTelling { emit(.forwarded(signal)) }
    switch scope {
    case .main: if mainStatus == nil { try? DirectSignal.send(signal, to: main, value: value) }
    // Once the main process is reaped its group's number may be another's.
    case .group where mainStatus == nil: try? DirectSignal.send(signal, to: -main)
    case .group, .rest, .tree:
      for member in observer.members() where scope == .group ? member.group == main : scope == .tree || member.identity.pid != main {
        try? ProcessHandle.send(signal, to: member.identity)
      }
    }
  }

  private func runHook(_ command: [[UInt8]]) {
    let arguments = CStringArray(command)
    let name: ByteView = arguments.pointer[0].map { ByteView($0) } ?? ""
    var spawn = lc_spawn_inheriting()
    do throws(StartError) {
      prepareHook(&spawn)
      hook = try spawner.start(arguments.pointer, &spawn)
      emit(.hookStarted(name))
    } catch {
      emit(.hookFailed(name, error.cause))
      if !isFollowed { Diagnostics.say("the stop goes on without its hook ", name, error.cause) }
      hookIsOver = true
    }
  }

  /// The watched member of the main process's group has ended.
  func watchGroup() {
    findGroupMember()
    if groupIsEmpty {
      groupIsEmpty = false
      feed(.groupEmpty)
    }
  }

  /// Watches one living member of the main process's group; when it ends the next, until none is left.
  private func findGroupMember() {
    watchedMember?.descriptor.close()
    watchedMember = nil
    for member in observer.members() where member.group == main && watchedMember == nil { watchedMember = ProcessHandle(member.identity) }
    groupIsEmpty = watchedMember == nil
  }

  /// Whether anybody wants to know what happens.
  var isTelling: Bool { isFollowed || options.isVerbose || eventsFile != nil }

  /// Tells who follows, and who asked to be told on stderr or in a file.
  @inline(never)
  func emit(_ event: KeeperEvent) {
    guard isTelling else { return }
    lastSequence += 1
    var json = JSONLine()
    json.field("seq", lastSequence)
    json.field("at", wall: Clock.wall)
    json.fields(of: event.json)
    json.close()
    let line = json.bytes
    if options.isVerbose {
      var text: [UInt8] = []
      line.withView { Narration.append($0, at: Clock.now, to: &text) }
      text.withView { Diagnostics.say($0, level: "INFO ") }
    }
    try? eventsFile?.write(line)
    follow(line)
  }

  /// Once a second, for who wants to know: what the stop under way still waits for.
  func tellWaiting(at now: Instant) {
    guard options.isVerbose || eventsFile != nil, let deadline = machine.deadline else {
      nextTelling = .never
      return
    }
    if now >= nextTelling {
      var members: [UInt8] = []
      observer.describe(to: &members, includingSidecars: mainStatus != nil)
      if !members.isEmpty { emit(.waiting(for: members, until: deadline)) }
    } else if nextTelling != .never {
      return
    }
    nextTelling = now + .seconds(1)
  }
}
