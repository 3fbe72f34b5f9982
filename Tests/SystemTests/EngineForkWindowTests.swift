import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// The engine dies after it has forked a keeper and before that has said anything: all that is left of the replica is the lock that the fork
/// inherited. The keeper is a script that becomes the real one when it may.
@Suite(.serialized) struct EngineForkWindowTests {
  private func workspace() throws -> Workspace {
    var workspace = try Product.workspace()
    try FileManager.default.createDirectory(atPath: workspace.directory + "/bin", withIntermediateDirectories: true)
    let real = workspace.environment["LASTCALL_INIT"].map { URL(fileURLWithPath: $0).deletingLastPathComponent().path } ?? ""
    try FileManager.default.createSymbolicLink(
      atPath: workspace.directory + "/bin/lastcall-init", withDestinationPath: real + "/lastcall-init")
    let script = """
      #!/bin/bash
      # A keeper asks the one that is installed which version it can become.
      [ "$2" != --resume-version ] || exec \(real)/lastcall-keeper "$@"
      echo $$ >> \(workspace.directory)/forked
      while [ ! -e \(workspace.directory)/go ]; do sleep 0.02; done
      exec -a lastcall-keeper \(real)/lastcall-keeper "$@"
      """
    try workspace.write("bin/lastcall-keeper", script)
    chmod(workspace.directory + "/bin/lastcall-keeper", 0o755)
    workspace.variables["LASTCALL_INIT"] = workspace.directory + "/bin/lastcall-init"
    let more = "    update: { settle: 0s }\n    restart: { backoff: 10ms..100ms }\n"
    try workspace.write("lastcall.yaml", Workspace.sleeper(more, script: "echo $$$$ >> started; exec sleep 1000"))
    return workspace
  }

  private func pids(_ workspace: Workspace, _ file: String) -> [Int32] {
    let text = (try? String(contentsOfFile: workspace.directory + "/" + file, encoding: .utf8)) ?? ""
    return text.split(separator: "\n").compactMap { Int32($0) }
  }

  /// Starts an engine and kills it while its keeper is not yet one.
  /// - Returns: the pid of what becomes the keeper.
  private func killedInTheWindow(_ workspace: Workspace) async throws -> Int32 {
    let up = try workspace.lastcall("up")
    #expect(try await eventually { pids(workspace, "forked").count == 1 })
    up.send(.kill)
    _ = await up.ended()
    return try #require(pids(workspace, "forked").first)
  }

  @Test func whoBecomesAKeeperAfterItsEnginesDeathIsTakenOver() async throws {
    let workspace = try workspace()
    let keeper = try await killedInTheWindow(workspace)
    let again = try workspace.lastcall("up")
    try await again.says("Recovered")
    try workspace.write("go", "")
    try await again.says("web-1 is ready")
    #expect(try await workspace.rows().map(\.name) == ["web-1"])
    // It has become the keeper that is installed now once more, by execve(2).
    #expect(Set(pids(workspace, "forked")) == [keeper] && pids(workspace, "started").count == 1)
    again.send(.int)
    #expect(await again.ended() == .code(0), "\(again.output)")
    await workspace.remove()
  }

  @Test func whoDiesBeforeItIsOneIsReplacedOnce() async throws {
    let workspace = try workspace()
    let keeper = try await killedInTheWindow(workspace)
    let again = try workspace.lastcall("up")
    try await again.says("Recovered")
    kill(keeper, SIGKILL)
    try workspace.write("go", "")
    try await again.says("web-2 is ready")
    #expect(try await workspace.rows().map(\.name) == ["web-2"])
    let forked = Set(pids(workspace, "forked"))
    #expect(forked.count == 2, "\(forked)\n\(again.output)")
    #expect(pids(workspace, "started").count == 1)
    again.send(.int)
    #expect(await again.ended() == .code(0), "\(again.output)")
    await workspace.remove()
  }
}
