import Seeded
import StopPlan

/// A process tree that behaves at random: what the keeper would see of a real one.
struct SimulatedTree {
  enum Reaction: Equatable {
    /// Ends that long after a signal.
    case ends(after: TimeSpan)
    /// Starts a child for its clean-up, and ends with it.
    case cleansUp(TimeSpan)
    /// Ignores everything but KILL.
    case ignores
    /// A shell that acts only after its foreground child has ended.
    case waitsForChild(pid: Int32)
  }

  struct Member {
    var identity: ProcessIdentity
    var bornAt: Instant
    var reaction: Reaction
    var isStopped = false
    var inMainGroup: Bool
    var pending: TimeSpan?
    /// When it was first sent something gentle, and last.
    var toldAt: Instant?
    /// Whether a process started it after being told.
    var isCleanUp = false
  }

  static let mainPid: Int32 = 100
  private(set) var members: [Int32: Member] = [:]
  /// By pid, since a dictionary's own order is another in every run.
  var inOrder: [Member] { members.values.sorted { $0.identity.pid < $1.identity.pid } }
  /// The pid that was given out last; after `lastPid` it goes on with the lowest that is free.
  private(set) var newestPid: Int32
  private static let lastPid: Int32 = 400
  private var nextStart: UInt64 = 1

  /// - Parameter newestPid: from where pids go on.
  init(newestPid: Int32) { self.newestPid = newestPid }

  var isEmpty: Bool { members.isEmpty }
  var main: Member? { members[Self.mainPid] }

  mutating func spawn(
    _ reaction: Reaction, inMainGroup: Bool, at now: Instant, asMain: Bool = false
  ) -> Int32 {
    let pid = asMain ? Self.mainPid : takePid()
    let identity = ProcessIdentity(pid: pid, startTime: nextStart)
    nextStart += 1
    members[pid] = Member(identity: identity, bornAt: now, reaction: reaction, inMainGroup: inMainGroup)
    return pid
  }

  private mutating func takePid() -> Int32 {
    repeat { newestPid = newestPid >= Self.lastPid ? 1 : newestPid + 1 } while newestPid == Self.mainPid || members[newestPid] != nil
    return newestPid
  }

  mutating func update(_ pid: Int32, _ change: (inout Member) -> Void) {
    if var member = members[pid] {
      change(&member)
      members[pid] = member
    }
  }

  mutating func remove(_ pid: Int32) { members[pid] = nil }

  func observation(wholeTree: Bool) -> Observation {
    var found: [ProcessRecord] = []
    for member in inOrder where wholeTree || member.identity.pid == Self.mainPid {
      found.append(
        ProcessRecord(
          identity: member.identity, state: member.isStopped ? UInt8(ascii: "T") : UInt8(ascii: "S"),
          group: member.inMainGroup ? Self.mainPid : 0))
    }
    return Observation(members: found, mainGroup: Self.mainPid, newestPid: newestPid, mainCannotAct: mainCannotAct)
  }

  private var mainCannotAct: Bool {
    switch main?.reaction {
    case .ignores: true
    case .waitsForChild(let child): members[child] != nil
    default: false
    }
  }
}
