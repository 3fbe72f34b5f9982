import CLinux
import Linux
import StopPlan

/// The keeper's control socket and the program's own notifications.
extension Keeper {
  /// The version of the control protocol.
  static let protocolVersion: Int64 = 1

  func acceptClients() { replica?.control.accept(greeting: status("keeper")) }

  func serve(_ descriptor: Descriptor) {
    guard let index = replica?.control.clients.firstIndex(where: { $0.descriptor == descriptor }) else { return }
    replica?.control.flush(index)
    guard let lines = replica?.control.read(index) else {
      replica?.control.remove(index)
      return
    }
    for line in lines { answer(line, to: index) }
    replica?.control.dropStalled()
  }

  private func answer(_ line: [UInt8], to index: Int) {
    do throws(ControlCommand.Mistake) {
      switch try ControlCommand(line: line[...]) {
      case .stop(let request): feed(.stop(request))
      case .kill(let id): feed(.stop(StopRequest(id: id, plan: StopPlan(steps: [.send(.kill, .tree)], grace: .zero))))
      case .escalate(let id): feed(.escalate(id: id))
      case .signal(let signal, let scope): if mainStatus == nil || scope != .main { forward(signal, value: nil, scope: scope) }
      case .status:
        replica?.control.send(status("status"), to: index)
        return
      case .follow(let sequence):
        replica?.control.send(events.lines(after: sequence), to: index)
        replica?.control.follow(index)
        return
      }
      var json = JSONLine()
      json.field("ok", true)
      replica?.control.send(json.line(), to: index)
    } catch {
      var json = JSONLine()
      json.field("ok", false)
      json.field("error", word: error.text)
      replica?.control.send(json.line(), to: index)
    }
  }

  /// One line about the tree as it is now; also what a client is greeted with.
  private func status(_ kind: StaticString) -> [UInt8] {
    var json = JSONLine()
    json.field("reply", word: kind)
    json.field("protocol", Self.protocolVersion)
    json.field("keeper", Int64(getpid()))
    json.field("main", Int64(main))
    json.field("seq", events.lastSequence)
    if let mainStatus {
      json.field("state", word: "ended")
      json.field(mainStatus)
    } else {
      json.field("state", word: machine.deadline == nil ? "running" : "stopping")
    }
    if let deadline = machine.deadline { json.field("deadline", deadline.nanoseconds) }
    json.field("ready", isReady)
    if !statusText.isEmpty { json.field("status", text: statusText) }
    return json.line()
  }

  func readNotifications() {
    while let replica, let datagram = try? replica.notify.receive(4096) {
      let message = NotifyMessage(datagram)
      if let text = message.status {
        statusText = text
        emit("notifyStatus") { $0.field("status", text: text) }
      }
      if message.isReady, !isReady {
        isReady = true
        emit("notifyReady") { _ in }
      }
      if message.isStopping { emit("notifyStopping") { _ in } }
    }
  }
}
