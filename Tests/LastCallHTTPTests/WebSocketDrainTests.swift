import Testing

@testable import LastCallHTTP

@Suite struct WebSocketDrainTests {
  @Test func theClientIsToldOnceAndTheConnectionEndsWithItsAnswer() {
    var machine = WebSocketDrain()
    #expect(machine.mayWrite(.data) == true)
    #expect(machine.handle(.drain) == .sendClose)
    #expect(machine.handle(.drain) == nil)
    #expect(machine.handle(.received(.data)) == nil)
    #expect(machine.handle(.received(.close)) == .finish)
  }

  @Test func nothingFollowsTheClose() {
    var machine = WebSocketDrain()
    _ = machine.handle(.drain)
    #expect(machine.mayWrite(.data) == false)
    #expect(machine.mayWrite(.close) == false)
    #expect(machine.mayWrite(.control) == true)
  }

  @Test func aCloseOfTheProgramIsNotFollowedByAnother() {
    var machine = WebSocketDrain()
    #expect(machine.mayWrite(.close) == true)
    #expect(machine.mayWrite(.data) == false)
    #expect(machine.handle(.drain) == nil)
    #expect(machine.handle(.received(.close)) == .finish)
  }

  @Test func aCloseOfTheClientIsAnsweredByTheProgram() {
    var machine = WebSocketDrain()
    #expect(machine.handle(.received(.close)) == nil)
    #expect(machine.handle(.drain) == nil)
    #expect(machine.mayWrite(.close) == true)
  }

  @Test func aClientThatEndsItsSideIsDone() {
    var machine = WebSocketDrain()
    #expect(machine.handle(.inputClosed) == nil)
    _ = machine.handle(.drain)
    #expect(machine.handle(.inputClosed) == .finish)
  }
}
