import StopPlan
import Testing

@Suite struct OrphanDuringLookTests {
  /// Its parent died while the look was taken: the parent's list was gone already, ours was read before it came to us.
  @Test func aProcessThatALookHasMissedIsToldAfterTheNext() {
    let main = ProcessIdentity(pid: 100, startTime: 1)
    let orphan = ProcessIdentity(pid: 101, startTime: 2)
    var machine = StopMachine(StopMachine.Settings(plan: .standard(grace: .seconds(8))))
    let now = Instant(nanoseconds: 0)
    _ = machine.handle(.signal(.term, value: nil, fromTerminal: false), at: now)
    let member = ProcessRecord(identity: main, state: UInt8(ascii: "S"), group: 100)
    _ = machine.handle(.observed(Observation(members: [member], mainGroup: 100, newestPid: 101, mainCannotAct: true)), at: now)
    let missed = machine.handle(.observed(Observation(members: [], mainGroup: 100, newestPid: 101, mainCannotAct: false)), at: now)
    #expect(missed.contains(.observe(wholeTree: true)))
    let other = ProcessRecord(identity: orphan, state: UInt8(ascii: "S"), group: 100)
    let found = machine.handle(.observed(Observation(members: [other], mainGroup: 100, newestPid: 101, mainCannotAct: false)), at: now)
    #expect(found.contains(.send(.term, orphan)))
  }
}
