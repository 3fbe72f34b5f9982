import Linux
import StopPlan

/// What a keeper is told at its start. Its texts are those of its own arguments and environment, which outlive it.
struct KeeperOptions {
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
  var isVerbose = false
  /// The run directory of a replica that is kept for an engine.
  var directory: ByteView?
  /// The program and its arguments.
  var command: CStrings

  /// The grace of those who set none: under docker's ten seconds.
  static var standardGrace: TimeSpan { .seconds(8) }

  /// The program's name.
  var commandName: ByteView { command[0].map { ByteView($0) } ?? "" }

  /// The plan that these options make.
  func plan() throws(StopPlanError) -> StopPlan {
    var plan =
      planText.isEmpty
      ? StopPlan.standard(grace: grace ?? Self.standardGrace) : try StopPlan(text: planText, grace: grace, fallback: Self.standardGrace)
    if let floor { plan.floor = floor }
    if let reserve { plan.reserve = reserve }
    if let until { plan.until = until }
    return plan
  }
}
