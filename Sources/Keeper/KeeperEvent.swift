import Linux
import StopPlan

/// What happened to a tree, as those who follow it are told: a name, and fields of its own.
///
/// The fields are written as the event is made: an enum of all of them would be packed here only to be taken apart there.
struct KeeperEvent {
  var json = JSONLine()

  @inline(never)
  init(_ name: ByteView, pid: Int32 = 0) {
    json.field("event", text: name)
    if pid != 0 { json.field("pid", Int64(pid)) }
  }

  @inline(never)
  private init(_ name: ByteView, command: ByteView, _ error: SystemError?) {
    self.init(name)
    json.field("command", text: command)
    if let error { json.field("reason", error) }
  }

  @inline(never)
  private init(_ name: ByteView, pid: Int32 = 0, _ status: ExitStatus) {
    self.init(name, pid: pid)
    json.field(status)
  }

  @inline(never)
  private init(_ name: ByteView, pid: Int32 = 0, sent signal: Signal) {
    self.init(name, pid: pid)
    json.field("sent", signal)
  }

  private init(_ name: ByteView, _ field: ByteView, _ value: Int64) {
    self.init(name)
    json.field(field, value)
  }

  static func started(_ pid: Int32) -> KeeperEvent { KeeperEvent("started", pid: pid) }
  /// The program could not be started.
  static func failed(_ command: ByteView, _ error: SystemError) -> KeeperEvent { KeeperEvent("failed", command: command, error) }
  static func exited(_ pid: Int32, _ status: ExitStatus) -> KeeperEvent { KeeperEvent("exited", pid: pid, status) }
  /// A stop will come, and has to be over by then.
  static func announced(_ deadline: Instant) -> KeeperEvent { KeeperEvent("stopAnnounced", "deadline", deadline.nanoseconds) }
  static func sidecarStarted(_ name: ByteView, _ pid: Int32) -> KeeperEvent {
    var event = KeeperEvent("sidecarStarted", pid: pid)
    event.json.field("name", text: name)
    return event
  }
  static func sidecarEnded(_ name: ByteView, _ pid: Int32, _ status: ExitStatus) -> KeeperEvent {
    var event = KeeperEvent("sidecarEnded", pid: pid, status)
    event.json.field("name", text: name)
    return event
  }
  static func forwarded(_ signal: Signal) -> KeeperEvent { KeeperEvent("forwarded", sent: signal) }
  /// - Parameter pid: below zero as for kill(2): a process group, or -1 for everything.
  static func signalled(_ pid: Int32, _ signal: Signal) -> KeeperEvent {
    var event = KeeperEvent("signalled", pid: pid, sent: signal)
    var name: [UInt8] = []
    if pid < 0 { name.append(text: "all") } else { ProcessTree.appendName(of: pid, to: &name) }
    name.withView { event.json.field("name", text: $0) }
    return event
  }
  /// What a stop waits for: who, and until when at most.
  static func waiting(for members: [UInt8], until deadline: Instant) -> KeeperEvent {
    var event = KeeperEvent("waiting")
    members.withView { event.json.field("for", text: $0) }
    event.json.field("deadline", deadline.nanoseconds)
    return event
  }
  static func notSignalled(_ pid: Int32, _ signal: Signal, _ error: SystemError) -> KeeperEvent {
    var event = KeeperEvent("notSignalled", pid: pid, sent: signal)
    event.json.field("reason", error)
    return event
  }
  static func hookStarted(_ command: ByteView) -> KeeperEvent { KeeperEvent("hookStarted", command: command, nil) }
  static func hookFailed(_ command: ByteView, _ error: SystemError) -> KeeperEvent { KeeperEvent("hookFailed", command: command, error) }
  static func hookEnded(_ status: ExitStatus) -> KeeperEvent { KeeperEvent("hookEnded", status) }
  static var notifyReady: KeeperEvent { KeeperEvent("notifyReady") }
  static func notifyStatus(_ text: ByteView) -> KeeperEvent {
    var event = KeeperEvent("notifyStatus")
    event.json.field("status", text: text)
    return event
  }
  static var notifyStopping: KeeperEvent { KeeperEvent("notifyStopping") }
  static func ended(_ status: ExitStatus?, leftover: Bool, swept: Int64) -> KeeperEvent {
    var event = KeeperEvent("ended")
    if let status { event.json.field(status) }
    event.json.field("leftover", leftover)
    event.json.field("swept", swept)
    return event
  }

  /// What the machine has to tell of a stop.
  static func note(_ note: StopMachine.Note) -> KeeperEvent {
    switch note {
    case .began(let cause, let deadline):
      var event = KeeperEvent("stopBegan")
      switch cause {
      case .request(let id): event.json.field("request", id == .max ? -1 : Int64(truncatingIfNeeded: id))
      case .signal(let signal): event.json.field("on", signal)
      case .mainEnded: event.json.field("mainEnded", true)
      }
      event.json.field("deadline", deadline.nanoseconds)
      return event
    case .deadlineMoved(let deadline): return KeeperEvent("deadlineMoved", "deadline", deadline.nanoseconds)
    case .step(let index): return KeeperEvent("step", "step", Int64(index))
    case .hookOverran: return KeeperEvent("hookOverran")
    case .escalated: return KeeperEvent("escalated")
    case .killing: return KeeperEvent("killing")
    case .interrupted: return KeeperEvent("interrupted")
    case .unkillable: return KeeperEvent("unkillable")
    }
  }
}
