import CLinux
import Foundation
import Linux
import StopPlan

/// What a keeper that was killed has left of its replica. A process is surely the replica's own when it is in the session that the
/// program led, holds the replica's lock open: programs inherit that, and nobody else can open it; or is in the replica's cgroup.
struct Survivors {
  /// The program that the keeper started; it led a session of its own. 0 when it is not known.
  let main: Int32
  /// When it started, in clock ticks since boot; nil when that is not known.
  let mainStart: UInt64?
  /// Where its lock is.
  let directory: ReplicaDirectory

  /// The living ones that can be seen.
  func find() -> [ProcessIdentity] {
    // Somebody may have deleted it.
    var lock = stat()
    let file = stat(directory.lock, &lock) == 0 ? lock : nil
    // A session's number is not given again while it has members, but after that: whoever has it now may be a stranger.
    let session = main > 0 && ProcessRecord(pid: main).map { $0.identity.startTime == mainStart } ?? true ? main : 0
    let grouped = directory.record()?.cgroup.map(Cgroups.members) ?? []
    return Self.processes { record in
      if grouped.contains(record.identity.pid) { return true }
      return session > 0 && record.session == session || file.map { Self.holds(record.identity.pid, $0) } ?? false
    }
  }

  /// Others that say by their environment (LASTCALL_REPLICA, which keepers set) that they are of the replica: they may be, but whoever was
  /// started by one of it, for whatever, says so too.
  func suspects() -> [ProcessIdentity] {
    let mark = Array("LASTCALL_REPLICA=\(directory.path)".utf8)
    let sure = Set(find())
    return Self.processes { record in
      !sure.contains(record.identity)
        && ProcessTree.read(record.identity.pid, "environ", limit: 1 << 20).split(separator: 0).contains { $0.elementsEqual(mark) }
    }
  }

  private static func processes(_ isMeant: (ProcessRecord) -> Bool) -> [ProcessIdentity] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return names.compactMap { Int32($0) }.filter { $0 != getpid() }.compactMap { pid in
      guard let record = ProcessRecord(pid: pid), !record.isZombie else { return nil }
      return isMeant(record) ? record.identity : nil
    }
  }

  /// Whether a process has that file open.
  static func holds(_ pid: Int32, _ file: stat) -> Bool {
    let directory = "/proc/\(pid)/fd/"
    let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
    return names.contains { name in
      var open = stat()
      return stat(directory + name, &open) == 0 && open.st_ino == file.st_ino && open.st_dev == file.st_dev
    }
  }

  /// Tells them to stop, and kills what is left at the deadline, which may come nearer meanwhile.
  func stop(by signal: Signal, deadline: @Sendable () async -> Instant) async {
    var told: Set<ProcessIdentity> = []
    var left = find()
    while !left.isEmpty, Clock.now < (await deadline()) {
      for process in left where told.insert(process).inserted { try? ProcessHandle.send(signal, to: process) }
      try? await TaskThreads.sleep(Self.look)
      left = find()
    }
    let bound = Clock.now + StopMachine.killBound
    while !left.isEmpty, Clock.now < bound {
      for process in left { try? ProcessHandle.send(.kill, to: process) }
      try? await TaskThreads.sleep(Self.look)
      left = find()
    }
    // Its keeper would have.
    if let cgroup = directory.record()?.cgroup { Cgroups.remove(cgroup) }
  }

  /// How often it is looked who is left: nobody tells when a process ends that is not our child.
  private static let look = TimeSpan.milliseconds(50)
}
