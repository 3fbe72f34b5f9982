import LastCallHTTP
import LastCallHummingbird
import Testing
import Wire

@Suite(.timeLimit(.minutes(10))) struct SlowClientTests {
  /// A response that is written whole and that the kernel has not taken is in flight, however long its client takes, and also when the client
  /// has ended its side.
  @Test(arguments: [false, true]) func aLongResponseIsNotCutByTheDrain(clientEnds: Bool) async throws {
    let short = DrainLimits.ample.with(\.linger, .milliseconds(20)).with(\.readOff, .milliseconds(20)).with(\.lastLook, .zero)
    let subject = try Subject.ours(short)
    let idle = try subject.connect()
    #expect(try await blocking { try idle.get("/") }.text == "ok\n")
    let slow = try subject.connect()
    try slow.send("GET /big HTTP/1.1\r\nHost: test\r\n\r\n")
    #expect(try await blocking { try slow.readHead() }.status == 200)
    if clientEnds { slow.shutdownOutput() }
    await subject.stop()
    // The bounds of an idle connection have passed.
    await subject.recorder.sees(1, .closed)
    #expect(try await blocking { try slow.readToEnd() }.count == bigBody)
    slow.close()
    idle.close()
    try await subject.running.value
  }

  /// Time limits and clients of other services throw it too; only of a connection that was cut nobody is left to answer.
  @Test func aCancellationErrorIsAnErrorLikeAnyOther() async throws {
    let subject = try Subject.ours()
    let client = try subject.connect()
    #expect(try await blocking { try client.get("/cancelled") }.status == 500)
    #expect(try await blocking { try client.get("/") }.text == "ok\n")
    client.close()
    await subject.stop()
    try await subject.running.value
  }
}
