import StopPlan

/// What a client of the control socket says, one command a line (protocol version 2): a word, and what follows it.
struct ControlCommand {
  /// Why a line is no command.
  struct Mistake: Error {
    var text: ByteView
  }

  enum Name {
    /// `stop ID DEADLINE PLAN`: DEADLINE in nanoseconds of the monotonic clock, or `-` for the plan's grace from now; PLAN or `-` for
    /// the keeper's.
    case stop
    /// `kill ID`: a stop with grace 0.
    case kill
    /// `escalate ID`: skip to the next signal. `escalate ID first`: only if none was sent yet.
    case escalate
    /// `signal SIGNAL SCOPE`.
    case signal
    /// `status`.
    case status
    /// `follow SEQ`: all events after that one, and those to come.
    case follow
    /// `listeners`: the descriptors held for others, by SCM_RIGHTS.
    case listeners
    /// `reopen-log`.
    case reopenLog
    /// `upgrade PATH`: become that lastcall-keeper. The connection's end says that it has; an error that it has not.
    case upgrade
  }

  let name: Name
  private var rest: ByteView

  init(line: ByteView) throws(Mistake) {
    rest = line
    name =
      switch rest.take(before: UInt8(ascii: " ")).position(among: "stop kill escalate signal status follow listeners reopen-log upgrade") {
      case 0: .stop
      case 1: .kill
      case 2: .escalate
      case 3: .signal
      case 4 where rest.isEmpty: .status
      case 5: .follow
      case 6 where rest.isEmpty: .listeners
      case 7 where rest.isEmpty: .reopenLog
      case 8: .upgrade
      default:
        throw Mistake(
          text: """
            expected: stop ID DEADLINE PLAN, kill ID, escalate ID [first], signal SIGNAL SCOPE, status, follow SEQ, listeners, reopen-log, or \
            upgrade PATH
            """)
      }
  }

  /// The sequence number that follows.
  func sequence() throws(Mistake) -> Int64 { try Self.number(rest, "expected a sequence number") }

  /// The id that follows, and whether no more than what comes before the first signal is skipped.
  mutating func escalation() throws(Mistake) -> (id: UInt64, isToFirst: Bool) {
    let id = try Self.id(rest.take(before: UInt8(ascii: " ")))
    guard rest.isEmpty || rest == "first" else { throw Mistake(text: "expected nothing behind the id, or first") }
    return (id, !rest.isEmpty)
  }

  /// The signal and the scope that follow.
  mutating func signal() throws(Mistake) -> (Signal, StopPlan.Scope) {
    guard let signal = Signal(text: rest.take(before: UInt8(ascii: " "))) else { throw Mistake(text: "expected a signal") }
    guard let scope = StopPlan.Scope(text: rest) else { throw Mistake(text: "expected a scope: main, group, rest or tree") }
    return (signal, scope)
  }

  /// The absolute path that follows.
  func path() throws(Mistake) -> ByteView {
    guard rest[0] == UInt8(ascii: "/") else { throw Mistake(text: "expected an absolute path") }
    return rest
  }

  /// What follows `stop` or `kill`.
  mutating func request() throws(Mistake) -> StopRequest {
    let blank = UInt8(ascii: " ")
    let id = try Self.id(rest.take(before: blank))
    if name == .kill { rest = "- KILL" }
    let word = rest.take(before: blank)
    let deadline = word == "-" ? nil : Instant(nanoseconds: try Self.number(word, "expected a deadline in nanoseconds, or -"))
    // The plan is the rest of the line: its hooks may hold blanks.
    if rest == "-" { return StopRequest(id: id, deadline: deadline) }
    do throws(StopPlanError) {
      return StopRequest(id: id, deadline: deadline, plan: try StopPlan(text: rest, grace: name == .kill ? .zero : nil))
    } catch {
      throw Mistake(text: ByteView(stringLiteral: error.expectation))
    }
  }

  private static func id(_ word: ByteView) throws(Mistake) -> UInt64 {
    UInt64(bitPattern: try number(word, "expected a request's id, a whole number"))
  }

  private static func number(_ word: ByteView, _ expectation: ByteView) throws(Mistake) -> Int64 {
    guard let number = word.number() else { throw Mistake(text: expectation) }
    return number
  }
}
