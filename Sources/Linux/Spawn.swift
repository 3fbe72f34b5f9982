import CLinux
import StopPlan

/// Why a program did not start.
public enum StartError: Error, Equatable, Sendable {
  /// We could not make a process.
  case noProcess(SystemError)
  /// The process could not become the program.
  case notExecuted(SystemError)

  /// The failure behind it.
  public var cause: SystemError {
    switch self {
    case .noProcess(let cause), .notExecuted(let cause): cause
    }
  }
}

extension lc_spawn {
  /// Starts the program of an executable file. When this returns it has its group and session and is the program.
  /// - Returns: its pid.
  @inline(never)
  public func start(_ executable: Path) throws(StartError) -> Int32 {
    var failure: Int32 = 0
    let result = withUnsafePointer(to: self) { spawn in executable.withCString { lc_spawn(spawn, $0, &failure) } }
    if result < 0 { throw .noProcess(SystemError(code: Int32(truncatingIfNeeded: 0 &- result))) }
    if failure != 0 { throw .notExecuted(SystemError(code: failure)) }
    return Int32(truncatingIfNeeded: result)
  }
}

/// Files that can be executed.
public enum Executable {
  /// The file that a command names: itself when it has a slash, else the first executable of that name in `PATH`.
  /// - Returns: the file, or why there is none: ENOENT, or EACCES when one was found that cannot be executed.
  @inline(never)
  public static func find(_ command: ByteView, path: ByteView) throws(SystemError) -> Path {
    if command.isEmpty { throw .notFound }
    if command.offset(of: UInt8(ascii: "/")) < command.count { return Path(command) }
    var failure = SystemError.notFound
    var rest = path
    var isLast = false
    while !isLast {
      isLast = rest.offset(of: UInt8(ascii: ":")) == rest.count
      let directory = rest.take(before: UInt8(ascii: ":"))
      let candidate = Path(directory.isEmpty ? "." : directory).appending(command)
      let result = candidate.withCString { lc_check_executable($0) }
      if result == 0 { return candidate }
      if result == -Int(EACCES) { failure = SystemError(code: EACCES) }
    }
    throw failure
  }
}
