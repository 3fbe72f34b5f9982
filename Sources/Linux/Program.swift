#if !hasFeature(Embedded)
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

    /// Why it did not start.
    public typealias StartError = Linux.StartError

    /// The file to execute.
    public var executable: Path
    /// The arguments, the first being the program's own name.
    public var arguments: [[UInt8]]
    /// `NAME=value` entries.
    public var environment: [[UInt8]]
    /// The working directory; nil inherits ours.
    public var directory: Path?
    /// The signals that are blocked in it.
    public var mask: SignalSet = []
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
    /// Its standard output.
    public var output: Descriptor?
    /// Its standard error.
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
    }

    /// Starts it. When this returns it has its group and session and is the program.
    /// - Parameter low: numbers for what it inherits, so that nothing else is copied; one start at a time uses them. They are of use
    ///   when it inherits only what is named, and nothing at its own number.
    /// - Returns: its pid.
    public func start(through low: LowDescriptors? = nil) throws(StartError) -> Int32 {
      guard let low, inheritsOnlyNamed, kept.isEmpty, terminal == nil else { return try startPlaced() }
      let named = [input, output, error].compactMap { $0 } + placed
      let lent: [Descriptor]?
      do throws(SystemError) { lent = try low.lend(named) } catch { throw .noProcess(error) }
      guard let lent else { return try startPlaced() }
      defer { low.clear(lent) }
      var program = self
      var rest = lent[...]
      if input != nil { program.input = rest.removeFirst() }
      if output != nil { program.output = rest.removeFirst() }
      if error != nil { program.error = rest.removeFirst() }
      return try program.start(places: rest.map(\.number), below: low.end)
    }

    private func startPlaced() throws(StartError) -> Int32 {
      var raised: [Descriptor] = []
      defer { for descriptor in raised { descriptor.close() } }
      for descriptor in placed {
        do throws(SystemError) { raised.append(try descriptor.duplicate(above: 3 + Int32(placed.count))) } catch { throw .noProcess(error) }
      }
      return try start(places: raised.map(\.number), below: 0)
    }

    /// - Parameters:
    ///   - places: what becomes 3, 4, 5, …, each of them above the places themselves.
    ///   - limit: if not 0, all that is inherited has numbers below it.
    private func start(places: [Int32], below limit: Int32) throws(StartError) -> Int32 {
      let argv = CStringArray(arguments)
      var entries = environment
      if writesListenPid {
        entries.removeAll { $0.starts(with: "LISTEN_PID=".utf8) }
        entries.append(Array("LISTEN_PID=000000000000".utf8))
      }
      let environ = CStringArray(entries)
      var spawn = lc_spawn_inheriting()
      spawn.argv = argv.constant
      spawn.environment = environ.constant
      spawn.mask = mask.mask
      spawn.ignored = ignored
      spawn.defaulted = defaulted
      spawn.group = group.code
      spawn.terminal = terminal?.number ?? -1
      spawn.in = input?.number ?? -1
      spawn.out = output?.number ?? -1
      spawn.err = error?.number ?? -1
      spawn.only_named = inheritsOnlyNamed ? 1 : 0
      spawn.inherits_below = limit
      if writesListenPid { spawn.listen_pid = environ.pointer[entries.count - 1]?.advanced(by: 11) }
      return try start(&spawn, places: places, keeps: kept.map(\.number))
    }

    private func start(_ spawn: inout lc_spawn, places: [Int32], keeps: [Int32]) throws(StartError) -> Int32 {
      try places.withUnsafeBufferPointer { (places) throws(StartError) in
        try keeps.withUnsafeBufferPointer { (keeps) throws(StartError) in
          spawn.placed = places.baseAddress
          spawn.placed_count = Int32(places.count)
          spawn.kept = keeps.baseAddress
          spawn.kept_count = Int32(keeps.count)
          guard let directory else { return try spawn.start(executable) }
          let result: Result<Int32, StartError> = directory.withCString { path in
            spawn.directory = path
            return Result { () throws(StartError) in try spawn.start(executable) }
          }
          return try result.get()
        }
      }
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
#endif
