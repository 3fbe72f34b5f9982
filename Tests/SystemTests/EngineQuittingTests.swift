import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// Replicas that go by themselves: they serve no more, and their end is still to come.
@Suite(.serialized) struct EngineQuittingTests {
  private struct Row: Decodable {
    var name: String
    var state: String
    var reason: String
  }

  private func rows(_ test: LifecycleCase) async throws -> [String] {
    try JSONDecoder().decode([Row].self, from: Data(try await test.lastcall("ps", "-o", "json").utf8)).map { "\($0.name) \($0.reason)" }
  }

  /// A replica whose sidecar waits in its hook for the file `go`.
  private static let slowSidecar = [
    "restart: { backoff: 10ms..100ms }", "sidecars:",
    LifecycleCase.sidecar("mesh", preStop: LifecycleCase.hook("mesh", then: "until [ -e go ]; do sleep 0.02; done")),
  ]

  /// Else a rollout would take the dead for one that serves, and stop another.
  @Test func oneWhoseProgramHasEndedServesNoMoreThoughItsSidecarLives() async throws {
    let test = try LifecycleCase(stop: "grace: 400s", more: Self.slowSidecar)
    let up = try await test.up()
    kill(try test.pid("main"), SIGKILL)
    try await test.until("hook mesh")
    #expect(try await eventually { try await rows(test).first == "web-1 Ended" })
    let description = try await test.lastcall("describe", "web")
    #expect(description.contains("Progressing"), "\(description)")
    try test.touch("go")
    try await up.says("web-2 is ready")
    await test.down(up)
  }

  /// The engine answers, and looks after the others, while a sidecar of one that has ended meanwhile takes its time.
  @Test func anEngineThatComesBackDoesNotWaitForSidecarsOfTheDead() async throws {
    let test = try LifecycleCase(stop: "grace: 400s", more: Self.slowSidecar)
    let up = try await test.up()
    up.send(.kill)
    _ = await up.ended()
    let main = try test.pid("main")
    kill(main, SIGKILL)
    #expect(try await eventually { ProcessRecord(pid: main)?.isZombie ?? true })
    let again = try test.workspace.lastcall("up")
    try await test.until("hook mesh")
    #expect(try await eventually { try await rows(test).first == "web-1 Ended" })
    try test.touch("go")
    try await again.says("web-2 is ready")
    await test.down(again)
  }

  /// As systemd does with its TimeoutStopSec after STOPPING=1 (systemd.service(5)).
  @Test func oneThatSaysThatItStopsAndHangsIsReplacedAfterItsGrace() async throws {
    let test = try LifecycleCase(stop: "grace: 1s")
    try test.workspace.write(
      "hang.py",
      """
      import os, signal, socket
      notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
      notify.connect(os.environ["NOTIFY_SOCKET"])
      notify.send(b"READY=1")
      if not os.path.exists("told"):
        open("told", "w").close()
        notify.send(b"STOPPING=1")
      while True: signal.pause()
      """)
    try test.workspace.write(
      "lastcall.yaml",
      """
      apps:
        web:
          command: [/usr/bin/python3, hang.py]
          ready: notify
          stop: { grace: 1s }
          update: { settle: 0s }
          restart: { backoff: 10ms..100ms }
      """)
    let up = try test.workspace.lastcall("up")
    try await up.says("web-1 said that it stops, and runs on after its grace")
    try await up.says("web-2 is ready")
    #expect(try await eventually { try await rows(test) == ["web-2 Serving"] })
    // Its own end is told once, however many engines hear that it stops.
    #expect(try await test.events().count { $0.reason == "Stopping" } == 1)
    await test.down(up)
  }

  /// A program that has said that it stops is not sent requests again by an engine that comes back.
  @Test func whoHasSaidThatItStopsStaysSoOverTheEnginesDeath() async throws {
    let test = try LifecycleCase(stop: "grace: 400s")
    try test.workspace.write(
      "stopping.py",
      """
      import os, signal, socket
      notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
      notify.connect(os.environ["NOTIFY_SOCKET"])
      notify.send(b"READY=1\\nSTOPPING=1")
      while True: signal.pause()
      """)
    try test.workspace.write(
      "lastcall.yaml",
      """
      apps:
        web:
          command: [/usr/bin/python3, stopping.py]
          ready: notify
          stop: { grace: 400s }
          update: { settle: 0s }
      """)
    let up = try test.workspace.lastcall("up")
    try await up.says("web-1 says that it stops")
    up.send(.kill)
    _ = await up.ended()
    let again = try test.workspace.lastcall("up")
    try await again.says("Recovered")
    #expect(try await eventually { try await rows(test) == ["web-1 SaysStopping"] })
    #expect(try await test.events().count { $0.reason == "Stopping" } == 1)
    await test.down(again)
  }

  /// Also when it was never ready, and when the engine dies meanwhile: the grace is not begun anew, and no probe is waited for.
  @Test(arguments: [false, true]) func oneThatHangsBeforeItIsReadyIsReplaced(dies: Bool) async throws {
    let test = try LifecycleCase(stop: "grace: 1s")
    try test.workspace.write(
      "hang.py",
      """
      import os, signal, socket
      notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
      notify.connect(os.environ["NOTIFY_SOCKET"])
      if os.path.exists("told"): open("well", "w").close()
      else: notify.send(b"STOPPING=1")
      open("told", "w").close()
      while True: signal.pause()
      """)
    try test.workspace.write(
      "lastcall.yaml",
      """
      apps:
        web:
          command: [/usr/bin/python3, hang.py]
          ready: { exec: [test, -e, well], every: 20ms }
          stop: { grace: 2s }
          update: { settle: 0s, deadline: 300s }
          restart: { backoff: 10ms..100ms }
      """)
    var up = try test.workspace.lastcall("up")
    try await up.says("web-1 says that it stops")
    if dies {
      up.send(.kill)
      _ = await up.ended()
      up = try test.workspace.lastcall("up")
    }
    try await up.says("web-1 said that it stops, and runs on after its grace")
    try await up.says("web-2 is ready")
    await test.down(up)
  }

  /// What is left of one that has ended is ended as soon as a user wants that, and has no program that could be told anything.
  @Test func theSidecarsOfTheDeadAreStoppedAtOnce() async throws {
    let test = try LifecycleCase(
      stop: "grace: 400s", more: ["restart: { backoff: 10ms..100ms }", "sidecars:", LifecycleCase.sidecar("mesh", "deaf")])
    let up = try await test.up()
    kill(try test.pid("main"), SIGKILL)
    try await test.until("TERM mesh")
    #expect(try await test.lastcall("kill", "-s", "HUP", "web", code: 1).contains("no program of it runs"))
    try await test.lastcall("stop", "-t", "0", "web")
    #expect(try await test.has("Exited", "web-1-mesh was ended by KILL"))
    #expect(try await !test.has("Killing", "Stopping replica web-1"))
    await test.down(up)
  }
}
