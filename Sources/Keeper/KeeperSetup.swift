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

  /// - Parameter directory: the run directory, when a replica is kept for an engine.
  init(arguments: CStrings, environment: CStrings, directory: ByteView? = nil) throws(Exit) {
    // First of all, so that no signal comes too early.
    do throws(SystemError) { signals = try Signals() } catch { throw Self.failed("signals cannot be read", error) }
    if directory == nil, arguments[0] != nil, let first = arguments[1], ByteView(first) == "began" {
      throw Exit(code: Began.run(arguments + 2, signals))
    }
    var parser = OptionParser(arguments)
    do throws(OptionParser.Mistake) {
      try parser.read(environment: environment)
      plan = try parser.plan()
    } catch {
      Diagnostics.say(error, in: parser.name, parser.value)
      throw Exit(code: 2)
    }
    options = parser.options
    if !options.printed.isEmpty {
      try? Descriptor.output.write(options.printed)
      throw Exit(code: 0)
    }
    if options.isDryRun {
      DryRun.print(plan, options, environment: environment)
      throw Exit(code: 0)
    }
    if let signal = options.parentDeath { _ = lc_want_parent_death(signal.number) }
    do throws(SystemError) {
      if lc_pid() != 1 { try Reaper.becomeSubreaper() }
    } catch { throw Self.failed("orphans cannot be adopted", error) }
    do throws(SystemError) { eventsFile = try options.openEvents() } catch { throw Self.failed("events cannot be written", error) }
    spawner = Spawner(signals, environment: environment, grace: plan.grace, directory: directory)
  }

  /// Says why it does not go on.
  @inline(never)
  static func failed(_ what: ByteView, _ error: SystemError) -> Exit {
    Diagnostics.say(what, "", error)
    return Exit(code: 125)
  }
}
