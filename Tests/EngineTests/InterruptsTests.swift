import StopPlan
import Testing

@testable import Engine

@Suite struct InterruptsTests {
  private func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: 1_000_000_000 + milliseconds * 1_000_000) }

  @Test func copiesAreNoInterruptsOfTheirOwn() {
    var interrupts = Interrupts()
    // One wrapper around another: each passes it on. Who interrupts again and again is heard.
    let ownAndCopies = [(true, 0), (false, 3), (false, 400), (false, 600), (false, 899), (false, 1399)].map { fromTerminal, moment in
      interrupts.came(fromTerminal: fromTerminal, at: at(moment))
    }
    #expect(ownAndCopies == [true, false, false, true, false, true])
  }

  @Test func theTerminalSendsNoCopies() {
    var interrupts = Interrupts()
    let own = (0...5).map { moment in interrupts.came(fromTerminal: true, at: at(moment)) }
    #expect(own == Array(repeating: true, count: 6))
  }
}
