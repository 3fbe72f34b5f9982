import CLinux
import StopPlan

/// A hold on a process (pidfd) that no later process with the same pid can be mistaken for.
public struct ProcessHandle: Sendable {
  /// Readable once the process has ended.
  public let descriptor: Descriptor

  /// Opens a hold on exactly that process, or nil when it is gone.
  @inline(never)
  public init?(_ identity: ProcessIdentity) {
    let number = lc_pidfd_open(identity.pid)
    if number < 0 { return nil }
    descriptor = Descriptor(number: Int32(truncatingIfNeeded: number))
    // The pid may have changed hands before the descriptor was open; since then it cannot.
    if ProcessRecord(pid: identity.pid)?.identity != identity {
      descriptor.close()
      return nil
    }
  }

  /// Sends a signal to exactly that process; ESRCH when it is gone.
  @inline(never)
  public static func send(_ signal: Signal, to identity: ProcessIdentity) throws(SystemError) {
    guard let handle = ProcessHandle(identity) else { throw SystemError(code: ESRCH) }
    defer { handle.descriptor.close() }
    try check(lc_pidfd_send_signal(handle.descriptor.number, signal.number))
  }
}

/// Signals to processes whose pid cannot have changed hands: children that were not reaped, our own group.
public enum DirectSignal {
  /// Sends to a child, or a group when `pid` is negative; with a value it is queued as sigqueue(3) does.
  @inline(never)
  public static func send(_ signal: Signal, to pid: Int32, value: Int? = nil) throws(SystemError) {
    if let value, pid > 0 {
      try check(lc_sigqueue(pid, signal.number, value))
    } else {
      try check(lc_kill(pid, signal.number))
    }
  }
}

/// Ended children.
public enum Reaper {
  /// One child's change of state.
  public enum Change: Equatable, Sendable {
    /// It ended.
    case ended(Int32, ExitStatus)
    /// A signal stopped it.
    case stopped(Int32, Signal)
    /// None has changed.
    case nothing
    /// There is no child at all.
    case noChildren
  }

  /// The next change, without waiting.
  @inline(never)
  public static func next() -> Change {
    while true {
      var status: Int32 = 0
      let result = lc_reap(&status)
      if result == -Int(EINTR) { continue }
      if result < 0 { return .noChildren }
      if result == 0 { return .nothing }
      let pid = Int32(truncatingIfNeeded: result)
      if let end = ExitStatus(waitStatus: status) { return .ended(pid, end) }
      if let signal = Signal(number: status >> 8 & 0xff) { return .stopped(pid, signal) }
    }
  }

  /// Makes orphans below us our children (prctl(2), PR_SET_CHILD_SUBREAPER).
  public static func becomeSubreaper() throws(SystemError) { try check(lc_become_subreaper()) }
}
