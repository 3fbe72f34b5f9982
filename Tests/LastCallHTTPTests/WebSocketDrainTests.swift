import Testing

@testable import LastCallHTTP

@Suite struct WebSocketDrainTests {
  @Test func theClientIsToldOnceAndTheConnectionEndsWithItsAnswer() {
    var machine = WebSocketDrain()
    #expect(machine.mayWrite(.data) == true)
    #expect(machine.handle(.drain) == .awaitMessage)
    #expect(machine.handle(.deadline) == .sendClose)
    #expect(machine.handle(.deadline) == nil)
    #expect(machine.handle(.drain) == nil)
    #expect(machine.handle(.received(.data)) == nil)
    #expect(machine.handle(.received(.close)) == .finish)
  }

  @Test func nothingFollowsTheClose() {
    var machine = WebSocketDrain()
    _ = machine.handle(.drain)
    _ = machine.handle(.deadline)
    #expect(machine.mayWrite(.data) == false)
    #expect(machine.mayWrite(.close) == false)
    #expect(machine.mayWrite(.control) == true)
  }

  @Test func theCloseGoesOutBehindTheAnswerToTheNextMessage() {
    var machine = WebSocketDrain()
    _ = machine.handle(.drain)
    #expect(machine.handle(.received(.data)) == nil)
    #expect(machine.mayWrite(.fragment) == true)
    #expect(machine.handle(.wrote(.fragment)) == nil)
    #expect(machine.mayWrite(.data) == true)
    #expect(machine.handle(.wrote(.data)) == .sendClose)
    #expect(machine.mayWrite(.data) == false)
  }

  @Test func theCloseGoesOutBehindTheLastOfSeveralAnswers() {
    var machine = WebSocketDrain()
    for _ in 0..<3 { _ = machine.handle(.received(.data)) }
    _ = machine.handle(.drain)
    #expect(machine.handle(.wrote(.data)) == nil)
    #expect(machine.handle(.wrote(.control)) == nil)
    #expect(machine.handle(.wrote(.data)) == nil)
    #expect(machine.handle(.wrote(.data)) == .sendClose)
  }

  @Test func aProgramThatNeverAnswersIsBounded() {
    var machine = WebSocketDrain()
    _ = machine.handle(.received(.data))
    #expect(machine.handle(.drain) == .awaitMessage)
    #expect(machine.handle(.deadline) == .awaitAnswer)
    #expect(machine.handle(.deadline) == .sendClose)
  }

  @Test func answersBeforeTheStopAreNoReasonToClose() {
    var machine = WebSocketDrain()
    _ = machine.handle(.received(.data))
    #expect(machine.handle(.wrote(.data)) == nil)
    #expect(machine.handle(.deadline) == nil)
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
