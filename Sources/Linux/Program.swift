import CLinux
import StopPlan

/// A program to start, and everything its process inherits.
public struct Program {
  /// Which process group and session it gets.
  public enum Group: Sendable {
    /// Its parent's.
    case inherited
    /// A group of its own.
    case own
    /// A session, and so a group, of its own.
    case session
  }

  /// The file to execute.
  public var executable: Path
  /// The arguments, the first being the program's own name.
  public var arguments: [[UInt8]]
  /// `NAME=value` entries.
  public var environment: [[UInt8]]
  /// The working directory; nil inherits ours.
  public var directory: Path?
  /// The signal mask in force in it.
  public var mask = sigset_t()
  /// Signals that are ignored in it although they are not in us, bit n-1 for signal n.
  public var ignored: UInt64 = 0
  /// Signals that have their default action in it although they are ignored in us.
  public var defaulted: UInt64 = 0
  /// Its process group.
  public var group = Group.own
  /// A terminal whose foreground group it becomes.
  public var terminal: Descriptor?
  /// Its standard descriptors; nil inherits ours.
  public var input: Descriptor?
  public var output: Descriptor?
  public var error: Descriptor?
  /// Descriptors that become 3, 4, 5, … in it.
  public var placed: [Descriptor] = []
  /// Whether it inherits only the standard, placed and kept descriptors, and not what else has no close-on-exec flag.
  public var inheritsOnlyNamed = false
  /// Descriptors that it inherits at their own numbers.
  public var kept: [Descriptor] = []
  /// Whether the environment entry `LISTEN_PID=` gets its pid (sd_listen_fds(3)).
  public var writesListenPid = false

  /// A program by its file, arguments and environment.
  public init(executable: Path, arguments: [[UInt8]], environment: [[UInt8]]) {
    self.executable = executable
    self.arguments = arguments
    self.environment = environment
    sigemptyset(&mask)
  }

  /// Why a program did not start.
  public enum StartError: Error, Equatable, Sendable {
    /// We could not make a process.
    case noProcess(SystemError)
    /// The process could not become the program.
    case notExecuted(SystemError)
  }

  /// Starts it. When this returns it has its group and session and is the program.
  /// - Returns: its pid.
  public func start() throws(StartError) -> Int32 {
    let argv = CStringArray(arguments)
    var entries = environment
    if writesListenPid {
      entries.removeAll { hasPrefix($0, "LISTEN_PID=") }
      var entry: [UInt8] = []
      entry.append(text: "LISTEN_PID=000000000000")
      entries.append(entry)
    }
    let environ = CStringArray(entries)
    var raised: [Descriptor] = []
    defer { for descriptor in raised { descriptor.close() } }
    for descriptor in placed {
      do throws(SystemError) { raised.append(try descriptor.duplicate(above: 3 + Int32(placed.count))) } catch { throw .noProcess(error) }
    }
    let places = raised.map { $0.number }
    let keeps = kept.map { $0.number }
    var failure: Int32 = 0
    let result = places.withUnsafeBufferPointer { places in
      keeps.withUnsafeBufferPointer { keeps in
        withUnsafePointer(to: mask) { mask in
          var spawn = lc_spawn()
          spawn.argv = argv.pointer
          spawn.environment = environ.pointer
          spawn.mask = mask
          spawn.ignored = ignored
          spawn.defaulted = defaulted
          spawn.group = group.code
          spawn.terminal = terminal?.number ?? -1
          spawn.in = input?.number ?? -1
          spawn.out = output?.number ?? -1
          spawn.err = error?.number ?? -1
          spawn.placed = places.baseAddress
          spawn.placed_count = Int32(places.count)
          spawn.only_named = inheritsOnlyNamed ? 1 : 0
          spawn.kept = keeps.baseAddress
          spawn.kept_count = Int32(keeps.count)
          if writesListenPid { spawn.listen_pid = environ.last?.advanced(by: 11) }
          return executable.withCString { path in
            guard let directory else { return lc_spawn(&spawn, path, &failure) }
            return directory.withCString { directory in
              spawn.directory = directory
              return lc_spawn(&spawn, path, &failure)
            }
          }
        }
      }
    }
    if result < 0 { throw .noProcess(SystemError(code: Int32(truncatingIfNeeded: -result))) }
    if failure != 0 { throw .notExecuted(SystemError(code: failure)) }
    return Int32(truncatingIfNeeded: result)
  }

  /// The file that a command names: itself when it has a slash, else the first executable of that name in `PATH`.
  /// - Returns: the file, or why there is none: ENOENT, or EACCES when one was found that cannot be executed.
  public static func find(_ command: [UInt8], path: [UInt8]) throws(SystemError) -> Path {
    guard !command.isEmpty else { throw .notFound }
    if command.contains(UInt8(ascii: "/")) { return Path(command) }
    var denied = false
    for directory in path.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false) {
      var candidate = directory.isEmpty ? [UInt8(ascii: ".")] : Array(directory)
      candidate.append(UInt8(ascii: "/"))
      candidate.append(contentsOf: command)
      let path = Path(candidate)
      if path.withCString({ access($0, X_OK) }) == 0 {
        if !path.isDirectory { return path }
      } else if lc_last_error() == EACCES {
        denied = true
      }
    }
    throw SystemError(code: denied ? EACCES : ENOENT)
  }
}

extension Program.Group {
  fileprivate var code: Int32 {
    switch self {
    case .inherited: lc_group_inherit
    case .own: lc_group_own
    case .session: lc_group_session
    }
  }
}

extension Path {
  /// Whether it is a directory, links followed.
  public var isDirectory: Bool { withCString { lc_is_directory($0) } != 0 }
}

/// Whether an environment entry or other text begins with a literal.
public func hasPrefix(_ bytes: [UInt8], _ prefix: StaticString) -> Bool {
  let count = prefix.utf8CodeUnitCount
  guard bytes.count >= count else { return false }
  for index in 0..<count where bytes[index] != prefix.utf8Start[index] { return false }
  return true
}

/// A NULL-terminated array of C strings, as execve(2) takes it.
struct CStringArray: ~Copyable {
  private var pointers: [UnsafePointer<CChar>?]
  private let base: UnsafeMutablePointer<UnsafePointer<CChar>?>

  init(_ strings: [[UInt8]]) {
    pointers = []
    for string in strings {
      let copy = UnsafeMutablePointer<CChar>.allocate(capacity: string.count + 1)
      for index in 0..<string.count { copy[index] = CChar(bitPattern: string[index]) }
      copy[string.count] = 0
      pointers.append(UnsafePointer(copy))
    }
    base = .allocate(capacity: pointers.count + 1)
    for index in 0..<pointers.count { base[index] = pointers[index] }
    base[pointers.count] = nil
  }

  deinit {
    for pointer in pointers { pointer.map { UnsafeMutablePointer(mutating: $0).deallocate() } }
    base.deallocate()
  }

  var pointer: UnsafePointer<UnsafePointer<CChar>?> { UnsafePointer(base) }
  var last: UnsafeMutablePointer<CChar>? { pointers.last.flatMap { $0.map { UnsafeMutablePointer(mutating: $0) } } }
}
