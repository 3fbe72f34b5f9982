import CLinux
import Linux
import StopPlan

/// Looks at the keeper's tree and tells the machine what it finds.
struct TreeObserver {
  /// The keeper's own pid: everything below it is the tree.
  let keeper: Int32
  /// The main process.
  let main: Int32

  /// What is there now.
  /// - Parameter stopSignal: the signal that the main process's ability to act on is judged for.
  func observe(wholeTree: Bool, stopSignal: Signal, mainLives: Bool) -> Observation {
    let records: [ProcessRecord]
    if wholeTree {
      records = ProcessTree.descendants(of: keeper)
    } else {
      records = mainLives ? [ProcessRecord(pid: main)].compactMap { $0 }.filter { !$0.isZombie } : []
    }
    let members = records.map { record in
      Observation.Member(
        identity: record.identity, isStopped: record.state == UInt8(ascii: "T"), inMainGroup: record.group == main)
    }
    return Observation(members: members, newestPid: ProcessTree.newestPid, mainCannotAct: mainLives && mainCannotAct(on: stopSignal))
  }

  /// Whether the main process ignores the signal, or is a shell that would run its trap only after a foreground child has ended.
  private func mainCannotAct(on signal: Signal) -> Bool {
    guard let dispositions = SignalDispositions(pid: main) else { return false }
    if dispositions.ignores(signal) { return true }
    guard Shell.isShell(pid: main) else { return false }
    for child in ProcessTree.children(of: main) ?? [] {
      if ProcessRecord(pid: child)?.isZombie == false, Shell.isForeground(child: child) { return true }
    }
    return false
  }
}

/// What can be known of a shell from outside.
enum Shell {
  /// Whether the program's name is that of a POSIX shell.
  static func isShell(pid: Int32) -> Bool {
    guard let name = try? ProcessTree.file(pid, "/comm").read(limit: 64) else { return false }
    let bare = Array(name.prefix { $0 != UInt8(ascii: "\n") })
    for shell in ["sh", "bash", "dash", "ash", "busybox", "ksh", "mksh", "zsh"] as [StaticString] {
      if bare.count == shell.utf8CodeUnitCount, hasPrefix(bare, shell) { return true }
    }
    return false
  }

  /// Whether a non-interactive shell waits for this child: its background children ignore INT and QUIT and read /dev/null
  /// (POSIX Shell Command Language, 2.11 and 2.9.3.1), so one that does neither is in the foreground.
  static func isForeground(child: Int32) -> Bool {
    guard let dispositions = SignalDispositions(pid: child) else { return false }
    return !(dispositions.ignores(.int) && dispositions.ignores(.quit))
  }
}
