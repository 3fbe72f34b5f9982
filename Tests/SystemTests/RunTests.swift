import Foundation
import Linux
import StopPlan
import Testing

/// lastcall run, by its exit codes and what it does to the command.
@Suite struct RunTests {
  struct Case: Sendable {
    var arguments: [String]
    var code: UInt8

    init(_ arguments: String..., code: UInt8) {
      self.arguments = arguments
      self.code = code
    }
  }

  static let cases = [
    Case("--", "sh", "-c", "exit 4", code: 4),
    Case("--", "sh", "-c", "kill -KILL $$", code: 137),
    Case("--", "nosuch-command", code: 127),
    Case("--", "/etc/passwd", code: 126),
    Case("--stop", "TERM/x", "--", "true", code: 125),
    Case("--like", "dockr", "--", "true", code: 125),
    Case("--grace", "soon", "--", "true", code: 125),
    Case(code: 125),
    Case("--stop", "TERM", "--like", "docker", "--", "true", code: 125),
    Case("--timeout", "0.2", "--", "sleep", "100", code: 124),
    Case("--like", "timeout", "--grace", "0.5", "--timeout", "0.2", "--", "sh", "-c", "trap '' TERM; sleep 100", code: 137),
    Case("--timeout", "100", "true", code: 0),
    Case("--help", code: 0),
    Case("--like", "docker", "-h", code: 0),
    Case("--nope", "--", "true", code: 125),
    Case("--timeout", code: 125),
    // It ended in time; what it left needs longer.
    Case("--timeout", "0.5", "--", "sh", "-c", "(trap 'sleep 1; exit' TERM; while :; do sleep 0.1; done) & sleep 0.1; exit 3", code: 3),
  ]

  @Test(arguments: cases)
  func exitCodesAreDocumented(case: Case) async throws {
    let workspace = try Product.workspace()
    let run = try workspace.start(Product.path("lastcall"), ["run"] + `case`.arguments)
    #expect(await run.ended() == .code(`case`.code), "\(run.output)")
    await workspace.remove()
  }

  @Test func everyPlatformStopsAProgramThatBehaves() async throws {
    let workspace = try Product.workspace()
    for preset in Preset.all {
      let script = "trap 'echo told; exit 5' TERM INT QUIT; echo started; while :; do sleep 0.05; done"
      let run = try workspace.start(Product.path("lastcall"), ["run", "--like", preset.name, "--", "sh", "-c", script])
      try await run.says("started")
      run.send(.term)
      #expect(await run.ended() == .code(5), "\(preset.name): \(run.output)")
      #expect(run.output.contains("told"), "\(preset.name)")
    }
    await workspace.remove()
  }

  @Test func theHelpShowsTheEquivalentOfTimeout() async throws {
    let workspace = try Product.workspace()
    let run = try workspace.lastcall("run", "--help")
    _ = await run.ended()
    #expect(run.output.contains("timeout -s 15 -k 10 3 cmd"), "\(run.output)")
    await workspace.remove()
  }

  @Test(arguments: ["timeout", "supervisord"])
  func whatAPlatformLeavesAloneIsLeftAlone(platform: String) async throws {
    let workspace = try Product.workspace()
    let script = "trap '' TERM; setsid sleep 1000 & echo $! >left; echo started; while :; do sleep 0.05; done"
    let run = try workspace.start(
      Product.path("lastcall"), ["run", "--like", platform, "--grace", "0.3", "--timeout", "0.3", "--", "sh", "-c", script])
    #expect(await run.ended() == .code(137), "\(run.output)")
    let text = try String(contentsOfFile: workspace.directory + "/left", encoding: .utf8)
    let left = try #require(Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)))
    #expect(ProcessRecord(pid: left)?.isZombie == false)
    kill(left, SIGKILL)
    await workspace.remove()
  }

  @Test func signalsAreListed() async throws {
    let workspace = try Product.workspace()
    let run = try workspace.lastcall("signals", "-o", "json")
    #expect(await run.ended() == .code(0))
    let rows = try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [[String: Any]]
    #expect(rows?.count == 64)
    #expect(rows?[14]["name"] as? String == "TERM")
    await workspace.remove()
  }
}
