import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// The commands of a running engine.
@Suite(.serialized) struct EngineCommandTests {
  /// Runs a command to its end and checks its exit code.
  @discardableResult
  private func lastcall(_ workspace: Workspace, _ arguments: String..., code: UInt8 = 0, _ location: SourceLocation = #_sourceLocation)
    async throws -> String
  {
    let run = try workspace.start(Product.path("lastcall"), arguments)
    let status = await run.ended()
    #expect(status == .code(code), "\(run.output)", sourceLocation: location)
    return run.output
  }

  private func file(_ workspace: Workspace, seconds: Int, _ more: String = "") throws {
    try workspace.write("lastcall.yaml", Workspace.sleeper("    update: { settle: 0s }\n" + more, script: "sleep \(seconds)"))
  }

  @Test func deployDiffHistoryUndoAndScale() async throws {
    let workspace = try Product.workspace()
    try file(workspace, seconds: 1000, "    replicas: 2\n")
    try await lastcall(workspace, "up", "-d")
    #expect(try await lastcall(workspace, "diff").isEmpty)
    try file(workspace, seconds: 2000, "    replicas: 2\n")
    let diff = try await lastcall(workspace, "diff")
    #expect(diff == "~ web: command: [sh, -c, 'sleep 2000'], was [sh, -c, 'sleep 1000']\n")
    #expect(try await lastcall(workspace, "deploy").contains("RolloutComplete"))
    #expect(try await lastcall(workspace, "diff").isEmpty)
    let scale = try await lastcall(workspace, "scale", "web=4")
    // One that was replaced may still be there for a moment.
    let scaled = try await workspace.rows().map(\.state)
    #expect(scaled.count { $0 == "Ready" } == 4, "\(scaled)\n\(scale)")
    // A change of something else leaves the number that was asked for.
    try file(workspace, seconds: 3000, "    replicas: 2\n")
    try await lastcall(workspace, "deploy")
    #expect(try await workspace.rows().count { $0.state == "Ready" } == 4)
    try await lastcall(workspace, "rollout", "undo", "web")
    let history = try await lastcall(workspace, "rollout", "history")
    #expect(history.contains("undo to revision 2"), "\(history)")
    let description = try await lastcall(workspace, "describe", "web")
    #expect(description.contains("sleep 2000"), "\(description)")
    #expect(description.contains("p99"), "\(description)")
    #expect(try await lastcall(workspace, "diff").contains("command") == false)
    try await lastcall(workspace, "down")
    await workspace.remove()
  }

  @Test func aWrongFileChangesNothing() async throws {
    let workspace = try Product.workspace()
    try file(workspace, seconds: 1000)
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    let before = try await workspace.rows().map(\.pid)
    try workspace.write("lastcall.yaml", "apps:\n  web:\n    comand: [sleep, '1']\n")
    let deploy = try await lastcall(workspace, "deploy", code: 2)
    #expect(deploy.contains("lastcall.yaml:3:5: apps.web.comand"), "\(deploy)")
    up.send(.hup)
    try await up.says("ReloadFailed")
    #expect(try await workspace.rows().map(\.pid) == before)
    // HUP has the engine read the file again; an app that it does not name any more is stopped.
    try workspace.write("lastcall.yaml", "apps:\n  other:\n    command: [sleep, '1000']\n    update: { settle: 0s }\n")
    up.send(.hup)
    try await up.says("nothing of web runs any more")
    #expect(try await eventually { try await workspace.rows().map(\.name) == ["other-1"] })
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  @Test func stopStartKillAndRemove() async throws {
    let workspace = try Product.workspace()
    try file(workspace, seconds: 1000, "    restart: { backoff: 10ms..1s }\n")
    try await lastcall(workspace, "up", "-d")
    try await lastcall(workspace, "stop", "web")
    #expect(try await workspace.rows().map(\.state) == ["Stopped"])
    try await lastcall(workspace, "start", "web")
    try await lastcall(workspace, "kill", "-s", "USR1", "web")
    #expect(try await eventually { try await workspace.rows().map(\.name) == ["web-3"] })
    let refused = try await lastcall(workspace, "rm", "web", code: 1)
    #expect(refused.contains("lastcall rm -f web"), "\(refused)")
    try await lastcall(workspace, "rm", "-f", "web")
    #expect(try await workspace.rows().isEmpty)
    #expect(try await lastcall(workspace, "deploy").contains("RolloutComplete"))
    try await lastcall(workspace, "kill", "nobody", code: 2)
    try await lastcall(workspace, "kill", "-s", "NOSUCH", "web", code: 2)
    try await lastcall(workspace, "scale", "web", code: 2)
    try await lastcall(workspace, "down")
    try await lastcall(workspace, "ps", code: 3)
    await workspace.remove()
  }

  @Test func aStopCanBeShortenedAndZeroKillsAtOnce() async throws {
    let workspace = try Product.workspace()
    let plan = "    stop: { plan: TERM/100/KILL, grace: 100s }\n"
    try workspace.write(
      "lastcall.yaml", Workspace.sleeper(plan + "    update: { settle: 0s }\n", script: "trap \"\" TERM; while :; do sleep 0.1; done"))
    try await lastcall(workspace, "up", "-d")
    let began = Clock.now
    let slow = try workspace.lastcall("stop", "web")
    try await slow.says("Stopping replica web-1")
    try await lastcall(workspace, "stop", "-t", "0", "web")
    _ = await slow.ended()
    #expect(Clock.now - began < .seconds(60))
    let events = try await lastcall(workspace, "events")
    #expect(events.contains("web-1 was ended by KILL"), "\(events)")
    try await lastcall(workspace, "down")
    await workspace.remove()
  }

  @Test func aPausedRolloutReplacesNothing() async throws {
    let workspace = try Product.workspace()
    try file(workspace, seconds: 1000)
    try await lastcall(workspace, "up", "-d")
    let before = try await workspace.rows().map(\.pid)
    try await lastcall(workspace, "rollout", "pause", "web")
    try file(workspace, seconds: 2000)
    let deploy = try workspace.lastcall("deploy")
    #expect(try await eventually { try await lastcall(workspace, "rollout", "history").contains("2 *") })
    #expect(try await workspace.rows().map(\.pid) == before)
    try await lastcall(workspace, "rollout", "resume", "web")
    #expect(await deploy.ended() == .code(0), "\(deploy.output)")
    #expect(try await workspace.rows().map(\.pid) != before)
    try await lastcall(workspace, "down")
    await workspace.remove()
  }

  @Test func anAppComesAfterAnother() async throws {
    let workspace = try Product.workspace()
    try workspace.write(
      "lastcall.yaml",
      """
      apps:
        web:
          command: [sh, -c, 'test -e ready && sleep 1000']
          after: base
          update: { settle: 0s }
        base:
          command: [sh, -c, 'sleep 0.3; touch ready; sleep 1000']
          ready: { exec: [test, -e, ready], every: 20ms }
          update: { settle: 0s }
      """)
    try await lastcall(workspace, "up", "-d")
    try await lastcall(workspace, "down")
    let events = try await lastcall(workspace, "events")
    let based = try #require(events.range(of: "base-1 is ready"), "\(events)")
    let began = try #require(events.range(of: "web-1 started"), "\(events)")
    #expect(based.lowerBound < began.lowerBound)
    let first = try #require(events.range(of: "web-1 was ended by TERM"), "\(events)")
    let second = try #require(events.range(of: "Stopping replica base-1"), "\(events)")
    #expect(first.lowerBound < second.lowerBound)
    await workspace.remove()
  }

  /// docker's and kubectl's habits: several names, options with their values joined, and no work on some while one of them is wrong.
  @Test func severalNamesAndJoinedOptionsAreTaken() async throws {
    let workspace = try Product.workspace()
    func app(_ name: String) -> String {
      "  \(name):\n    command: [sh, -c, 'echo \(name) speaks; exec sleep 1000']\n    update: { settle: 0s }\n"
    }
    try workspace.write("lastcall.yaml", "apps:\n" + app("one") + app("two") + app("three"))
    try await lastcall(workspace, "up", "-d")
    let unknown = try await lastcall(workspace, "restart", "one", "nobody", code: 2)
    #expect(unknown.contains("no app or replica is named nobody; there are: one, two, three"), "\(unknown)")
    #expect(try await workspace.rows().map(\.name) == ["one-1", "two-1", "three-1"])
    try await lastcall(workspace, "restart", "one", "two")
    #expect(try await eventually { try await workspace.rows().map(\.name) == ["one-2", "two-2", "three-1"] })
    #expect(try await lastcall(workspace, "ps", "-ojson", "two", "three").contains("one-") == false)
    let logs = try await lastcall(workspace, "logs", "-n1", "two", "three")
    #expect(logs.split(separator: "\n").count == 1, "\(logs)")
    #expect(try await lastcall(workspace, "logs", "--tail", "all", "two", "three").split(separator: "\n").count == 2)
    #expect(try await lastcall(workspace, "logs", "--tail", "0").isEmpty)
    let events = try await lastcall(workspace, "events", "-n1", "-ojson", "one", "two")
    #expect(events.split(separator: "\n").count == 1 && events.contains("\"app\":\"two\""), "\(events)")
    try await lastcall(workspace, "stop", "one", "two")
    #expect(try await workspace.rows().map(\.state) == ["Stopped", "Stopped", "Ready"])
    // Nothing of it runs that could be told.
    #expect(try await lastcall(workspace, "kill", "one", code: 1).contains("nothing of one runs"))
    for command in ["events", "logs", "diff", "deploy", "ps", "describe"] {
      try await lastcall(workspace, command, "nobody", code: 2)
      try await lastcall(workspace, command, "three", "nobody", code: 2)
    }
    try await lastcall(workspace, "logs", "-f", "nobody", code: 2)
    try await lastcall(workspace, "scale", "three=2", "nobody=2", code: 2)
    // A name that is mistyped takes out nothing that the file does not name any more.
    let whole = try String(contentsOfFile: workspace.directory + "/lastcall.yaml", encoding: .utf8)
    try workspace.write("lastcall.yaml", "apps:\n" + app("one") + app("two"))
    try await lastcall(workspace, "deploy", "tow", code: 2)
    #expect(try await lastcall(workspace, "diff", "one").contains("- three: it would be stopped and removed"))
    #expect(try await workspace.rows().map(\.state) == ["Stopped", "Stopped", "Ready"])
    try workspace.write("lastcall.yaml", whole)
    #expect(try await lastcall(workspace, "logs", "--hooks", "one", code: 1).contains("no hook of one has written anything"))
    try await lastcall(workspace, "rm", "one", "two")
    try await lastcall(workspace, "down")
    await workspace.remove()
  }

  @Test func aFileThatIsReadAgainSaysSoAndARunningAppsListenStays() async throws {
    let workspace = try Product.workspace()
    try file(workspace, seconds: 1000)
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    up.send(.hup)
    try await up.says("lastcall.yaml was read again and is carried out")
    try file(workspace, seconds: 1000, "    listen: { port: \(try freePort()), via: socket }\n")
    let deploy = try await lastcall(workspace, "deploy", code: 2)
    #expect(deploy.contains("lastcall.yaml:5:13: apps.web.listen: listen of a running app cannot be changed"), "\(deploy)")
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  /// None wanted is none until the app is named, whoever deploys or restarts all, and over the engine's death.
  @Test func scaledToZeroStaysSo() async throws {
    let workspace = try Product.workspace()
    try file(workspace, seconds: 1000, "    replicas: 2\n")
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    try await lastcall(workspace, "scale", "web=0")
    for command in ["deploy", "restart"] { try await lastcall(workspace, command) }
    #expect(try await workspace.rows().map(\.state) == ["Stopped"])
    up.send(.kill)
    _ = await up.ended()
    try await lastcall(workspace, "up", "-d")
    #expect(try await workspace.rows().map(\.state) == ["Stopped"])
    #expect(try await lastcall(workspace, "start", "web").contains("starting 2 replicas"))
    #expect(try await workspace.rows().map(\.state) == ["Ready", "Ready"])
    let down = try await lastcall(workspace, "down")
    #expect(down.contains("Stopping replica web-") && down.contains("everything has stopped"), "\(down)")
    await workspace.remove()
  }

  /// `diff` says what `deploy` would do, also after a revision was undone.
  @Test func diffSaysWhatADeployWouldDoAfterAnUndo() async throws {
    let workspace = try Product.workspace()
    try file(workspace, seconds: 1000)
    try await lastcall(workspace, "up", "-d")
    let good = try String(contentsOfFile: workspace.directory + "/lastcall.yaml", encoding: .utf8)
    try workspace.write("lastcall.yaml", good.replacingOccurrences(of: "sleep 1000", with: "exit 1"))
    try await lastcall(workspace, "deploy", code: 1)
    #expect(try await lastcall(workspace, "diff") == "~ web: command: [sh, -c, 'exit 1'], was [sh, -c, 'sleep 1000']\n")
    // Stopped and started, it is what served that comes up again.
    for command in ["stop", "start"] { try await lastcall(workspace, command, "web") }
    #expect(try await workspace.rows().map(\.state) == ["Ready"])
    let pid = try await workspace.rows().map(\.pid)
    try workspace.write("lastcall.yaml", good)
    #expect(try await lastcall(workspace, "diff").isEmpty)
    try await lastcall(workspace, "deploy")
    #expect(try await workspace.rows().map(\.pid) == pid)
    try await lastcall(workspace, "down")
    await workspace.remove()
  }

  /// Who asks while no engine runs hears what goes on, and who waits for a paused rollout what it waits for.
  @Test func whatGoesOnAndWhatIsWaitedForIsSaid() async throws {
    let workspace = try Product.workspace()
    try file(workspace, seconds: 1000)
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    up.send(.kill)
    _ = await up.ended()
    let ps = try await lastcall(workspace, "ps", code: 3)
    #expect(ps.contains("start it with: lastcall up") && ps.contains("go on and are taken over: web-1"), "\(ps)")
    try await lastcall(workspace, "up", "-d")
    try await lastcall(workspace, "rollout", "pause", "web")
    try file(workspace, seconds: 2000)
    let deploy = try workspace.lastcall("deploy")
    try await deploy.says("old replicas are not replaced until: lastcall rollout resume web")
    let status = try workspace.lastcall("rollout", "status", "web")
    try await status.says("web: Paused, revision 2, 1 of 1 ready; waiting: the rollout is paused")
    try await lastcall(workspace, "rollout", "resume", "web")
    #expect(await deploy.ended() == .code(0), "\(deploy.output)")
    #expect(await status.ended() == .code(0), "\(status.output)")
    try await status.says("web: Running, revision 2, 1 of 1 ready")
    try await lastcall(workspace, "kill", "-s", "CONT", "web")
    #expect(try await lastcall(workspace, "events", "-n", "5").contains("CONT was sent to web-2"))
    try await lastcall(workspace, "down")
    await workspace.remove()
  }

  /// By the script that users load, which asks lastcall for the names.
  @Test func bashCompletesTheNamesOfApps() async throws {
    let workspace = try Product.workspace()
    try workspace.write(
      "lastcall.yaml", "apps: { web: { command: [sleep, '9'] }, worker: { command: [sleep, '9'] }, db: { command: [sleep, '9'] } }")
    try workspace.write("other.yaml", "apps: { wiki: { command: [sleep, '9'] } }")
    let script = """
      source <("$0" --generate-completion-script bash)
      complete_() {
        COMP_WORDS=("$0" "$@"); COMP_CWORD=$#; COMP_LINE="${COMP_WORDS[*]}"; COMP_POINT=${#COMP_LINE}; COMPREPLY=()
        _lastcall "$0" "${!#}"; echo "$*: ${COMPREPLY[*]}"
      }
      complete_ restart w; complete_ logs web d; complete_ scale we; complete_ stop -f other.yaml w; complete_ rollout undo ''; complete_ roll
      """
    let bash = try workspace.start("/bin/bash", ["-c", script, Product.path("lastcall")])
    #expect(await bash.ended() == .code(0), "\(bash.output)")
    for line in [
      "restart w: web worker", "logs web d: db", "scale we: web=", "stop -f other.yaml w: wiki", "rollout undo : web worker db",
      "roll: rollout",
    ] {
      #expect(bash.output.contains(line), "\(bash.output)")
    }
    await workspace.remove()
  }

  @Test func theUnitIsWhatSystemdNeeds() async throws {
    let workspace = try Product.workspace()
    try file(workspace, seconds: 1000)
    let unit = try await lastcall(workspace, "install", "--print")
    for line in [
      "KillMode=process", "Delegate=yes", "Restart=always",
      "ExecStart=\(Product.path("lastcall")) up -f \(workspace.directory)/lastcall.yaml",
      "Environment=LASTCALL_RUN_DIR=\(workspace.directory)/run", "Environment=LASTCALL_STATE_DIR=\(workspace.directory)/state",
    ] {
      #expect(unit.contains(line + "\n"), "\(unit)")
    }
    await workspace.remove()
  }
}
