import Foundation
import Linux
import StopPlan
import Testing

/// Who is started again when it has ended, and who is not; and what is said of a revision that never gets ready.
@Suite(.serialized) struct EngineRestartPolicyTests {
  private struct Row: Decodable {
    var name: String
    var state: String
    var reason: String
  }

  private func rows(_ test: LifecycleCase) async throws -> [Row] {
    try JSONDecoder().decode([Row].self, from: Data(try await test.lastcall("ps", "-o", "json").utf8))
  }

  private func shows(_ test: LifecycleCase, _ state: String, _ reason: String) async throws -> Bool {
    let rows = try await rows(test)
    return rows.map(\.name) == ["web"] && rows.map(\.state) == [state] && rows.map(\.reason) == [reason]
  }

  /// A service that writes down each of its runs, and exits with the code that `end` gives it.
  private func service(policy: String) throws -> LifecycleCase {
    let test = try LifecycleCase(stop: "grace: 30s")
    let script = "echo run >>runs; until [ -e code ]; do sleep 0.02; done; read code <code; rm code; exit $$code"
    let more = "    restart: { policy: \(policy), backoff: 10ms..100ms }\n    update: { settle: 0s }\n"
    try test.workspace.write("lastcall.yaml", Workspace.sleeper(more, script: script))
    return test
  }

  private func end(_ test: LifecycleCase, with code: Int) throws { try test.workspace.write("code", "\(code)\n") }

  /// Stops everything, and checks that no more runs have begun until then than were to.
  private func down(_ test: LifecycleCase, _ up: Running, runs: Int) async {
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    let text = try? String(contentsOfFile: test.workspace.directory + "/runs", encoding: .utf8)
    #expect(text == String(repeating: "run\n", count: runs))
    await test.workspace.remove()
  }

  /// A good end is for good: no deploy that changes nothing starts it again, and no next engine.
  @Test func onFailureAFailureIsStartedAgainAndAGoodEndIsNot() async throws {
    let test = try service(policy: "on-failure")
    let up = try await test.up()
    try end(test, with: 1)
    try await up.says("web-2 is ready")
    #expect(try await test.event("Exited", "web-1 exited with 1").kind == "Warning")
    let pause = try await test.event("BackOff")
    #expect(pause.replica == "web-1" && pause.message.hasPrefix("web-1 ended by itself; a new replica starts in "), "\(pause)")
    #expect(try await !test.has("NotReplaced"))
    try end(test, with: 0)
    try await up.says("NotReplaced")
    #expect(try await eventually { try await shows(test, "Succeeded", "Completed") })
    let exited = try await test.event("Exited", "web-2")
    #expect(exited.kind == "Normal" && exited.message == "web-2 ended", "\(exited)")
    let last = try await test.event("NotReplaced")
    #expect(last.kind == "Normal" && last.replica == "web-2" && last.message == "web-2 is not started again: it ended well", "\(last)")
    #expect(try await test.events().count { $0.reason == "BackOff" } == 1)
    try await test.lastcall("deploy")
    #expect(try await shows(test, "Succeeded", "Completed"))
    up.send(.kill)
    _ = await up.ended()
    let again = try test.workspace.lastcall("up")
    #expect(try await eventually { (try? await test.workspace.rows().map(\.state)) == ["Succeeded"] }, "\(again.output)")
    #expect(try await shows(test, "Succeeded", "Completed"))
    await down(test, again, runs: 2)
  }

  /// A failure that is not started again has failed for good, and whoever waits for the app is told so.
  @Test func withNeverAFailureIsForGood() async throws {
    let test = try service(policy: "never")
    let up = try await test.up()
    try end(test, with: 1)
    try await up.says("NotReplaced")
    #expect(try await eventually { try await shows(test, "Failed", "NotRestarted") })
    let last = try await test.event("NotReplaced")
    #expect(last.message == "web-1 is not started again: its exit code or the restart policy says so", "\(last)")
    #expect(try await test.event("Failed").kind == "Warning")
    #expect(try await !test.has("BackOff"))
    let deploy = try await test.lastcall("deploy", code: 1)
    #expect(deploy.contains("web has failed and is not started again"), "\(deploy)")
    await down(test, up, runs: 1)
  }

  /// What it wrote last says why, though it has not ended.
  @Test func aRevisionThatNeverGetsReadySaysWhatItWroteLast() async throws {
    let test = try LifecycleCase(stop: "grace: 30s")
    func declare(_ script: String, ready: String) throws {
      let update = "    update: { surge: 1, unavailable: 0, settle: 0s, deadline: 5s }\n"
      let more = "    ready: { exec: [test, -e, \(ready)], every: 20ms }\n" + update
      try test.workspace.write("lastcall.yaml", Workspace.sleeper(more, script: script + "; sleep 1000"))
    }
    try test.touch("old-is-ready")
    try declare("echo old", ready: "old-is-ready")
    let up = try await test.up()
    let before = try await test.workspace.rows().map(\.pid)
    try declare("for i in 1 2 3 4; do echo step $$i; done; echo cannot reach the database", ready: "never-ready")
    let deploy = try await test.lastcall("deploy", code: 1)
    let why = "web-2 was not ready within 5 s; it wrote last: step 3 | step 4 | cannot reach the database; the old replicas go on"
    #expect(deploy.contains(why), "\(deploy)")
    let event = try await test.event("RolloutUndone")
    #expect(event.kind == "Warning" && event.message == why, "\(event)")
    #expect(try await test.lastcall("rollout", "history").contains("undone: \(why)"))
    // The new one goes, and the old one is as it was.
    #expect(try await eventually { try await rows(test).map(\.name) == ["web-1"] })
    let left = try await rows(test)
    #expect(left.map(\.state) == ["Ready"] && left.map(\.reason) == ["Serving"], "\(left)")
    #expect(try await test.workspace.rows().map(\.pid) == before)
    await test.down(up)
  }
}
