import StopPlan

extension KeeperMessage {
  /// What is worth an event, in its words.
  struct News {
    var kind: EngineEvent.Kind
    var reason: String
    var text: String
  }

  /// - Parameter replica: whose keeper says it.
  func news(of replica: String) -> News? {
    switch event {
    case "started": News(kind: .normal, reason: "Started", text: "\(replica) started")
    case "killing": News(kind: .warning, reason: "Killing", text: "KILL for what is left")
    case "hookFailed", "hookOverran", "hookEnded": hookNews(of: replica)
    case "watchdog":
      News(kind: .warning, reason: "Watchdog", text: "it has not said WATCHDOG=1 for \(watchdogSpan); it is replaced")
    case "notifyWatchdog": News(kind: .warning, reason: "Watchdog", text: "it has said WATCHDOG=trigger; it is replaced")
    case "fdRefused":
      News(kind: .warning, reason: "StoreFull", text: "a descriptor that it stores is closed: only as many are kept as notify.store says")
    case "notifyReloading": News(kind: .normal, reason: "Reloading", text: "\(replica) reads its configuration again")
    case "notifyReloaded": News(kind: .normal, reason: "Reloaded", text: "\(replica) has read its configuration")
    case "logBlocked":
      News(
        kind: .warning, reason: "LogBlocked",
        text: "its output cannot be written and waits, so that it may block: \(cause); free some space")
    case "logDropped":
      News(
        kind: .warning, reason: "LogDropped",
        text: "\(lines.map { "\($0) lines" } ?? "lines") of its output could not be written: \(cause); free some space")
    case "logResumed":
      News(
        kind: .normal, reason: "LogResumed",
        text: "its output is written again" + (lines.map { $0 > 0 ? "; \($0) lines of it are lost" : "" } ?? ""))
    case "failed":
      News(
        kind: .warning, reason: "Failed", text: "\(replica) did not start: \(command ?? "the command"): \(reason ?? "cannot be executed")")
    case "unkillable":
      News(kind: .warning, reason: "Unkillable", text: "something of it does not end even by KILL; it is not waited for")
    case "notSignalled":
      News(kind: .warning, reason: "NotSignalled", text: "process \(pid ?? 0) could not be sent \(sent ?? "a signal"): \(cause)")
    default: nil
    }
  }

  /// A hook that ended well is no news.
  private func hookNews(of replica: String) -> News? {
    let text: String
    switch event {
    case "hookFailed": text = "the hook \(command ?? "") could not be run: \(cause)"
    case "hookOverran": text = "the hook had not ended when its time was up; it is ended with the rest"
    default:
      guard let status = exitStatus, !status.isSuccess else { return nil }
      text = "the hook ended with \(status.shellCode); see lastcall logs --hooks \(replica)"
    }
    return News(kind: .warning, reason: "FailedPreStopHook", text: text)
  }

  private var cause: String { reason ?? "why is not known" }

  private var watchdogSpan: String { microseconds.map { "\(TimeSpan(nanoseconds: $0 * 1_000))" } ?? "too long" }
}
