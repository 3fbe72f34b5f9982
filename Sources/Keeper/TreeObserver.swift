import Linux
import StopPlan

/// Looks at the keeper's tree and tells the machine what it finds.
struct TreeObserver {
  /// The keeper's own pid: everything below it is the tree.
  let keeper: Int32
  /// The main process.
  let main: Int32
  /// When a look is cut short: on a machine that a fork bomb keeps busy it can take seconds.
  let until: Instant
  /// Children of ours that are no part of the tree, with everything below them.
  let apart: Apart

  @inline(never)
  private func isApart(_ pid: Int32) -> Bool { apart.place(of: pid) != nil }

  /// Whether a child of ours is in the main process's group, or in the tree at all: who has lost its parent is our own child.
  @inline(never)
  func hasChild(inMainGroup: Bool) -> Bool {
    var children: [ProcessRecord] = []
    // More than those who are apart: one of these many is in the tree.
    _ = ProcessTree.appendChildren(of: keeper, limit: 32, to: &children)
    for child in children where inMainGroup ? child.group == main : !isApart(child.identity.pid) { return true }
    return false
  }

  /// The living processes of the tree.
  @inline(never)
  func members() -> [ProcessRecord] {
    var members: [ProcessRecord] = []
    for record in ProcessTree.descendants(of: keeper, isApart: { Clock.now >= until || isApart($0) })
    where !record.isZombie && !isApart(record.identity.pid) {
      members.append(record)
    }
    return members
  }

  /// Who is still there, for a person: pids and names; who is a zombie because its own parent lives and does not reap it.
  /// - Parameter includingSidecars: whether what they keep is waited for too.
  func describe(to text: inout [UInt8], includingSidecars: Bool) {
    for record in ProcessTree.descendants(of: keeper, isApart: { !includingSidecars && isApart($0) })
    where !isApart(record.identity.pid) {
      if record.isZombie, record.parent == keeper { continue }
      if !text.isEmpty { text.append(text: ", ") }
      text.append(number: Int64(record.identity.pid))
      text.append(text: " ")
      ProcessTree.appendName(of: record.identity.pid, to: &text)
      if record.isZombie {
        text.append(text: " (a zombie: its parent ")
        text.append(number: Int64(record.parent))
        text.append(text: " lives and does not reap it)")
      }
    }
  }

  /// What is there now.
  /// - Parameter stopSignal: the signal that the main process's ability to act on is judged for.
  func observe(wholeTree: Bool, stopSignal: Signal, mainLives: Bool) -> Observation {
    var members: [ProcessRecord] = []
    if wholeTree {
      members = self.members()
    } else if mainLives, let record = ProcessRecord(pid: main), !record.isZombie {
      members.append(record)
    }
    return Observation(
      members: members, mainGroup: main, newestPid: ProcessTree.newestPid, mainCannotAct: mainLives && mainCannotAct(on: stopSignal))
  }

  /// Whether the main process ignores the signal, or is a shell that would run its trap only after a foreground child has ended.
  private func mainCannotAct(on signal: Signal) -> Bool {
    guard let dispositions = SignalDispositions(pid: main) else { return false }
    if dispositions.ignored.contains(signal) { return true }
    guard Shell.isShell(pid: main) else { return false }
    var children: [ProcessRecord] = []
    _ = ProcessTree.appendChildren(of: main, to: &children)
    for child in children where !child.isZombie && Shell.isForeground(child: child.identity.pid) { return true }
    return false
  }
}

/// What can be known of a shell from outside.
enum Shell {
  /// Whether the program's name is that of a POSIX shell.
  static func isShell(pid: Int32) -> Bool {
    ProcessTree.read(pid, "comm", limit: 64).withView { name in
      name.prefix(name.offset(of: UInt8(ascii: "\n"))).position(among: "sh bash dash ash busybox ksh mksh zsh") != nil
    }
  }

  /// Whether a non-interactive shell waits for this child: its background children ignore INT and QUIT and read /dev/null
  /// (POSIX Shell Command Language, 2.11 and 2.9.3.1), so one that does neither is in the foreground.
  static func isForeground(child: Int32) -> Bool {
    guard let ignored = SignalDispositions(pid: child)?.ignored else { return false }
    return !(ignored.contains(.int) && ignored.contains(.quit))
  }
}

/// Children of a keeper that are no part of its main process's tree, each at a place of its own.
final class Apart {
  /// The place of the process that tells of Ctrl-C; a sidecar's is its number.
  static var watcher: Int { 0 }

  var pids = InlineArray<17, Int32>(repeating: 0)

  /// Where a process stands, or nil when it is part of the tree.
  @inline(never)
  func place(of pid: Int32) -> Int? {
    for place in pids.indices where pids[place] == pid { return place }
    return nil
  }
}
