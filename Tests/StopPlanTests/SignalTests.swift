import StopPlan
import Testing

@Suite struct SignalTests {
  @Test func everyNumberHasANameThatReadsBack() {
    for number in Int32(1)...64 {
      let signal = Signal(number: number)
      #expect(signal != nil)
      if let signal { #expect(Signal(signal.name) == signal, "\(signal.name)") }
    }
    #expect(Signal(number: 0) == nil)
    #expect(Signal(number: 65) == nil)
  }

  @Test(arguments: [
    ("TERM", 15), ("SIGTERM", 15), ("term", 15), ("sigkill", 9), ("9", 9), ("64", 64), ("RTMIN", 34), ("RTMIN+1", 35), ("SIGRTMIN+30", 64),
    ("RTMAX", 64), ("RTMAX-30", 34), ("CLD", 17), ("POLL", 29), ("IOT", 6), ("VTALRM", 26), ("STKFLT", 16), ("SYS", 31),
  ])
  func readsEveryForm(name: String, number: Int32) {
    #expect(Signal(name)?.number == number)
  }

  @Test(arguments: [
    "", "SIG", "TER", "TERMX", "0", "65", "-15", "RTMIN+31", "RTMIN-1", "RTMAX+1", "RTMINx", "SIGSIGTERM", " TERM", "TERM ", "Ŧerm",
  ])
  func refusesWhatIsNoSignal(name: String) {
    #expect(Signal(name) == nil)
  }

  @Test func defaultActionsAreThoseOfSignal7() {
    let expected: [(String, Signal.DefaultAction)] = [
      ("HUP", .terminate), ("QUIT", .core), ("SEGV", .core), ("CHLD", .ignore), ("CONT", .continue), ("STOP", .stop), ("TSTP", .stop),
      ("URG", .ignore), ("XCPU", .core), ("WINCH", .ignore), ("PWR", .terminate), ("SYS", .core), ("RTMIN", .terminate),
      ("STKFLT", .terminate),
    ]
    for (name, action) in expected { #expect(Signal(name)?.defaultAction == action, "\(name)") }
  }

  @Test func numbersDifferPerArchitecture() {
    #expect(Signal("USR1")?.number(on: .mips) == 16)
    #expect(Signal("USR1")?.number(on: .alphaSparc) == 30)
    #expect(Signal("CHLD")?.number(on: .parisc) == 18)
    #expect(Signal("STKFLT")?.number(on: .mips) == nil)
    #expect(Signal("TERM")?.number(on: .generic) == 15)
    for architecture in Signal.Architecture.allCases {
      var seen: Set<Int32> = []
      for number in Int32(1)...31 {
        guard let there = Signal(number: number)?.number(on: architecture) else { continue }
        #expect(seen.insert(there).inserted, "\(number) on \(architecture)")
      }
    }
  }

  @Test func statusesDecodeAsWaitSaysThem() {
    #expect(ExitStatus(waitStatus: 3 << 8) == .code(3))
    #expect(ExitStatus(waitStatus: 15) == .signal(.term, core: false))
    #expect(ExitStatus(waitStatus: 0x80 | 3) == .signal(.quit, core: true))
    #expect(ExitStatus(waitStatus: 0x137f) == nil)
    #expect(ExitStatus.signal(.kill, core: false).shellCode == 137)
    #expect(ExitStatus.code(255).shellCode == 255)
  }

  @Test func rewriteReplacesAndDrops() {
    var rewrite = Rewrite()
    #expect(rewrite.apply(to: .term) == .term)
    rewrite.set(.term, to: .int)
    rewrite.set(.hup, to: nil)
    #expect(rewrite.apply(to: .term) == .int)
    #expect(rewrite.apply(to: .hup) == nil)
    #expect(rewrite.apply(to: .usr1) == .usr1)
  }
}
