/// A process that cannot be mistaken for a later one with the same pid.
public struct ProcessIdentity: Equatable, Hashable, Sendable {
  /// The pid in the keeper's PID namespace.
  public var pid: Int32
  /// Its start in clock ticks since boot (/proc/PID/stat, field 22; proc(5)).
  public var startTime: UInt64

  /// The process `pid` that started at `startTime`.
  public init(pid: Int32, startTime: UInt64) {
    self.pid = pid
    self.startTime = startTime
  }
}

/// What the kernel says of a process (/proc/PID/stat; proc(5)).
public struct ProcessRecord: Equatable, Sendable {
  /// Which process.
  public var identity: ProcessIdentity
  /// R running, S sleeping, D uninterruptible, T stopped, t traced, Z zombie, X dead.
  public var state: UInt8
  /// Its parent's pid.
  public var parent: Int32
  /// Its process group.
  public var group: Int32
  /// Its session.
  public var session: Int32
  /// How many threads it has.
  public var threads: Int32

  /// A record of these fields.
  public init(identity: ProcessIdentity, state: UInt8, parent: Int32 = 0, group: Int32, session: Int32 = 0, threads: Int32 = 1) {
    self.identity = identity
    self.state = state
    self.parent = parent
    self.group = group
    self.session = session
    self.threads = threads
  }

  /// Whether it has ended and waits to be reaped. One whose first thread has ended while others live shows Z too.
  public var isZombie: Bool { threads <= 1 && (state == UInt8(ascii: "Z") || state == UInt8(ascii: "X")) }

  /// Whether it is stopped and would see a signal only after CONT.
  public var isStopped: Bool { state == UInt8(ascii: "T") }
}

/// What a look at the process tree found.
public struct Observation: Equatable, Sendable {
  /// The living members; only the main process when that alone was asked for.
  public var members: [ProcessRecord]
  /// The main process's process group.
  public var mainGroup: Int32
  /// The pid that was given out last when the look was over; a process with a later one was born after it.
  public var newestPid: Int32
  /// The group that has had the step's signal at once, by `.signalEverything`, or -1.
  public var toldGroup: Int32 = -1
  /// The pid that was given out last before that group had it.
  public var toldUpTo: Int32 = 0
  /// Whether the main process could not act on a stop signal now: it ignores it, or is a shell that waits for a foreground child.
  public var mainCannotAct: Bool

  /// An observation.
  public init(members: [ProcessRecord], mainGroup: Int32, newestPid: Int32, mainCannotAct: Bool) {
    self.members = members
    self.mainGroup = mainGroup
    self.newestPid = newestPid
    self.mainCannotAct = mainCannotAct
  }

  /// Whether a member got its pid after that one was given out, and by this look. The pids may have begun anew in between: so does the
  /// difference, and the order stays.
  func isBorn(_ member: ProcessRecord, after pid: Int32) -> Bool {
    UInt32(bitPattern: member.identity.pid &- pid &- 1) < UInt32(bitPattern: newestPid &- pid)
  }
}

/// Who has been told what, so that each process gets a step's signal once.
struct ToldProcesses {
  struct Entry {
    var identity: ProcessIdentity
    var step: Int
    /// Bit n-1 is set when signal n was sent.
    var signals: UInt64
  }
  private var entries: [Entry] = []

  /// How many have been told something.
  var count: Int { entries.count }

  /// Whether `identity` has had `signal` from any step.
  func hasHad(_ signal: Signal, _ identity: ProcessIdentity) -> Bool {
    let index = position(of: identity.pid)
    guard index < entries.count, entries[index].identity == identity else { return false }
    return entries[index].signals & (1 &<< UInt64(truncatingIfNeeded: signal.number - 1)) != 0
  }

  /// Records that a step's signal goes to `identity`.
  /// - Returns: nil when this step has told it already, else whether it is told for the first time.
  mutating func record(_ identity: ProcessIdentity, step: Int, signal: Signal) -> Bool? {
    let bit: UInt64 = 1 &<< UInt64(truncatingIfNeeded: signal.number - 1)
    let index = position(of: identity.pid)
    if index < entries.count, entries[index].identity.pid == identity.pid {
      if entries[index].identity == identity {
        if entries[index].step == step { return nil }
        entries[index].step = step
        entries[index].signals |= bit
        return false
      }
      entries[index] = Entry(identity: identity, step: step, signals: bit)
      return true
    }
    entries.append(Entry(identity: identity, step: step, signals: bit))
    var place = entries.count - 1
    while place > index {
      entries.swapAt(place, place - 1)
      place -= 1
    }
    return true
  }

  @inline(never)
  private func position(of pid: Int32) -> Int {
    var low = 0
    var high = entries.count
    while low < high {
      let middle = (low + high) / 2
      if entries[middle].identity.pid < pid { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
