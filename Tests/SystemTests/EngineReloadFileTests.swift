import Foundation
import Linux
import StopPlan
import Testing

/// What stays as it was: with a file that has a mistake everything, over an engine's death the end of a stop.
@Suite(.serialized) struct EngineReloadFileTests {
  private struct Row: Decodable {
    var state: String
    var message: String
  }

  /// Fourth lines of a file, and what is said of them.
  static let mistakes = [
    ("    comand: [x]", "4:5: apps.web.comand: unknown key"),
    ("    update: { settle: soon }", "4:23: apps.web.update.settle: expected a length of time"),
    ("    update: { settle: 0s", "5:6: this is not YAML"),
  ]

  private func file(line: String = "    update: { settle: 0s }", seconds: Int) -> String {
    "apps:\n  web:\n    command: [sleep, '1000']\n\(line)\n  api:\n    command: [sleep, '\(seconds)']\n    update: { settle: 0s }\n"
  }

  private func pids(_ test: LifecycleCase) async throws -> [String: Int32] {
    Dictionary(uniqueKeysWithValues: try await test.workspace.rows().map { ($0.name, $0.pid ?? 0) })
  }

  /// Not even what is right in it is carried out, neither now nor, as something left over, with the file that is right again.
  @Test(arguments: mistakes)
  func aFileWithAMistakeIsSaidToHaveItThereAndChangesNothing(line: String, place: String) async throws {
    let test = try LifecycleCase(stop: "grace: 30s")
    try test.workspace.write("lastcall.yaml", file(seconds: 1000))
    let up = try test.workspace.lastcall("up")
    try await up.says("RolloutComplete", times: 2)
    let before = try await pids(test)
    #expect(Set(before.keys) == ["web-1", "api-1"])
    try test.workspace.write("lastcall.yaml", file(line: line, seconds: 2000))
    up.send(.hup)
    try await up.says("ReloadFailed")
    let event = try await test.event("ReloadFailed")
    #expect(event.message.hasPrefix("nothing is changed: lastcall.yaml:\(place)"), "\(event)")
    #expect(event.kind == "Warning" && event.replica == nil, "\(event)")
    #expect(try await pids(test) == before)
    #expect(try await test.events().count { $0.reason == "RolloutBegan" } == 2)
    try test.workspace.write("lastcall.yaml", file(seconds: 2000))
    up.send(.hup)
    try await up.says("lastcall.yaml was read again and is carried out")
    let after = try await pids(test)
    #expect(Set(after.keys) == ["web-1", "api-2"])
    #expect(after["web-1"] == before["web-1"])
    let events = try await test.events()
    #expect(events.count { $0.reason == "RolloutBegan" } == 3 && events.count { $0.reason == "ReloadFailed" } == 1, "\(events)")
    await test.down(up)
  }

  /// With the grace begun anew it would end at 18 s at the earliest, with the declared one, where a shorter was asked for, much later. The
  /// lower bound of that is `EngineRecoveryTests.aStopThatWasUnderWayGoesOnWithTheBudgetItHadLeft`.
  @Test(arguments: [("grace: 12s", []), ("grace: 400s", ["-t", "12"])] as [(String, [String])])
  func aStopOfADeadEngineEndsWhenItWasToEnd(declared: String, options: [String]) async throws {
    let test = try LifecycleCase(stop: declared, main: "deaf")
    let up = try await test.up()
    let main = try test.pid("main")
    let stop = try test.workspace.start(Product.path("lastcall"), ["stop"] + options + ["web"])
    try await test.until("TERM main")
    let began = try await test.event("Killing", "Stopping replica web-1").at
    up.send(.kill)
    _ = await up.ended()
    _ = await stop.ended()
    #expect(try await eventually { LifecycleCase.now - began >= 6 })
    let again = try test.workspace.lastcall("up")
    try await again.says("Recovered")
    // On a slow machine it may have ended by now.
    let rows = try JSONDecoder().decode([Row].self, from: Data(try await test.lastcall("ps", "-o", "json").utf8))
    for row in rows where row.state == "Terminating" {
      #expect(row.message.hasSuffix(" s of grace left"), "\(row)")
      let left = try #require(Double(row.message.prefix { $0 != " " }), "\(row)")
      #expect(left < 6.5)
    }
    #expect(try await eventually { ProcessRecord(pid: main)?.isZombie ?? true })
    let died = LifecycleCase.now - began
    try await again.says("nothing of web runs any more")
    let killed = try await test.event("Killing", "KILL for what is left").at - began
    let exited = try await test.event("Exited", "web-1 was ended by KILL").at - began
    for moment in [died, killed, exited] { #expect(moment > 11 && moment < 17, "died \(died), killed \(killed), exited \(exited)") }
    #expect(try await test.events().count { $0.message == "Stopping replica web-1" } == 1)
    await test.down(again)
  }
}
