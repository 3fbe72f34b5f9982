import CLinux
import Linux
import StopPlan

/// How the keeper carries out what the machine decides.
extension Keeper {
  func carryOut(_ action: StopMachine.Action) {
    switch action {
    case .observe(let wholeTree): observe(wholeTree: wholeTree)
    case .send(let signal, let identity): send(signal, to: identity)
    case .forward(let signal, let value, let scope): forward(signal, value: value, scope: scope)
    case .killEverything: _ = lc_kill(-1, Signal.kill.number)
    case .runHook(let command): runHook(command)
    case .watchGroup: watchGroup()
    case .arm(let moment): deadline = moment
    case .note(let note): tell(note)
    case .finish(let main, let leftover): end = (main, leftover)
    }
  }

  private var observer: TreeObserver { TreeObserver(keeper: getpid(), main: main) }

  private func observe(wholeTree: Bool) {
    var stopSignal = Signal.term
    for step in plan.steps {
      if case .send(let signal, .main) = step {
        stopSignal = signal
        break
      }
    }
    pending.append(.observed(observer.observe(wholeTree: wholeTree, stopSignal: stopSignal, mainLives: mainStatus == nil)))
  }

  private func send(_ signal: Signal, to identity: ProcessIdentity) {
    do throws(SystemError) {
      // Our own child keeps its pid until we reap it; any other may be gone, and its pid another's.
      if identity.pid == main, mainStatus == nil {
        try DirectSignal.send(signal, to: identity.pid)
      } else {
        try ProcessHandle.send(signal, to: identity)
      }
      emit("signalled") { json in
        json.field("pid", Int64(identity.pid))
        json.field("sent", text: signal.nameBytes)
      }
    } catch {
      if error.code == ESRCH { return }
      emit("notSignalled") { json in
        json.field("pid", Int64(identity.pid))
        json.field("sent", text: signal.nameBytes)
        json.field("reason", text: error.text)
      }
    }
  }

  func forward(_ signal: Signal, value: Int?, scope: StopPlan.Scope) {
    emit("forwarded") { $0.field("sent", text: signal.nameBytes) }
    switch scope {
    case .main: try? DirectSignal.send(signal, to: main, value: value)
    case .group: try? DirectSignal.send(signal, to: -main)
    case .rest, .tree:
      for record in ProcessTree.descendants(of: getpid()) where scope == .tree || record.identity.pid != main {
        try? ProcessHandle.send(signal, to: record.identity)
      }
    }
  }

  private func runHook(_ command: [[UInt8]]) {
    do throws(SystemError) {
      var program = try spawner.program(command)
      if let replica {
        // Its output belongs beside the program's.
        let log = try replica.directory.appending("hooks.log").open(O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW)
        defer { log.close() }
        program.output = log
        program.error = log
        hook = try start(program)
      } else {
        hook = try start(program)
      }
      emit("hookStarted") { $0.field("command", text: command.first ?? []) }
    } catch {
      emit("hookFailed") { json in
        json.field("command", text: command.first ?? [])
        json.field("reason", text: error.text)
      }
      if replica == nil {
        Diagnostics.say { line in
          line.append(text: "the hook ")
          line.append(contentsOf: command.first ?? [])
          line.append(text: " cannot be run, the stop goes on: ")
          line.append(contentsOf: error.text)
        }
      }
      pending.append(.hookEnded)
    }
  }

  /// Watches one living member of the main process's group; when it ends the next, until none is left.
  func watchGroup() {
    watchedMember?.descriptor.close()
    watchedMember = nil
    for record in ProcessTree.descendants(of: getpid()) where record.group == main {
      watchedMember = ProcessHandle(record.identity)
      if watchedMember != nil { return }
    }
    pending.append(.groupEmpty)
    if pending.count == 1 {
      pending = []
      feed(.groupEmpty)
    }
  }

  private func tell(_ note: StopMachine.Note) {
    switch note {
    case .began(let cause, let deadline):
      emit("stopBegan") { json in
        switch cause {
        case .request(let id): json.field("request", id == Self.timeLimitId ? -1 : Int64(truncatingIfNeeded: id))
        case .signal(let signal): json.field("on", text: signal.nameBytes)
        case .mainEnded: json.field("mainEnded", true)
        }
        json.field("deadline", deadline.nanoseconds)
      }
    case .deadlineMoved(let deadline): emit("deadlineMoved") { $0.field("deadline", deadline.nanoseconds) }
    case .step(let index): emit("step") { $0.field("step", Int64(index)) }
    case .hookOverran: emit("hookOverran") { _ in }
    case .escalated: emit("escalated") { _ in }
    case .killing:
      killed = true
      emit("killing") { _ in }
    case .unkillable: emit("unkillable") { _ in }
    }
  }

  /// Tells who follows, and who asked to be told on stderr.
  func emit(_ event: StaticString, _ fill: (inout JSONLine) -> Void) {
    guard replica != nil || options.isVerbose else { return }
    let line = events.append(event, fill)
    replica?.control.broadcast(line)
    if options.isVerbose { Diagnostics.say { $0.append(contentsOf: line.dropLast()) } }
  }
}

extension Signal {
  var nameBytes: [UInt8] {
    var name: [UInt8] = []
    appendName(to: &name)
    return name
  }
}
