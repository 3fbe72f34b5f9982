import CLinux
import Linux
import StopPlan

/// What a keeper starts from: its arguments and environment read, its surroundings prepared.
final class KeeperSetup {
  /// Nothing is kept; our process ends with this code.
  struct Exit: Error {
    let code: UInt8
  }

  let signals: Signals
  let options: KeeperOptions
  let plan: StopPlan
  let spawner: Spawner
  /// Where events go as JSON lines, if anywhere.
  let eventsFile: Descriptor?

  /// Where the main process enters its cgroup, or -1.
  private(set) var cgroup = -1

  /// - Parameter directory: the run directory, when a replica is kept for an engine.
  init(arguments: CStrings, environment: CStrings, directory: ByteView? = nil) throws(Exit) {
    // First of all, so that no signal comes too early.
    do throws(SystemError) { signals = try Signals() } catch { throw Self.failed("signals cannot be read", error) }
    if directory == nil, let name = arguments[0] {
      Dialect.current = Dialect(program: ByteView(name))
      if Dialect.current == .own, let first = arguments[1], ByteView(first) == "began" {
        throw Exit(code: Began.run(arguments + 2, signals))
      }
    }
    var parser = OptionParser(arguments)
    do throws(OptionParser.Mistake) {
      try parser.read(environment: environment)
      plan = try parser.plan()
    } catch {
      Diagnostics.say(error, in: parser.name, parser.value)
      throw Exit(code: Dialect.current.usageCode)
    }
    options = parser.options
    if !options.printed.isEmpty {
      // The one text of catatonit that goes to stdout is its version, which docker reads.
      let isForError = Dialect.current == .dumbInit || Dialect.current == .catatonit && options.printed[0] == UInt8(ascii: "U")
      try? (isForError ? Descriptor.error : .output).write(options.printed)
      throw Exit(code: 0)
    }
    if options.isDryRun {
      DryRun.print(plan, options, environment: environment)
      throw Exit(code: 0)
    }
    if options.onlyPauses { throw Self.pause(signals) }
    if let signal = options.parentDeath { _ = lc_want_parent_death(signal.number) }
    do throws(SystemError) {
      if options.isSubreaper ?? (lc_pid() != 1) { try Reaper.becomeSubreaper() }
    } catch { throw Self.failed("orphans cannot be adopted", error) }
    if Dialect.current == .tini, options.isSubreaper == false, lc_pid() != 1, !options.isQuiet {
      Diagnostics.say("neither PID 1 nor a subreaper (-s)", level: "WARN ")
    }
    do throws(SystemError) { eventsFile = try options.openEvents() } catch { throw Self.failed("events cannot be written", error) }
    if let path = options.cgroup {
      cgroup = lc_open_cgroup(path)
      if cgroup < 0 { throw Self.failed("the cgroup cannot be used", SystemError(code: Int32(truncatingIfNeeded: -cgroup))) }
    }
    spawner = Spawner(signals, environment: environment, grace: options.isOnlyForwarding ? nil : plan.grace, directory: directory)
  }

  /// Reaps until it is told to end.
  private static func pause(_ signals: Signals) -> Exit {
    while true {
      // Who ended before we were started is told of by no signal.
      while case .ended = Reaper.next() {}
      switch signals.wait(until: .never)?.signal {
      case .term?, .int?: return Exit(code: 0)
      default: break
      }
    }
  }

  /// Says why it does not go on.
  @inline(never)
  static func failed(_ what: ByteView, _ error: SystemError) -> Exit {
    Diagnostics.say(what, "", error)
    return Exit(code: Dialect.current.code(.noProcess(error)))
  }
}
