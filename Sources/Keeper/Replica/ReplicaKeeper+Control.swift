import CLinux
import Linux
import StopPlan

/// The keeper's control socket.
extension ReplicaKeeper {
  /// The version of the control protocol.
  static var protocolVersion: Int64 { 2 }

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
    case .stop, .kill:
      let request = try command.request()
      if machine.deadline == nil { stopId = request.id }
      feed(.stop(request))
    case .escalate:
      let (id, isToFirst) = try command.escalation()
      if !isToFirst || !machine.hasSignalled { feed(.escalate(id: id)) }
    case .signal:
      let (signal, scope) = try command.signal()
      forward(signal, value: nil, scope: scope)
    case .status: return status("status")
    case .follow:
      let sequence = try command.sequence()
      client.follows = true
      client.isHeir = sequence == .max
      return events.lines(after: sequence)
    case .listeners:
      handOver(to: client)
      return []
    case .reopenLog: reopenLogs()
    case .upgrade: throw ControlCommand.Mistake(text: upgrade(to: try command.path()))
    }
    return nil
  }

  /// One line about the tree as it is now; also what a client is greeted with.
  @inline(never)
  func status(_ kind: ByteView) -> [UInt8] {
    var json = JSONLine()
    json.field("reply", text: kind)
    json.field("protocol", Self.protocolVersion)
    json.field("resume", StateWriter.version)
    var version = HelpText.version(.own)
    _ = version.take(before: UInt8(ascii: " "))
    json.field("version", text: version.take(before: UInt8(ascii: "\n")))
    identity.append(to: &json)
    json.field("seq", lastSequence)
    json.field("state", text: mainStatus != nil ? "ended" : machine.deadline != nil ? "stopping" : main == 0 ? "starting" : "running")
    if let mainStatus { json.field(mainStatus) }
    if let deadline = machine.deadline {
      if let stopId { json.field("stop", Int64(bitPattern: stopId)) }
      json.field("deadline", deadline.nanoseconds)
    }
    json.field("ready", says.isReady)
    if !says.status.isEmpty { says.status.withView { json.field("status", text: $0) } }
    if store.limit > 0 { json.field("stored", Int64(store.stored.count)) }
    json.close()
    return json.bytes
  }
}
