import Foundation
import StopPlan
import Testing

/// What is wrong is said with its place and its remedy, and nothing is left running.
@Suite struct WrongInputTests {
  @Test(arguments: [
    ("    replicsa: 3", "lastcall.yaml:4:5: apps.web.replicsa: unknown key \"replicsa\"; did you mean \"replicas\"?"),
    ("    stop: { plan: TERM/25/KIL }", "lastcall.yaml:4:27: apps.web.stop.plan: expected a signal"),
    ("    directory: ./missing", "does not exist; make it, or name another"),
    ("    replicas: three", "lastcall.yaml:4:15: apps.web.replicas: expected"),
    ("    live: { htpt: / }", "did you mean \"http\"?"),
    ("    listen: { port: 8080, via: socket }\n    ready: { tcp: true }", "apps.web.ready"),
  ])
  func aWrongFileIsRefusedBeforeAnythingStarts(line: String, words: String) async throws {
    let workspace = try Product.workspace()
    try workspace.write("lastcall.yaml", "apps:\n  web:\n    command: [touch, started]\n" + line + "\n")
    for command in ["up", "validate"] {
      let run = try workspace.lastcall(command)
      let status = await run.ended()
      #expect(status == .code(2), "\(run.output)")
      #expect(run.output.contains(words), "\(run.output)")
    }
    #expect(!FileManager.default.fileExists(atPath: workspace.directory + "/started"))
    await workspace.remove()
  }

  @Test func aCommandThatIsNotThereIsRefused() async throws {
    let workspace = try Product.workspace()
    try workspace.write("lastcall.yaml", "apps:\n  a:\n    command: [touch, started]\n  web:\n    command: [./nosuch]\n")
    let up = try workspace.lastcall("up")
    let status = await up.ended()
    #expect(status == .code(2))
    #expect(up.output.contains("apps.web.command: command not found: ./nosuch (looked at"), "\(up.output)")
    #expect(!FileManager.default.fileExists(atPath: workspace.directory + "/started"))
    await workspace.remove()
  }

  @Test func aTakenPortIsNamed() async throws {
    let workspace = try Product.workspace()
    // The kernel chooses: a port that was free a moment ago may be somebody else's.
    let script = """
      import signal, socket
      listener = socket.create_server(("127.0.0.1", 0))
      print("port", listener.getsockname()[1], "is taken", flush=True)
      signal.pause()
      """
    let other = try workspace.start("/usr/bin/python3", ["-c", script])
    try await other.says("is taken")
    let port = try #require(other.output.split(separator: " ").dropFirst().first.flatMap { Int($0) })
    try workspace.write("lastcall.yaml", "apps:\n  web:\n    command: [touch, started]\n    listen: { port: \(port), via: socket }\n")
    let up = try workspace.lastcall("up")
    let status = await up.ended()
    #expect(status == .code(1))
    #expect(up.output.contains("cannot listen on 127.0.0.1:\(port): Address already in use"), "\(up.output)")
    #expect(!FileManager.default.fileExists(atPath: workspace.directory + "/started"))
    other.send(.kill)
    _ = await other.ended()
    await workspace.remove()
  }

  @Test func withoutAnEngineTheRemedyIsNamed() async throws {
    let workspace = try Product.workspace()
    try workspace.write("lastcall.yaml", "apps:\n  web:\n    command: [sleep, 100]\n")
    for command in ["ps", "restart", "stop", "down"] {
      let run = try workspace.lastcall(command)
      let status = await run.ended()
      #expect(status == .code(3))
      #expect(run.output.contains("no engine runs for lastcall.yaml; start it with: lastcall up"), "\(run.output)")
    }
    let missing = try workspace.lastcall("ps", "-f", "none.yaml")
    #expect(await missing.ended() == .code(2))
    await workspace.remove()
  }

  @Test func wrongOptionsAreExitCode2() async throws {
    let workspace = try Product.workspace()
    for arguments in [["bogus"], ["ps", "--bogus"], ["events", "-n", "0"]] {
      let run = try workspace.start(Product.path("lastcall"), arguments)
      #expect(await run.ended() == .code(2), "\(arguments): \(run.output)")
    }
    await workspace.remove()
  }
}
