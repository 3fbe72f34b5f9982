import CLinux
import Linux
import StopPlan

/// The keeper's control socket and the program's own notifications.
extension ReplicaKeeper {
  /// The version of the control protocol.
  static var protocolVersion: Int64 { 1 }

  /// Reads a part of what a client has sent and answers the lines that are whole.
  func serve(_ client: ControlClient) {
    client.flush()
    for byte in client.receive() where !client.isGone {
      if byte == UInt8(ascii: "\n") {
        let reply = answer(client)
        client.send(reply)
        client.line.removeAll()
      } else {
        client.append(byte)
      }
    }
  }

  @inline(never)
  private func answer(_ client: ControlClient) -> [UInt8] {
    var json = JSONLine()
    do throws(ControlCommand.Mistake) {
      let reply = try client.line.withView { (line) throws(ControlCommand.Mistake) in try carryOut(line, for: client) }
      if let reply { return reply }
      json.field("ok", true)
    } catch {
      json.field("ok", false)
      json.field("error", text: error.text)
    }
    json.close()
    return json.bytes
  }

  /// Does what a client says.
  /// - Returns: what it asked to see, if it did.
  private func carryOut(_ line: ByteView, for client: ControlClient) throws(ControlCommand.Mistake) -> [UInt8]? {
    var command = try ControlCommand(line: line)
    switch command.name {
    case .stop, .kill: feed(.stop(try command.request()))
    case .escalate: feed(.escalate(id: try command.id()))
    case .signal:
      let (signal, scope) = try command.signal()
      forward(signal, value: nil, scope: scope)
    case .status: return status("status")
    case .follow:
      let sequence = try command.sequence()
      client.follows = true
      return events.lines(after: sequence)
    }
    return nil
  }

  /// One line about the tree as it is now; also what a client is greeted with.
  @inline(never)
  func status(_ kind: ByteView) -> [UInt8] {
    var json = JSONLine()
    json.field("reply", text: kind)
    json.field("protocol", Self.protocolVersion)
    json.field("keeper", Int64(lc_pid()))
    json.field("main", Int64(main))
    json.field("seq", lastSequence)
    json.field("state", text: mainStatus != nil ? "ended" : machine.deadline == nil ? "running" : "stopping")
    if let mainStatus { json.field(mainStatus) }
    if let deadline = machine.deadline { json.field("deadline", deadline.nanoseconds) }
    json.field("ready", isReady)
    if !statusText.isEmpty { statusText.withView { json.field("status", text: $0) } }
    json.close()
    return json.bytes
  }

  func readNotifications() {
    var datagram: [UInt8] = []
    // Not all there is: a program that never ceases to say how it is must not keep us from its signals and from the clock.
    for _ in 0..<16 {
      guard (try? replica.notify.receive(into: &datagram, count: 4096)) != nil else { return }
      datagram.withView { note($0) }
    }
  }

  private func note(_ datagram: ByteView) {
    let message = NotifyMessage(datagram)
    if let text = message.status {
      statusText.removeAll()
      statusText.append(text: text)
      emit(.notifyStatus(text))
    }
    if message.isReady, !isReady {
      isReady = true
      emit(.notifyReady)
    }
    if message.isStopping { emit(.notifyStopping) }
  }
}
