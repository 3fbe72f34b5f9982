import CLinux
import StopPlan

extension ProcessRecord {
  /// What /proc says of `pid` now, or nil when there is no such process.
  @inline(never)
  public init?(pid: Int32) {
    // The start, field 22, lies within that much, however large the numbers before it are.
    let text = ProcessTree.read(pid, "stat", limit: 512)
    guard let record = text.withView({ ProcessRecord(stat: $0, pid: pid) }) else { return nil }
    self = record
  }

  /// Reads a line of /proc/PID/stat; the program's name may hold blanks and parentheses, so fields count from the last one.
  public init?(stat text: ByteView, pid: Int32) {
    var rest = text
    while rest.offset(of: UInt8(ascii: ")")) < rest.count { _ = rest.take(before: UInt8(ascii: ")")) }
    guard rest.count < text.count else { return nil }
    _ = rest.take(before: UInt8(ascii: " "))
    self.init(identity: ProcessIdentity(pid: pid, startTime: 0), state: rest.take(before: UInt8(ascii: " "))[0], group: 0)
    parent = Self.takeNumber(&rest)
    group = Self.takeNumber(&rest)
    session = Self.takeNumber(&rest)
    for _ in 7..<20 { _ = rest.take(before: UInt8(ascii: " ")) }
    threads = Self.takeNumber(&rest)
    _ = rest.take(before: UInt8(ascii: " "))
    guard let start = rest.take(before: UInt8(ascii: " ")).number() else { return nil }
    identity.startTime = UInt64(start)
  }

  @inline(never)
  private static func takeNumber(_ rest: inout ByteView) -> Int32 {
    Int32(truncatingIfNeeded: rest.take(before: UInt8(ascii: " ")).number() ?? 0)
  }
}

/// Finds the processes below one, from the kernel's own lists.
public enum ProcessTree {
  /// All processes below `root`, without it, zombies among them.
  ///
  /// A child is listed under the thread that forked it, so every thread's list is read; a kernel without these lists
  /// (CONFIG_PROC_CHILDREN) has the whole of /proc scanned instead.
  /// - Parameter isApart: whether what is below a process, by its pid, is not looked for.
  @inline(never)
  public static func descendants(of root: Int32, isApart: (Int32) -> Bool = { _ in false }) -> [ProcessRecord] {
    var found: [ProcessRecord] = []
    let hasLists = appendChildren(of: root, to: &found)
    var next = 0
    if !hasLists { scan(below: root, &found) }
    while next < found.count {
      let process = found[next]
      next += 1
      // A zombie's children have moved; who has one thread has one list.
      let pid = process.identity.pid
      if process.isZombie || isApart(pid) { continue }
      if !hasLists {
        scan(below: pid, &found)
      } else if process.threads == 1 {
        appendChildren(of: pid, thread: pid, to: &found)
      } else {
        _ = appendChildren(of: pid, to: &found)
      }
    }
    return found
  }

  /// Appends the children of a process.
  /// - Parameter limit: no more are looked at once there are that many.
  /// - Returns: false when the kernel keeps no such lists or the process is gone.
  @inline(never)
  public static func appendChildren(of pid: Int32, limit: Int = .max, to children: inout [ProcessRecord]) -> Bool {
    var sawList = false
    forEachPid(in: lc_open_process_file(pid, 0, "task")) { thread in
      if appendChildren(of: pid, thread: thread, limit: limit, to: &children) { sawList = true }
    }
    return sawList
  }

  /// Appends the children that one thread has forked.
  /// - Returns: false when there is no list.
  @inline(never) @discardableResult
  private static func appendChildren(of pid: Int32, thread: Int32, limit: Int = .max, to children: inout [ProcessRecord]) -> Bool {
    let descriptor = lc_open_process_file(pid, thread, "children")
    if descriptor < 0 { return false }
    read(descriptor, limit: 1 << 22).withView { list in
      var rest = list
      while !rest.isEmpty, children.count < limit {
        let child = rest.take(before: UInt8(ascii: " ")).number(limit: Int64(Int32.max)) ?? 0
        if let record = ProcessRecord(pid: Int32(truncatingIfNeeded: child)) { children.append(record) }
      }
    }
    return true
  }

  /// The pid that was given out last in our namespace (/proc/loadavg, fifth field; proc(5)), or the largest there is when that cannot be read.
  public static var newestPid: Int32 {
    @inline(never) get {
      read(lc_open("/proc/loadavg", O_RDONLY, 0), limit: 128).withView { text in
        var rest = text
        for _ in 0..<4 { _ = rest.take(before: UInt8(ascii: " ")) }
        return rest.take(before: UInt8(ascii: "\n")).number(limit: Int64(Int32.max)).map { Int32($0) } ?? .max
      }
    }
  }

  /// Appends the children of a process, found among all processes there are: slow, but kernels without the lists are rare.
  @inline(never)
  private static func scan(below parent: Int32, _ children: inout [ProcessRecord]) {
    forEachPid(in: lc_open("/proc", O_RDONLY, 0)) { pid in
      if let record = ProcessRecord(pid: pid), record.parent == parent { children.append(record) }
    }
  }

  /// Gives `body` the entries of a directory that are numbers, and closes it.
  @inline(never)
  private static func forEachPid(in directory: Int, _ body: (Int32) -> Void) {
    guard directory >= 0 else { return }
    let descriptor = Int32(truncatingIfNeeded: directory)
    withUnsafeTemporaryAllocation(byteCount: 2048, alignment: 8) { entries in
      while true {
        let length = lc_list(descriptor, entries.baseAddress, UInt(entries.count))
        if length <= 0 { break }
        var offset = 0
        while offset < length {
          let pid = lc_entry_pid(entries.baseAddress, &offset)
          if pid > 0 { body(Int32(truncatingIfNeeded: pid)) }
        }
      }
    }
    _ = lc_close(descriptor)
  }

  /// The content of /proc/PID/NAME, at most `limit` bytes of it; nothing when it is not there.
  @inline(never)
  public static func read(_ pid: Int32, _ name: ByteView, limit: Int) -> [UInt8] {
    read(lc_open_process_file(pid, 0, name.cString), limit: limit)
  }

  /// Appends the name of a process's program, at most 15 bytes of it (/proc/PID/comm).
  @inline(never)
  public static func appendName(of pid: Int32, to text: inout [UInt8]) {
    read(pid, "comm", limit: 64).withView { text.append(text: $0.prefix($0.offset(of: UInt8(ascii: "\n")))) }
  }

  /// What a descriptor still has, at most `limit` bytes of it; closes it.
  @inline(never)
  private static func read(_ descriptor: Int, limit: Int) -> [UInt8] {
    var content: [UInt8] = []
    if descriptor < 0 { return content }
    let file = Descriptor(number: Int32(truncatingIfNeeded: descriptor))
    var part: [UInt8] = []
    while content.count < limit, (try? file.read(into: &part, count: min(limit, 4096))) != nil, !part.isEmpty {
      content.append(bytes: part)
      // A file of one record comes whole; lists come in pieces of any length.
      if limit <= 4096 { break }
    }
    file.close()
    return content
  }
}
