import Foundation
import Linux
import StopPlan
import Testing

/// What a program says by sd_notify(3) that changes what the engine does.
@Suite(.serialized) struct EngineNotifyTests {
  /// An app whose program is ready at once, or asks for more time: ten times, or without end, as the file `mode` says.
  private func up(_ workspace: Workspace, extend: String) async throws -> Running {
    try workspace.write(
      "slow.py",
      """
      import os, socket, time
      notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
      notify.connect(os.environ["NOTIFY_SOCKET"])
      mode = open("mode").read()
      rounds = {"fast": 0, "slow": 10, "never": 1000}[mode]
      for number in range(rounds):
        notify.send(b"EXTEND_TIMEOUT_USEC=30000000\\nSTATUS=round %d" % number)
        time.sleep(0.7)
      notify.send(b"READY=1\\nSTATUS=up")
      time.sleep(1000)
      """)
    try workspace.write(
      "lastcall.yaml",
      """
      apps:
        web:
          command: [/usr/bin/python3, slow.py]
          ready: notify
          notify: { extend: \(extend) }
          update: { surge: 1, unavailable: 0, deadline: 5s, settle: 0s }
      """)
    try workspace.write("mode", "fast")
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    return up
  }

  @Test func aStartThatAsksForMoreTimeIsNotUndone() async throws {
    let workspace = try Product.workspace()
    let up = try await up(workspace, extend: "60s")
    try workspace.write("mode", "slow")
    let began = Clock.now
    let restart = try workspace.lastcall("restart")
    #expect(await restart.ended() == .code(0), "\(restart.output)")
    #expect(Clock.now - began > .seconds(5))
    #expect(try await workspace.rows().map(\.name) == ["web-2"])
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  @Test func oneThatOnlyEverAsksIsUndoneAtTheBound() async throws {
    let workspace = try Product.workspace()
    let up = try await up(workspace, extend: "3s")
    let pid = try #require(try await workspace.rows().first?.pid)
    try workspace.write("mode", "never")
    let began = Clock.now
    let restart = try workspace.lastcall("restart")
    #expect(await restart.ended() == .code(1))
    #expect(Clock.now - began >= .seconds(8))
    #expect(restart.output.contains("nor within the time that it asked for; the old replicas go on"), "\(restart.output)")
    #expect(try await workspace.rows().map(\.pid) == [pid])
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  @Test func whatWasAskedForHoldsOverAnEnginesDeath() async throws {
    let workspace = try Product.workspace()
    let up = try await up(workspace, extend: "60s")
    try workspace.write("mode", "slow")
    let restart = try workspace.lastcall("restart")
    try await restart.says("web-2 is not ready: it says: round")
    up.send(.kill)
    _ = await up.ended()
    _ = await restart.ended()
    let again = try workspace.lastcall("up")
    #expect(try await eventually { (try? await workspace.rows().map(\.name)) == ["web-2"] }, "\(again.output)")
    again.send(.int)
    #expect(await again.ended() == .code(0), "\(again.output)")
    await workspace.remove()
  }
}
