import StopPlan

/// What a client of the control socket can say, one command a line (protocol version 1).
enum ControlCommand: Equatable {
  /// Something for the machine. `stop ID DEADLINE PLAN`: DEADLINE in nanoseconds of the monotonic clock, or `-` for the plan's grace from
  /// now; PLAN or `-` for the keeper's. `kill ID`: a stop with grace 0. `escalate ID`: skip to the next signal.
  case event(StopMachine.Event)
  /// `signal SIGNAL SCOPE`.
  case signal(Signal, StopPlan.Scope)
  /// `status`.
  case status
  /// `follow SEQ`: all events after that one, and those to come.
  case follow(Int64)

  /// Why a line is no command.
  struct Mistake: Error {
    var text: ByteView
  }

  init(line: ByteView) throws(Mistake) {
    var rest = line
    let name = rest.take(before: UInt8(ascii: " "))
    if name == "stop" || name == "kill" {
      self = .event(.stop(try Self.request(rest, isKill: name[0] == UInt8(ascii: "k"))))
    } else if name == "signal" {
      guard let signal = Signal(text: rest.take(before: UInt8(ascii: " "))) else { throw Mistake(text: "expected a signal") }
      guard let scope = StopPlan.Scope(text: rest) else { throw Mistake(text: "expected a scope: main, group, rest or tree") }
      self = .signal(signal, scope)
    } else if name == "escalate" {
      self = .event(.escalate(id: UInt64(bitPattern: try Self.number(rest, Self.needsID))))
    } else if name == "follow" {
      self = .follow(try Self.number(rest, "expected a sequence number"))
    } else if line == "status" {
      self = .status
    } else {
      throw Mistake(text: "expected: stop ID DEADLINE PLAN, kill ID, escalate ID, signal SIGNAL SCOPE, status, or follow SEQ")
    }
  }

  private static var needsID: ByteView { "expected a request's id, a whole number" }

  private static func request(_ text: ByteView, isKill: Bool) throws(Mistake) -> StopRequest {
    var rest = text
    var request = StopRequest(id: UInt64(bitPattern: try number(rest.take(before: UInt8(ascii: " ")), needsID)))
    if isKill { rest = "- KILL" }
    let deadline = rest.take(before: UInt8(ascii: " "))
    if !(deadline == "-") { request.deadline = Instant(nanoseconds: try number(deadline, "expected a deadline in nanoseconds, or -")) }
    // The plan is the rest of the line: its hooks may hold blanks.
    if !(rest == "-") {
      do throws(StopPlanError) {
        request.plan = try StopPlan(text: rest, grace: isKill ? .zero : nil)
      } catch {
        throw Mistake(text: ByteView(stringLiteral: error.expectation))
      }
    }
    return request
  }

  @inline(never)
  private static func number(_ word: ByteView, _ expectation: ByteView) throws(Mistake) -> Int64 {
    guard let number = word.number() else { throw Mistake(text: expectation) }
    return number
  }
}
