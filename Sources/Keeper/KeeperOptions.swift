import CLinux
import Linux
import StopPlan

/// What a keeper is told at its start. Its texts are those of its own arguments and environment, which outlive it.
///
/// A class: there is one, and a copy of all of it costs the Embedded binary more than a reference.
final class KeeperOptions {
  /// What is to be printed instead of running anything: help, or the version.
  var printed: ByteView = ""
  /// The plan's text, empty for the standard plan.
  var planText: ByteView = ""
  var grace: TimeSpan?
  var floor: TimeSpan?
  var reserve: TimeSpan?
  var until: StopPlan.Until?
  var stopOn: SignalSet = [.term, .int]
  /// After that long the stop begins by itself.
  var timeLimit: TimeSpan?
  /// Who gets forwarded signals, and the standard plan's first one.
  var scope = StopPlan.Scope.main
  var rewrite = Rewrite()
  /// A command that runs before the plan's first step, and a pause after it.
  var preStop: [[UInt8]] = []
  var pause: TimeSpan?
  /// How the main process, and who looks at a file, learn that the stop is coming.
  var notice: Signal?
  var noticeFile: ByteView = ""
  /// What an exit code becomes.
  var exitCodes = ExitCodes()
  /// The signal that we want when our parent dies.
  var parentDeath: Signal?
  /// The command's process group and session (`lc_group_…`); by the surroundings when nothing was said.
  var group: Int32?
  /// Whether orphans are adopted; when nothing was said, unless we are PID 1, to whom they come anyway.
  var isSubreaper: Bool?
  /// Whether who is reaped is named (`tini -w`).
  var namesReaped = false
  /// Whether no command is run, but only orphans reaped until TERM or INT comes (`catatonit -P`).
  var onlyPauses = false
  /// Whether not even warnings are said.
  var isQuiet = false
  /// Whether what stands behind the command is its own, options too.
  var endsAtCommand = false
  /// Whether the environment says something of ours.
  var isOverridden = false
  var isVerbose = false
  /// A descriptor or a path where events go as JSON lines.
  var eventsTarget: ByteView = ""
  /// The directory of a cgroup v2 that the command is to have for itself.
  var cgroup: UnsafePointer<CChar>?
  /// Whether the plan and what is odd about the surroundings is printed, and nothing run.
  var isDryRun = false
  /// The sidecars, each as `NAME: COMMAND`.
  private let sidecars = UnsafeMutablePointer<ByteView>.allocate(capacity: Succession.limit)
  private(set) var sidecarCount = 0
  /// What the death of a sidecar means, and that of the main process.
  var sidecarPolicy = Succession.Policy.restart
  var mainPolicy = Succession.Policy.stop
  /// The program and its arguments.
  var command: CStrings

  init(command: CStrings) { self.command = command }

  /// Whether no signal begins a stop and nothing is waited for but the command, as another tool does.
  var isOnlyForwarding: Bool { stopOn.mask == 0 && until == .main }

  /// The grace of those who set none: under docker's ten seconds.
  static var standardGrace: TimeSpan { .seconds(8) }

  /// The program's name.
  var commandName: ByteView { command[0].map { ByteView($0) } ?? "" }

  /// A sidecar's name and command; the first has number 1.
  @inline(never)
  func sidecar(_ number: Int) -> (name: ByteView, command: ByteView) {
    var command = sidecars[number - 1]
    let name = command.take(before: UInt8(ascii: ":"))
    return (name, command)
  }

  /// Adds a sidecar, of which there may be `Succession.limit`.
  func addSidecar(_ text: ByteView) {
    sidecars[sidecarCount] = text
    sidecarCount += 1
  }

  /// The budget for the stop of everything, of which the main process's plan has its part.
  func totalGrace(_ plan: StopPlan) -> TimeSpan {
    sidecarCount == 0 ? plan.grace : grace ?? max(Self.standardGrace, plan.grace + plan.grace / 3)
  }

  /// The plan that these options make for the main process.
  func plan() throws(StopPlanError) -> StopPlan {
    let grace = self.grace.map { Succession.mainGrace($0, sidecars: sidecarCount) }
    let standardGrace = Succession.mainGrace(Self.standardGrace, sidecars: sidecarCount)
    var plan =
      planText.isEmpty
      ? StopPlan.standard(grace: grace ?? standardGrace) : try StopPlan(text: planText, grace: grace, fallback: standardGrace)
    if planText.isEmpty { plan.steps[0] = .send(.term, scope) }
    if let pause {
      plan.begin(with: .pause(pause))
      if !planText.isEmpty, grace == nil { plan.grace = plan.grace + pause }
    }
    if !preStop.isEmpty { plan.begin(with: .hook(preStop)) }
    if pause != nil || !preStop.isEmpty { plan.reserve = max(plan.reserve, min(plan.grace / 4, .seconds(1))) }
    if let floor { plan.floor = floor }
    if let reserve { plan.reserve = reserve }
    if let until { plan.until = until }
    return plan
  }

  /// Opens what `--events` names: a descriptor that we inherited, or a file that is appended to.
  func openEvents() throws(SystemError) -> Descriptor? {
    if eventsTarget.isEmpty { return nil }
    if let number = eventsTarget.number(limit: Int64(Int32.max)) {
      // One of our own: the command keeps its standard streams, and gets no other one that is ours.
      let copy = lc_duplicate_above(Int32(truncatingIfNeeded: number), 3)
      if copy < 0 { throw SystemError(code: Int32(truncatingIfNeeded: -copy)) }
      if number > 2 { _ = lc_set_cloexec(Int32(truncatingIfNeeded: number), 1) }
      return Descriptor(number: Int32(truncatingIfNeeded: copy))
    }
    // A named pipe that nobody reads, or that is full, must not hold a stop up.
    return try Path(eventsTarget).open(O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK)
  }
}
