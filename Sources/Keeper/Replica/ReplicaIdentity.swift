import CLinux
import Linux
import StopPlan

/// Who keeps a replica and who is its program, so that no later process with the same pid is taken for them.
///
/// A pid is one process only together with its start (in clock ticks after the boot; proc(5), /proc/PID/stat, field 22), the boot, and the
/// PID namespace it counts in.
struct ReplicaIdentity {
  private(set) var keeperStart: UInt64 = 0
  private(set) var main: Int32 = 0
  private(set) var mainStart: UInt64 = 0

  init() { keeperStart = Self.start(of: lc_pid()) }

  /// The program has been started.
  mutating func started(_ main: Int32) {
    self.main = main
    mainStart = Self.start(of: main)
  }

  /// Adds the fields to an object.
  @inline(never)
  func append(to json: inout JSONLine) {
    json.field("keeper", Int64(lc_pid()))
    json.field("keeperStart", Int64(truncatingIfNeeded: keeperStart))
    json.field("main", Int64(main))
    json.field("mainStart", Int64(truncatingIfNeeded: mainStart))
    Self.boot().withView { json.field("boot", text: $0) }
    json.field("pidNamespace", Self.namespace())
  }

  @inline(never)
  private static func start(of pid: Int32) -> UInt64 { ProcessRecord(pid: pid)?.identity.startTime ?? 0 }

  /// The boot's id, a UUID in text; empty where there is none.
  private static func boot() -> [UInt8] {
    var id: [UInt8] = []
    guard let file = try? Path("/proc/sys/kernel/random/boot_id").open(O_RDONLY) else { return id }
    try? file.read(into: &id, count: 64)
    file.close()
    return id.withView { text in
      var line: [UInt8] = []
      line.append(text: text.prefix(text.offset(of: UInt8(ascii: "\n"))))
      return line
    }
  }

  /// The inode of our PID namespace (namespaces(7)), 0 where it cannot be seen.
  private static func namespace() -> Int64 {
    withUnsafeTemporaryAllocation(byteCount: 64, alignment: 1) { text in
      guard let start = text.baseAddress else { return 0 }
      let bytes = start.assumingMemoryBound(to: CChar.self)
      let length = Path("/proc/self/ns/pid").withCString { lc_read_link($0, bytes, UInt(text.count)) }
      var link = ByteView(start: UnsafePointer(start.assumingMemoryBound(to: UInt8.self)), count: length)
      _ = link.take(before: UInt8(ascii: "["))
      return link.take(before: UInt8(ascii: "]")).number() ?? 0
    }
  }
}
