import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// The engine goes on with everything else while it carries out what SIGHUP has it read.
@Suite(.serialized) struct EngineReloadingTests {
  private func file(_ workspace: Workspace, value: Int, ready: String) throws {
    try workspace.write(
      "lastcall.yaml",
      """
      apps:
        web:
          command: [sleep, '1000']
          env: { V: '\(value)' }
          ready: { exec: [\(ready)], every: 20ms }
          update: { settle: 0s, deadline: 300s }
          stop: { grace: 30s }
      """)
  }

  /// The probe is a child of the engine's, whose end is told by a signal.
  @Test func aRolloutWithAnExecProbeGetsReady() async throws {
    let workspace = try Product.workspace()
    try file(workspace, value: 1, ready: "'true'")
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    try file(workspace, value: 2, ready: "'true'")
    up.send(.hup)
    try await up.says("web-2 is ready")
    try await up.says("was read again")
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  @Test func aRolloutThatHangsIsStopped() async throws {
    let workspace = try Product.workspace()
    try file(workspace, value: 1, ready: "'true'")
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    try file(workspace, value: 2, ready: "'false'")
    up.send(.hup)
    try await up.says("web-2 started")
    up.send(.term)
    #expect(await up.ended() == .code(0), "\(up.output)")
    #expect(up.output.contains("everything has stopped"), "\(up.output)")
    await workspace.remove()
  }
}
