import CLinux
import Linux
import StopPlan

/// Starts our child processes and tells when they end. SIGCHLD is given to `reap` by whoever reads our signals.
actor Children {
  private var waiting: [Int32: [CheckedContinuation<ExitStatus, Never>]] = [:]
  private var ended: [Int32: ExitStatus] = [:]
  private var alive: Set<Int32> = []
  /// Enough for standard descriptors, a listener, a lock and what programs store by default; without them a start is only slower.
  private let low = try? LowDescriptors(count: 24)

  /// Starts a program with the signal state of a fresh process: no mask, every signal at its default, and without SwiftNIO's sockets, which have
  /// no close-on-exec flag.
  func start(_ program: Program) throws(EngineError) -> Int32 {
    var program = program
    program.inheritsOnlyNamed = true
    // What SwiftNIO ignores (SIGPIPE), and whoever has started us (nohup, a shell's background job).
    program.defaulted = .max
    do throws(Program.StartError) {
      let pid = try program.start(through: low)
      alive.insert(pid)
      return pid
    } catch {
      switch error {
      case .noProcess(let cause): throw EngineError("cannot start a process: \(cause)")
      case .notExecuted(let cause): throw EngineError("cannot execute \(program.executable.string): \(cause)")
      }
    }
  }

  /// Waits for a child's end.
  func wait(for pid: Int32) async -> ExitStatus {
    if let status = ended.removeValue(forKey: pid) { return status }
    return await withCheckedContinuation { waiting[pid, default: []].append($0) }
  }

  /// Its end is nobody's to know.
  func disown(_ pid: Int32) {
    alive.remove(pid)
    ended.removeValue(forKey: pid)
  }

  /// Takes the children that have ended.
  func reap() {
    while case .ended(let pid, let status) = Reaper.next() {
      guard alive.remove(pid) != nil else { continue }
      if let continuations = waiting.removeValue(forKey: pid) {
        for continuation in continuations { continuation.resume(returning: status) }
      } else {
        ended[pid] = status
      }
    }
  }
}
