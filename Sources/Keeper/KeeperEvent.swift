import Linux
import StopPlan

/// What happened to a tree, as those who follow it are told.
enum KeeperEvent {
  case started(Int32)
  /// The program could not be started.
  case failed(ByteView, SystemError)
  case exited(Int32, ExitStatus)
  case forwarded(Signal)
  case signalled(Int32, Signal)
  case notSignalled(Int32, Signal, SystemError)
  case hookStarted(ByteView)
  case hookFailed(ByteView, SystemError)
  case hookEnded(ExitStatus)
  /// What the machine has to tell of a stop.
  case note(StopMachine.Note)
  case notifyReady
  case notifyStatus(ByteView)
  case notifyStopping
  case ended(ExitStatus?, leftover: Bool, swept: Int64)

  private var name: ByteView {
    switch self {
    case .started: "started"
    case .failed: "failed"
    case .exited: "exited"
    case .forwarded: "forwarded"
    case .signalled: "signalled"
    case .notSignalled: "notSignalled"
    case .hookStarted: "hookStarted"
    case .hookFailed: "hookFailed"
    case .hookEnded: "hookEnded"
    case .note(let note): note.name
    case .notifyReady: "notifyReady"
    case .notifyStatus: "notifyStatus"
    case .notifyStopping: "notifyStopping"
    case .ended: "ended"
    }
  }

  /// Adds the event's name and its own fields.
  func append(to json: inout JSONLine) {
    json.field("event", text: name)
    switch self {
    case .started(let pid): json.field("pid", Int64(pid))
    case .failed(let command, let error), .hookFailed(let command, let error):
      json.field("command", text: command)
      json.field("reason", error)
    case .exited(let pid, let status):
      json.field("pid", Int64(pid))
      json.field(status)
    case .forwarded(let signal): json.field("sent", signal)
    case .signalled(let pid, let signal):
      json.field("pid", Int64(pid))
      json.field("sent", signal)
    case .notSignalled(let pid, let signal, let error):
      json.field("pid", Int64(pid))
      json.field("sent", signal)
      json.field("reason", error)
    case .hookStarted(let command): json.field("command", text: command)
    case .hookEnded(let status): json.field(status)
    case .note(let note): note.append(to: &json)
    case .notifyStatus(let text): json.field("status", text: text)
    case .notifyReady, .notifyStopping: break
    case .ended(let status, let leftover, let swept):
      if let status { json.field(status) }
      json.field("leftover", leftover)
      json.field("swept", swept)
    }
  }
}

extension StopMachine.Note {
  fileprivate var name: ByteView {
    switch self {
    case .began: "stopBegan"
    case .deadlineMoved: "deadlineMoved"
    case .step: "step"
    case .hookOverran: "hookOverran"
    case .escalated: "escalated"
    case .killing: "killing"
    case .unkillable: "unkillable"
    }
  }

  fileprivate func append(to json: inout JSONLine) {
    switch self {
    case .began(let cause, let deadline):
      switch cause {
      case .request(let id): json.field("request", id == .max ? -1 : Int64(truncatingIfNeeded: id))
      case .signal(let signal): json.field("on", signal)
      case .mainEnded: json.field("mainEnded", true)
      }
      json.field("deadline", deadline.nanoseconds)
    case .deadlineMoved(let deadline): json.field("deadline", deadline.nanoseconds)
    case .step(let index): json.field("step", Int64(index))
    case .hookOverran, .escalated, .killing, .unkillable: break
    }
  }
}
