import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// `LASTCALL_CGROUP`: what has left its replica's session, has not its lock and not its environment is found all the same.
@Suite(.enabled(if: cgroupRoot != nil, "no cgroup v2 can be made here"), .serialized)
struct EngineCgroupTests {
  /// A workspace whose engine has a cgroup.
  private func workspace() throws -> (workspace: Workspace, cgroup: String) {
    var workspace = try Product.workspace()
    let cgroup = try #require(cgroupRoot) + "/lastcall-test-" + UUID().uuidString.prefix(8)
    try #require(mkdir(cgroup, 0o755) == 0)
    workspace.variables["LASTCALL_CGROUP"] = cgroup
    return (workspace, cgroup)
  }

  /// Starts a replica with a process that nothing but its cgroup connects with it.
  private func strayed(_ workspace: Workspace) async throws -> (up: Running, main: Int32, stray: Int32) {
    try workspace.write(
      "stray.py",
      """
      import os, subprocess, time
      stray = subprocess.Popen(["/bin/sleep", "1000"], start_new_session=True, close_fds=True, env={})
      open("stray.new", "w").write(str(stray.pid))
      os.rename("stray.new", "stray")
      while True: time.sleep(1000)
      """)
    let more = "    restart: { backoff: 10ms..1s }\n    update: { settle: 0s }\n"
    try workspace.write("lastcall.yaml", "apps:\n  web:\n    command: [/usr/bin/python3, stray.py]\n" + more)
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    let path = workspace.directory + "/stray"
    #expect(try await eventually { FileManager.default.fileExists(atPath: path) })
    let stray = try #require(Int32(try String(contentsOfFile: path, encoding: .utf8)))
    return (up, try #require(try await workspace.rows().first?.pid), stray)
  }

  private func isGone(_ pid: Int32) -> Bool { ProcessRecord(pid: pid)?.isZombie ?? true }

  private func end(_ up: Running, _ workspace: Workspace, _ cgroup: String) async {
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    #expect((try? FileManager.default.contentsOfDirectory(atPath: cgroup).filter { $0.hasPrefix("lastcall-") }) == [])
    #expect(rmdir(cgroup) == 0)
    await workspace.remove()
  }

  @Test func whatAKilledKeeperHasLeftIsFoundByItsCgroup() async throws {
    let (workspace, cgroup) = try workspace()
    let (up, main, stray) = try await strayed(workspace)
    kill(try #require(ProcessRecord(pid: main)).parent, SIGKILL)
    try await up.says("what it left is stopped: 2 processes")
    try await up.says("web-2 is ready")
    #expect(isGone(main) && isGone(stray))
    await end(up, workspace, cgroup)
  }

  /// Nobody needs to say again where the cgroups are: the replica's own record does.
  @Test func soDoesTheNextEngine() async throws {
    let (first, cgroup) = try workspace()
    let (up, main, stray) = try await strayed(first)
    let keeper = try #require(ProcessRecord(pid: main)).parent
    up.send(.kill)
    _ = await up.ended()
    kill(keeper, SIGKILL)
    #expect(try await eventually { isGone(keeper) })
    var workspace = first
    workspace.variables["LASTCALL_CGROUP"] = ""
    let again = try workspace.lastcall("up")
    try await again.says("web-2 is ready")
    #expect(isGone(main) && isGone(stray))
    // The engine that made this was killed.
    let names = try FileManager.default.contentsOfDirectory(atPath: cgroup).filter { $0.hasPrefix("lastcall-") }
    #expect(names.count == 1 && names.allSatisfy { rmdir(cgroup + "/" + $0) == 0 })
    await end(again, workspace, cgroup)
  }

  @Test func oneThatCannotBeUsedIsAMistake() async throws {
    for path in ["relative", "/tmp", "/no/such"] {
      var workspace = try Product.workspace()
      workspace.variables["LASTCALL_CGROUP"] = path
      try workspace.write("lastcall.yaml", Workspace.sleeper())
      let up = try workspace.lastcall("up")
      #expect(await up.ended() == .code(1), "\(up.output)")
      #expect(up.output.contains("LASTCALL_CGROUP=\(path): ") && up.output.contains("expected a directory of a cgroup v2"), "\(up.output)")
      await workspace.remove()
    }
  }
}
