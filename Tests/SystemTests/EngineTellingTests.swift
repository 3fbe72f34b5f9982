import Foundation
import Linux
import StopPlan
import Testing

/// What events and states tell, in which order, and what they leave out.
@Suite(.serialized) struct EngineTellingTests {
  private struct Row: Decodable {
    var name: String
    var state: String
    var reason: String
    var message: String
  }

  private func rows(_ test: LifecycleCase) async throws -> [Row] {
    try JSONDecoder().decode([Row].self, from: Data(try await test.lastcall("ps", "-o", "json").utf8))
  }

  private func reasons(_ test: LifecycleCase, of replica: String) async throws -> [String] {
    try await test.events().filter { $0.replica == replica }.map(\.reason)
  }

  @Test func eventsComeInTheOrderOfWhatTheyTell() async throws {
    let test = try LifecycleCase(
      stop: "grace: 30s", more: ["sidecars:", LifecycleCase.sidecar("mesh"), "restart: { backoff: 10ms..100ms }"])
    let up = try await test.up()
    try await test.lastcall("kill", "web-1")
    try await up.says("web-2 is ready")
    let reasons = try await reasons(test, of: "web-1")
    #expect(reasons.filter { $0 != "Signalled" } == ["Started", "Ready", "Exited", "BackOff"])
    let events = try await test.events()
    let main = try #require(events.firstIndex { $0.reason == "Exited" && $0.replica == "web-1" })
    let mesh = try #require(events.firstIndex { $0.reason == "Exited" && $0.replica == "web-1-mesh" })
    #expect(main < mesh)
    // What took its place is no rollout.
    #expect(try await eventually { try await rows(test).allSatisfy { $0.state == "Ready" } })
    #expect(events.count { $0.reason == "RolloutComplete" } == 1)
    await test.down(up)
  }

  /// The engine dies while a sidecar takes its time after the main program's end: the next engine does not tell that end again.
  @Test func anEndIsToldOnceThoughTheEngineDiesBeforeTheSidecarsEnd() async throws {
    let test = try LifecycleCase(
      stop: "grace: 60s", more: ["sidecars:", LifecycleCase.sidecar("mesh", "life=2"), "restart: { backoff: 10ms..100ms }"])
    let up = try await test.up()
    let stop = try test.workspace.lastcall("stop", "web")
    try await test.until("TERM mesh")
    up.send(.kill)
    _ = await up.ended()
    _ = await stop.ended()
    #expect(try await test.has("Exited", "web-1 ended"))
    let again = try test.workspace.lastcall("up")
    try await again.says("web-1-mesh ended")
    #expect(try await eventually { (try? await rows(test).map(\.state)) == ["Stopped"] })
    let ends = try await test.events().filter { $0.reason == "Exited" && $0.replica == "web-1" }
    #expect(ends.map(\.message) == ["web-1 ended"] && ends.map(\.kind) == ["Normal"])
    #expect(try await reasons(test, of: "web-1").count { $0 == "Started" } == 1)
    await test.down(again)
  }

  /// The engine dies while a replica's sidecar gets ready: the next one ends that, and tells it, before it starts another.
  @Test func theEndOfASidecarWhoseReplicaNeverStartedIsTold() async throws {
    let test = try LifecycleCase(
      stop: "grace: 60s", more: ["sidecars:", LifecycleCase.sidecar("mesh").replacingOccurrences(of: "ready-mesh", with: "go")])
    let up = try test.workspace.lastcall("up")
    try await test.until("start mesh")
    try await up.says("web-1-mesh started")
    up.send(.kill)
    _ = await up.ended()
    try test.touch("go")
    let again = try test.workspace.lastcall("up")
    try await again.says("RolloutComplete")
    #expect(try await reasons(test, of: "web-1-mesh") == ["Started", "Exited"])
    #expect(test.trace().count { $0 == "start mesh" } == 2)
    await test.down(again)
  }

