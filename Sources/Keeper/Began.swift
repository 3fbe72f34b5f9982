import CLinux
import Linux
import StopPlan

/// `lastcall-init began [TIME [PID]]`: run as a preStop hook it tells the keeper that the stop has begun, and waits out its pause.
enum Began {
  /// How long the keeper has for its answer.
  private static var answerBound: TimeSpan { .seconds(5) }

  /// - Parameter arguments: what follows `began`.
  /// - Returns: the exit code.
  static func run(_ arguments: CStrings, _ signals: Signals) -> UInt8 {
    var left = TimeSpan.zero
    var keeper: Int32 = 1
    if let time = arguments[0] {
      guard let span = TimeSpan(text: ByteView(time)), span > .zero else { return usage() }
      left = span
      if let pid = arguments[1] {
        guard let number = ByteView(pid).number(limit: Int64(Int32.max)), number > 0, arguments[2] == nil else { return usage() }
        keeper = Int32(truncatingIfNeeded: number)
      }
    }
    var isAnswered = false
    var end = Clock.now + answerBound
    while Clock.now < end {
      if !isAnswered {
        do throws(SystemError) { try Announcement(left: left).send(to: keeper) } catch {
          Diagnostics.say("the stop cannot be announced", "", error)
          return 1
        }
      }
      // Of several hooks' at once the kernel may have kept one: it is said again.
      guard let arrival = signals.wait(until: isAnswered ? end : Clock.now + .milliseconds(500)) else { continue }
      if let value = arrival.value, arrival.sender == keeper, let answer = Announcement(value: value), answer.isAnswer {
        isAnswered = true
        end = Clock.now + answer.left
      } else if arrival.signal.defaultAction == .terminate {
        return ExitStatus.signal(arrival.signal, core: false).shellCode
      }
    }
    if isAnswered { return 0 }
    Diagnostics.say("no answer: that process is no lastcall-init")
    return 1
  }

  private static func usage() -> UInt8 {
    Diagnostics.say("usage: lastcall-init began [TIME [PID]], TIME as 30 or 500ms")
    return 2
  }
}
