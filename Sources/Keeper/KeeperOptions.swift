import Linux
import StopPlan

/// What a keeper is told at its start.
struct KeeperOptions {
  /// The plan's text, or nil for the standard plan.
  var planText: [UInt8]?
  var grace: TimeSpan?
  var floor: TimeSpan?
  var reserve: TimeSpan?
  var until: StopPlan.Until?
  var stopOn: [Signal] = [.term, .int]
  /// After that long the stop begins by itself.
  var timeLimit: TimeSpan?
  var isVerbose = false
  /// The run directory of a replica that is kept for an engine.
  var directory: Path?
  /// The program and its arguments.
  var command: [[UInt8]] = []

  /// The grace of those who set none: under docker's ten seconds.
  static let standardGrace = TimeSpan.seconds(8)

  /// The plan that these options make.
  func plan() throws(OptionMistake) -> StopPlan {
    var plan: StopPlan
    if let planText {
      do throws(StopPlanError) {
        plan = try StopPlan(text: planText[...], grace: grace, fallback: Self.standardGrace)
      } catch {
        throw OptionMistake(option: "--stop", value: planText, expectation: error.expectation, position: error.position)
      }
    } else {
      plan = .standard(grace: grace ?? Self.standardGrace)
    }
    if let floor { plan.floor = floor }
    if let reserve { plan.reserve = reserve }
    if let until { plan.until = until }
    return plan
  }
}

/// An option that cannot be used: which, what it was given, what was expected.
struct OptionMistake: Error {
  var option: StaticString
  var value: [UInt8]
  var expectation: StaticString
  /// The offset in the value at which it went wrong.
  var position: Int?
}

/// What the arguments ask for.
enum Request {
  case run(KeeperOptions)
  case help
  case version
}