  /// What cannot be executed has not started.
  @Test func whatCannotBeExecutedHasNotStarted() async throws {
    let workspace = try Product.workspace()
    try workspace.write("bad", "#!/nonexistent/interpreter\n")
    chmod(workspace.directory + "/bad", 0o755)
    try workspace.write("lastcall.yaml", "apps:\n  web:\n    kind: job\n    command: [./bad]\n    restart: { policy: never }\n")
    let up = try workspace.lastcall("up")
    try await up.says("JobFailed")
    #expect(up.output.contains("Failed           web-1 did not start: ") && !up.output.contains("web-1 started"), "\(up.output)")
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  @Test func aProgramThatEndsAtOnceHasStarted() async throws {
    let workspace = try Product.workspace()
    try workspace.write("lastcall.yaml", "apps:\n  web:\n    kind: job\n    command: ['true']\n")
    let up = try workspace.lastcall("up")
    try await up.says("Completed")
    for number in 2...10 {
      let again = try workspace.lastcall("restart", "web")
      #expect(await again.ended() == .code(0), "\(again.output)")
      let started = try #require(again.output.range(of: "web-\(number) started"), "\(again.output)")
      let ended = try #require(again.output.range(of: "web-\(number) ended"), "\(again.output)")
      #expect(started.lowerBound < ended.lowerBound)
    }
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  /// States have their reasons: of one that serves, one that says that it stops, one that is told to, and an app that was stopped.
  @Test func eachStateHasItsReason() async throws {
    let test = try LifecycleCase(stop: "grace: 30s")
    try test.workspace.write(
      "teller.py",
      """
      import os, signal, socket, time
      notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
      notify.connect(os.environ["NOTIFY_SOCKET"])
      def end(number, frame):
        while not os.path.exists("go"): time.sleep(0.02)
        os._exit(0)
      signal.signal(signal.SIGTERM, end)
      notify.send(b"READY=1\\nSTATUS=all is well")
      while not os.path.exists("leave"): time.sleep(0.02)
      notify.send(b"STOPPING=1")
      while True: signal.pause()
      """)
    try test.workspace.write(
      "lastcall.yaml",
      """
      apps:
        web:
          command: [/usr/bin/python3, teller.py]
          env: { LEVEL: info, API_TOKEN: not-to-be-seen }
          ready: notify
          live: { exec: ['true'], every: 30s }
          update: { settle: 0s }
      """)
    let up = try await test.up()
    func row() async throws -> Row { try #require(try await rows(test).first) }
    var shown = try await row()
    #expect([shown.state, shown.reason, shown.message] == ["Ready", "Serving", "all is well"])
    let description = try await test.lastcall("describe", "web")
    for line in ["state      Running (Complete)", "env.LEVEL: info", "env.API_TOKEN: ***", "ready: notify", "live.exec: ["] {
      #expect(description.contains(line), "\(description)")
    }
    #expect(!description.contains("not-to-be-seen"))
    try test.touch("leave")
    #expect(try await eventually { try await row().reason == "SaysStopping" })
    shown = try await row()
    #expect(shown.state == "Draining")
    let stop = try test.workspace.lastcall("stop", "web")
    #expect(try await eventually { try await row().state == "Terminating" })
    shown = try await row()
    #expect(shown.reason == "Stopped" && shown.message.contains("s of grace left"), "\(shown)")
    try test.touch("go")
    #expect(await stop.ended() == .code(0), "\(stop.output)")
    shown = try await row()
    #expect([shown.state, shown.reason] == ["Stopped", "StoppedByUser"])
    await test.down(up)
  }

  @Test func aProgramThatAsksForItsWatchdogIsReplaced() async throws {
    let workspace = try Product.workspace()
    try workspace.write(
      "sick.py",
      """
      import os, socket, time
      notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
      notify.connect(os.environ["NOTIFY_SOCKET"])
      notify.send(b"READY=1")
      if os.path.exists("once"): time.sleep(1000)
      open("once", "w").close()
      while not os.path.exists("go"): time.sleep(0.02)
      notify.send(b"WATCHDOG=trigger")
      time.sleep(1000)
      """)
    try workspace.write(
      "lastcall.yaml",
      """
      apps:
        web:
          command: [/usr/bin/python3, sick.py]
          ready: notify
          notify: { watchdog: 1000s }
          restart: { backoff: 10ms..100ms }
          update: { settle: 0s, surge: 1, unavailable: 0 }
      """)
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    try workspace.write("go", "")
    try await up.says("it has said WATCHDOG=trigger; it is replaced")
    try await up.says("web-2 is ready")
    try await up.says("web-1 was ended by TERM")
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  /// Without surge the old replica has gone by the time that the new one fails; the next deploy tries again what was undone.
  @Test func whatIsLeftOfAnUndoneRevisionIsSaidAndItIsTriedAgain() async throws {
    let workspace = try Product.workspace()
    func declare(_ script: String) throws {
      let more = "    update: { surge: 0, unavailable: 1, settle: 0s }\n    ready: { exec: [test, -e, ready], every: 20ms }\n"
      try workspace.write("lastcall.yaml", Workspace.sleeper(more, script: script))
    }
    try declare("touch ready; sleep 1000")
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    try declare("rm -f ready; test -e works && touch ready && sleep 1000; exit 1")
    let deploy = try workspace.lastcall("deploy")
    #expect(await deploy.ended() == .code(1), "\(deploy.output)")
    #expect(deploy.output.contains("revision 1 is started again"), "\(deploy.output)")
    #expect(!deploy.output.contains("the old replicas go on"), "\(deploy.output)")
    #expect(try await eventually { try await workspace.rows().map(\.state) == ["Ready"] })
    try workspace.write("works", "")
    let again = try workspace.lastcall("deploy")
    #expect(await again.ended() == .code(0), "\(again.output)")
    #expect(again.output.contains("RolloutComplete"), "\(again.output)")
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  /// Stops that a user made shorter say nothing of the grace that is declared.
  @Test func aShortenedStopIsNotMeasured() async throws {
    let test = try LifecycleCase(stop: "grace: 30s")
    let up = try await test.up()
    try await test.lastcall("stop", "-t", "1", "web")
    #expect(try await test.lastcall("describe", "web").contains("stops      none measured yet"))
    try await test.lastcall("start", "web")
    try await test.lastcall("stop", "web")
    #expect(try await test.lastcall("describe", "web").contains("stops      1, p50"))
    await test.down(up)
  }
}
