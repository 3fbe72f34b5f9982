import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// A replica's life under the engine: beside whom it runs, whether it still works, as whom, and what its end means.
@Suite(.serialized) struct EngineLifecycleTests {
  private func until(_ workspace: Workspace, _ what: String, _ text: String) async throws -> String {
    var found = ""
    let came = try await eventually {
      let run = try workspace.lastcall(what)
      _ = await run.ended()
      found = run.output
      return found.contains(text)
    }
    if !came { Issue.record("\"\(text)\" did not come in:\n\(found)") }
    return found
  }

  private func order(_ text: String, _ parts: [String]) {
    var rest = text[...]
    for part in parts {
      guard let range = rest.range(of: part) else {
        Issue.record("\"\(part)\" is missing, or not in its place, in:\n\(text)")
        return
      }
      rest = rest[range.upperBound...]
    }
  }

  /// Kubernetes: "should terminate sidecars in reverse order after all main containers have exited" and "should call sidecar container
  /// PreStop hook simultaneously" (test/e2e_node/container_lifecycle_test.go).
  @Test func sidecarsStartBeforeAndStopAfterInReverse() async throws {
    let workspace = try Product.workspace()
    try workspace.write(
      "part.sh",
      """
      echo "start $1" >> trace
      [ "$1" = main ] || touch "ready-$1"
      trap 'echo "told $1" >> trace; sleep 0.2; echo "end $1" >> trace; exit 0' TERM
      while :; do sleep 0.02; done
      """)
    try workspace.write(
      "lastcall.yaml",
      """
      apps:
        web:
          command: [sh, part.sh, main]
          update: { settle: 0s }
          stop: { plan: TERM/20/KILL, grace: 20s }
          sidecars:
            - name: one
              command: [sh, part.sh, one]
              ready: { exec: [test, -e, ready-one], every: 20ms }
              stop: { preStop: { exec: [sh, -c, 'echo "hook one" >> trace'] } }
            - name: two
              command: [sh, part.sh, two]
              ready: { exec: [test, -e, ready-two], every: 20ms }
              stop: { preStop: { exec: [sh, -c, 'echo "hook two" >> trace'] } }
      """)
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    // The shell of the main program has its trap once it has written.
    #expect(
      try await eventually {
        (try? String(contentsOfFile: workspace.directory + "/trace", encoding: .utf8))?.contains("start main") == true
      })
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    let trace = try String(contentsOfFile: workspace.directory + "/trace", encoding: .utf8)
    order(trace, ["start one", "start two", "start main", "told main", "end main", "told two", "end two", "told one", "end one"])
    for hook in ["hook one", "hook two"] { order(trace, ["start main", hook, "told two"]) }
    await workspace.remove()
  }

  @Test func aSidecarThatDiesIsStartedAgainAndSurvivesTheEngine() async throws {
    let workspace = try Product.workspace()
    try workspace.write(
      "lastcall.yaml",
      """
      apps:
        web:
          command: [sleep, '1000']
          update: { settle: 0s }
          restart: { backoff: 10ms..1s }
          sidecars:
            - { name: mesh, command: [sleep, '2000'] }
      """)
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    let killed = try workspace.start("/usr/bin/pkill", ["-KILL", "-f", "^sleep 2000$"])
    _ = await killed.ended()
    try await up.says("mesh of web-1 ended by itself")
    try await up.says("web-1-mesh-2 started")
    up.send(.kill)
    _ = await up.ended()
    let again = try workspace.lastcall("up")
    try await again.says("Recovered")
    again.send(.int)
    #expect(await again.ended() == .code(0), "\(again.output)")
    let left = try workspace.start("/usr/bin/pgrep", ["-f", "lastcall-keeper \(workspace.directory)"])
    _ = await left.ended()
    #expect(left.output.isEmpty)
    await workspace.remove()
  }

  @Test func aReplicaThatFailsItsLivenessCheckIsReplaced() async throws {
    let workspace = try Product.workspace()
    try workspace.write("well", "")
    try workspace.write(
      "lastcall.yaml",
      Workspace.sleeper(
        """
            live: { exec: [test, -e, well], every: 20ms, failures: 2 }
            update: { settle: 0s }
            restart: { backoff: 10ms..100ms }

        """))
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    try FileManager.default.removeItem(atPath: workspace.directory + "/well")
    try await up.says("fails its liveness check")
    try await up.says("Stopping replica web-1")
    try workspace.write("well", "")
    try await up.says("web-2 is ready")
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  @Test func whatReplicasAreGivenCanBeInTheirCommands() async throws {
    let workspace = try Product.workspace()
    try workspace.write(
      "lastcall.yaml",
      """
      apps:
        web:
          command: [sh, -c, 'echo "$$0 $$1 $$COUNT" > given; exec sleep 1000', $LISTEN_FDS, $LISTEN_FDNAMES]
          env: { COUNT: $LISTEN_FDS }
          listen: { port: \(try freePort()), via: socket }
      """)
    let up = try workspace.lastcall("up")
    let given = workspace.directory + "/given"
    #expect(try await eventually { (try? String(contentsOfFile: given, encoding: .utf8)) == "1 web 1\n" }, "\(up.output)")
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  @Test func anExitCodeMeansWhatTheFileSays() async throws {
    let workspace = try Product.workspace()
    let more = "    exits: { 7: done, 75: restart }\n    update: { settle: 0s }\n    restart: { backoff: 1s..60s }\n"
    try workspace.write("lastcall.yaml", Workspace.sleeper(more, script: "if mkdir once; then sleep 2; exit 75; fi; exit 7"))
    let up = try workspace.lastcall("up")
    try await up.says("web-1 exited with 75")
    try await up.says("web-2 exited with 7")
    try await up.says("web-2 is not started again: it ended well")
    #expect(!up.output.contains("BackOff"), "\(up.output)")
    _ = try await until(workspace, "ps", "Succeeded")
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  @Test(.enabled(if: getuid() == 0, "only root may take on another user"))
  func userUmaskAndLimitsAreTakenOn() async throws {
    let workspace = try Product.workspace()
    chmod(workspace.directory, 0o711)
    let script = "id -un; umask; ulimit -n; ulimit -c; echo HOME=$$HOME; sleep 1000"
    let more = "    user: nobody\n    umask: \"027\"\n    limits: { files: 100..200, core: 0 }\n"
    try workspace.write("lastcall.yaml", Workspace.sleeper(more, script: script))
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    let logs = try await until(workspace, "logs", "HOME=")
    order(logs, ["nobody", "0027", "100", "0", "HOME=/nonexistent"])
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  @Test func logsRotateAndThoseOfHooksAndOfTheDeadAreShown() async throws {
    let workspace = try Product.workspace()
    let more =
      "    logs: { size: 4KiB, keep: 3 }\n    update: { settle: 0s }\n    restart: { backoff: 10ms..100ms }\n    stop: { preStop: { exec: [sh, -c, 'echo leaving'] } }\n"
    try workspace.write("lastcall.yaml", Workspace.sleeper(more, script: "for i in $$(seq 200); do echo line $$i; done; sleep 1000"))
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    let logs = try await until(workspace, "logs", "line 200\n")
    #expect(logs.components(separatedBy: "\n").filter { $0.contains("| line ") }.count >= 100, "\(logs)")
    let restart = try workspace.lastcall("restart")
    #expect(await restart.ended() == .code(0), "\(restart.output)")
    let hooks = try workspace.lastcall("logs", "--hooks", "--previous")
    _ = await hooks.ended()
    #expect(hooks.output.contains("web-1          | leaving"), "\(hooks.output)")
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  @Test func ofWhatHasEndedTheLastAreKept() async throws {
    let workspace = try Product.workspace()
    let more = "    restart: { backoff: 10ms..10ms }\n    update: { settle: 0s }\n"
    try workspace.write("lastcall.yaml", Workspace.sleeper(more, script: "echo run >> runs; [ $$(wc -l < runs) -ge 15 ] && sleep 1000"))
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    try await up.says("web-15 started")
    let root = try #require(try FileManager.default.subpathsOfDirectory(atPath: workspace.directory + "/run").first { $0.hasSuffix("/r") })
    let kept = { try FileManager.default.contentsOfDirectory(atPath: workspace.directory + "/run/" + root).sorted() }
    #expect(try await eventually { try kept() == (5...15).map { "web-\($0)" }.sorted() })
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  @Test func logsAreFollowedOverReplicas() async throws {
    let workspace = try Product.workspace()
    try workspace.write("lastcall.yaml", Workspace.sleeper("    update: { settle: 0s }\n", script: "echo here; sleep 1000"))
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    let logs = try workspace.lastcall("logs", "-f", "web")
    try await logs.says("web-1          | here")
    let events = try workspace.lastcall("events", "-f")
    try await events.says("RolloutComplete")
    let restart = try workspace.lastcall("restart")
    _ = await restart.ended()
    try await logs.says("web-2          | here")
    try await events.says("web-2 is ready")
    logs.send(.int)
    events.send(.int)
    _ = await logs.ended()
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  @Test(.enabled(if: getuid() == 0, "only root may take on another user"))
  func anotherUsersProgramSaysThatItIsReady() async throws {
    let workspace = try Product.workspace()
    chmod(workspace.directory, 0o711)
    let say =
      "import os, socket, time; socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'READY=1', os.environ['NOTIFY_SOCKET']); time.sleep(1000)"
    try workspace.write(
      "lastcall.yaml",
      """
      apps:
        web:
          command: [/usr/bin/python3, -c, "\(say)"]
          user: nobody
          ready: notify
          update: { settle: 0s }
      """)
    let up = try workspace.lastcall("up")
    try await up.says("web-1 is ready")
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }
}
