import CLinux
import StopPlan

/// What /proc says of a process (proc(5)).
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

  /// Whether it has ended and waits to be reaped.
  public var isZombie: Bool { state == UInt8(ascii: "Z") || state == UInt8(ascii: "X") }

  /// What /proc says of `pid` now, or nil when there is no such process.
  public init?(pid: Int32) {
    guard let text = try? ProcessTree.file(pid, "/stat").read(limit: 1024), let record = Self(stat: text, pid: pid) else { return nil }
    self = record
  }

  /// Reads a line of /proc/PID/stat; the program's name may hold blanks and parentheses, so fields count from the last one.
  public init?(stat text: [UInt8], pid: Int32) {
    guard let close = text.lastIndex(of: UInt8(ascii: ")")) else { return nil }
    var fields: [ArraySlice<UInt8>] = []
    for field in text[(close + 1)...].split(separator: UInt8(ascii: " ")) {
      fields.append(field)
      if fields.count == 20 { break }
    }
    guard fields.count == 20, let state = fields[0].first, let start = ProcessTree.number(fields[19]) else { return nil }
    identity = ProcessIdentity(pid: pid, startTime: UInt64(start))
    self.state = state
    parent = Int32(truncatingIfNeeded: ProcessTree.number(fields[1]) ?? 0)
    group = Int32(truncatingIfNeeded: ProcessTree.number(fields[2]) ?? 0)
    session = Int32(truncatingIfNeeded: ProcessTree.number(fields[3]) ?? 0)
  }
}

/// Finds the processes below one, from the kernel's own lists.
public enum ProcessTree {
  /// All living processes below `root`, without it; zombies are left out, their children are not.
  ///
  /// A child is listed under the thread that forked it, so every thread's list is read; a kernel without these lists
  /// (CONFIG_PROC_CHILDREN) has the whole of /proc scanned instead.
  public static func descendants(of root: Int32) -> [ProcessRecord] {
    var found: [ProcessRecord] = []
    var waiting = children(of: root)
    if waiting == nil { return scan(below: root) }
    while let pid = waiting?.popLast() {
      guard let record = ProcessRecord(pid: pid) else { continue }
      if !record.isZombie { found.append(record) }
      if let below = children(of: pid) { waiting?.append(contentsOf: below) }
    }
    return found
  }

  /// The children of a process, or nil when the kernel keeps no such lists or the process is gone.
  public static func children(of pid: Int32) -> [Int32]? {
    var children: [Int32] = []
    var sawList = false
    for thread in entries(of: file(pid, "/task")) {
      var path = file(pid, "/task/")
      path = Path(path.bytes + thread + childrenName)
      guard let list = try? path.read(limit: 1 << 22) else { continue }
      sawList = true
      for field in list.split(separator: UInt8(ascii: " ")) {
        if let child = number(field) { children.append(Int32(truncatingIfNeeded: child)) }
      }
    }
    return sawList ? children : nil
  }

  private static var childrenName: [UInt8] {
    var name: [UInt8] = []
    name.append(text: "/children")
    return name
  }

  /// The pid that was given out last in our namespace (/proc/loadavg, fifth field; proc(5)), or the largest there is when that cannot be read.
  public static var newestPid: Int32 {
    guard let text = try? Path("/proc/loadavg").read(limit: 128), let blank = text.lastIndex(of: UInt8(ascii: " ")),
      let pid = number(text[(blank + 1)...])
    else { return .max }
    return Int32(truncatingIfNeeded: pid)
  }

  private static func scan(below root: Int32) -> [ProcessRecord] {
    var all: [ProcessRecord] = []
    for entry in entries(of: Path("/proc")) {
      if let pid = number(entry[...]), let record = ProcessRecord(pid: Int32(truncatingIfNeeded: pid)) { all.append(record) }
    }
    var family: [Int32] = [root]
    var index = 0
    while index < family.count {
      for record in all where record.parent == family[index] && record.identity.pid != root { family.append(record.identity.pid) }
      index += 1
    }
    var found: [ProcessRecord] = []
    for record in all where record.identity.pid != root && !record.isZombie && family.contains(record.identity.pid) { found.append(record) }
    return found
  }

  /// The names in a directory, without "." and "..".
  static func entries(of path: Path) -> [[UInt8]] {
    guard let directory = path.withCString({ opendir($0) }) else { return [] }
    defer { closedir(directory) }
    var names: [[UInt8]] = []
    while let name = lc_next_entry(directory) {
      if name[0] != CChar(bitPattern: UInt8(ascii: ".")) { names.append(bytes(of: name)) }
    }
    return names
  }

  /// A file of /proc/PID.
  public static func file(_ pid: Int32, _ name: StaticString) -> Path {
    var path: [UInt8] = []
    path.append(text: "/proc/")
    path.append(number: Int64(pid))
    path.append(text: name)
    return Path(path)
  }

  static func number(_ text: ArraySlice<UInt8>) -> Int64? {
    var value: Int64 = 0
    guard !text.isEmpty, text.count <= 18 else { return nil }
    for byte in text {
      if byte == UInt8(ascii: "\n") { break }
      guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
      value = value * 10 + Int64(byte - UInt8(ascii: "0"))
    }
    return value
  }
}
