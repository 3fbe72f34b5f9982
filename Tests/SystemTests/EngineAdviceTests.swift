import Foundation
import Testing

/// What `describe` and `ps` say of an app that is declared or goes wrong: that its grace does not fit, that it fails again and again.
@Suite(.serialized) struct EngineAdviceTests {
  private struct Stops: Decodable {
    var count: Int
    var killed: Int
    var p99: Double
    var advice: String?
  }

  private struct Description: Decodable {
    var state: String
    var reason: String
    var message: String
    var stops: Stops?
  }

  private struct Row: Decodable {
    var name: String
    var state: String
    var reason: String
    var message: String
  }

  private func description(_ test: LifecycleCase) async throws -> Description {
    let text = try await test.lastcall("describe", "-o", "json", "web")
    return try #require(try JSONDecoder().decode([Description].self, from: Data(text.utf8)).first, "\(text)")
  }

  private func row(_ test: LifecycleCase) async throws -> Row {
    let text = try await test.lastcall("ps", "-o", "json")
    return try #require(try JSONDecoder().decode([Row].self, from: Data(text.utf8)).first, "\(text)")
  }

  @Test func stopsThatWereKilledAreSaid() async throws {
    let test = try LifecycleCase(stop: "grace: 1s", main: "deaf")
    let up = try await test.up()
    try await test.lastcall("stop", "web")
    let stops = try #require(try await description(test).stops)
    #expect(stops.count == 1 && stops.killed == 1)
    let advice = "1 of 1 stops ended by KILL: the grace of 1 s is too short, or the program does not end by its stop signal"
    #expect(stops.advice == advice)
    let shown = try await test.lastcall("describe", "web")
    #expect(shown.contains("stops      1, p50 ") && shown.contains(", 1 by KILL\n"), "\(shown)")
    #expect(shown.contains(advice), "\(shown)")
    await test.down(up)
  }

  /// Stops count against the grace that is declared now, whatever it was when they were.
  @Test func stopsThatNearlyUseUpTheGraceAreSaid() async throws {
    let test = try LifecycleCase(stop: "grace: 100s", main: "life=2")
    let up = try await test.up()
    try await test.lastcall("stop", "web")
    let before = try #require(try await description(test).stops)
    #expect(before.count == 1 && before.p99 >= 2)
    #expect(before.advice == nil)
    try test.declare(stop: "grace: 2s")
    try await test.lastcall("deploy", "web")
    let after = try #require(try await description(test).stops)
    #expect(after.count == 1 && after.killed == 0)
    let advice = try #require(after.advice)
    #expect(advice.hasPrefix("stops take up to "), "\(advice)")
    #expect(advice.hasSuffix(" of the grace of 2 s: too close; raise it to \(Int((after.p99 * 2).rounded(.up))) s"), "\(advice)")
    #expect(try await test.lastcall("describe", "web").contains(advice))
    await test.down(up)
  }

  /// From twenty stops on, since a few tell nothing of the slowest.
  @Test func aGraceThatIsFarTooLongIsSaid() async throws {
    let test = try LifecycleCase(stop: "grace: 600s")
    try test.workspace.write(
      "lastcall.yaml", Workspace.sleeper("    replicas: 19\n    stop: { grace: 600s }\n    update: { settle: 0s }\n"))
    let up = try await test.up()
    try await test.lastcall("stop", "web")
    let before = try #require(try await description(test).stops)
    #expect(before.count == 19)
    #expect(before.advice == nil)
    try await test.lastcall("scale", "web=1")
    try await test.lastcall("stop", "web")
    let after = try #require(try await description(test).stops)
    #expect(after.count == 20 && after.killed == 0)
    let advice = try #require(after.advice)
    #expect(advice.hasPrefix("nearly all stops end within "), "\(advice)")
    let enough = max(5, Int((after.p99 * 4).rounded(.up)))
    #expect(advice.hasSuffix(": a grace of 600 s only delays what hangs; \(enough) s would do"), "\(advice)")
    #expect(try await test.lastcall("describe", "web").contains(advice))
    await test.down(up)
  }

  /// Its pauses double, so that sooner or later one of them is long enough to be seen on any machine.
  @Test func whatFailsAgainAndAgainIsInACrashLoop() async throws {
    let test = try LifecycleCase(stop: "grace: 30s")
    let more = "    restart: { backoff: 100ms..100s }\n    ready: { exec: [test, -e, fixed], every: 20ms }\n    update: { settle: 0s }\n"
    let script = "echo no database; test -e fixed || exit 3; exec sleep 1000"
    try test.workspace.write("lastcall.yaml", Workspace.sleeper(more, script: script))
    let up = try test.workspace.lastcall("up")
    try await up.says("web-1 exited with 3; it wrote last: no database")
    let isCrashLooping = try await eventually {
      let row = try await row(test)
      guard row.reason == "BackOff" else { return false }
      // Two failures are none yet.
      let failures = try #require(Int(row.message.prefix { $0.isNumber }), "\(row)")
      #expect(row.state == (failures > 2 ? "CrashLoop" : "Pending"), "\(row)")
      #expect(row.name == "web" && row.message.contains(" failed in a row; the next starts in ") && row.message.hasSuffix(" s"), "\(row)")
      return row.state == "CrashLoop"
    }
    #expect(isCrashLooping, "\(up.output)")
    let isSaid = try await eventually {
      let description = try await description(test)
      return description.state == "CrashLoop" && description.reason == "BackOff"
        && description.message.contains(" failed in a row; the next starts in ")
    }
    #expect(isSaid, "\(up.output)")
    let pauses = try await test.events().filter { $0.reason == "BackOff" }
    #expect(pauses.count >= 3 && pauses.allSatisfy { $0.kind == "Warning" })
    #expect(pauses.first?.message.hasPrefix("web-1 ended by itself; a new replica starts in ") == true)
    #expect(pauses.prefix(3).map(\.replica) == ["web-1", "web-2", "web-3"])
    try test.touch("fixed")
    try await up.says("RolloutComplete")
    let shown = try await row(test)
    #expect(shown.state == "Ready" && shown.reason == "Serving", "\(shown)")
    #expect(try await description(test).state == "Running")
    await test.down(up)
  }
}
