import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// Deaths and losses around an engine, each a case of its own. Those that are not here: re-adopted after SIGKILL, the death of an adopted
/// replica, one that died while no engine ran, a recycled pid, the newest of the database lost (EngineRecoveryTests); a keeper's death
/// (EngineFailureTests); two engines at once (EngineTests); keepers of another version (EngineKeeperVersionTests).
@Suite(.serialized) struct EngineDeathTests {
  private struct Left {
    var main: Int32
    var keeper: Int32
  }

  /// Starts an engine with one replica, and kills it.
  private func killedEngine(_ workspace: Workspace, _ more: String = "", script: String = "sleep 1000") async throws -> Left {
    let common = "    restart: { backoff: 10ms..1s }\n    update: { settle: 0s }\n"
    try workspace.write("lastcall.yaml", Workspace.sleeper(common + more, script: script))
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    let main = try #require(try await workspace.rows().first?.pid)
    let left = Left(main: main, keeper: try #require(ProcessRecord(pid: main)).parent)
    up.send(.kill)
    _ = await up.ended()
    return left
  }

  private func isGone(_ pid: Int32) -> Bool { ProcessRecord(pid: pid)?.isZombie ?? true }

  private func end(_ up: Running, _ workspace: Workspace) async {
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  @Test func theStopOfAnAdoptedReplicaRunsItsHook() async throws {
    let workspace = try Product.workspace()
    _ = try await killedEngine(workspace, "    stop: { preStop: { exec: [sh, -c, 'echo left >>hook'] } }\n")
    let again = try workspace.lastcall("up")
    try await again.says("Recovered")
    let stop = try workspace.lastcall("stop")
    #expect(await stop.ended() == .code(0), "\(stop.output)")
    #expect(try String(contentsOfFile: workspace.directory + "/hook", encoding: .utf8) == "left\n")
    await end(again, workspace)
  }

  /// Its keeper keeps the last events only, so that its start is not told again.
  @Test func anAdoptedReplicaIsWatchedHoweverMuchItHasSaid() async throws {
    let workspace = try Product.workspace()
    try workspace.write(
      "talk.py",
      """
      import os, socket, time
      notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
      notify.connect(os.environ["NOTIFY_SOCKET"])
      for number in range(2000): notify.send(b"STATUS=%d of 2000 " % number + b"x" * 100)
      notify.send(b"STATUS=all said")
      time.sleep(1000)
      """)
    try workspace.write(
      "lastcall.yaml",
      """
      apps:
        web:
          command: [/usr/bin/python3, talk.py]
          live: { exec: [sh, -c, "test ! -e sick"], every: 50ms, failures: 1 }
          update: { settle: 0s }
      """)
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    #expect(
      try await eventually {
        let ps = try workspace.lastcall("ps")
        _ = await ps.ended()
        return ps.output.contains("all said")
      })
    up.send(.kill)
    _ = await up.ended()
    let again = try workspace.lastcall("up")
    try await again.says("Recovered")
    try workspace.write("sick", "")
    try await again.says("web-1 fails its liveness check")
    try FileManager.default.removeItem(atPath: workspace.directory + "/sick")
    await end(again, workspace)
  }

  @Test(
    "a record of another boot, or of another PID namespace, is neither retried nor signalled",
    arguments: [
      "$.boot', 'another'", "$.pidNamespace', 1",
    ])
  func aRecordOfAnotherBootIsNeitherRetriedNorSignalled(change: String) async throws {
    let workspace = try Product.workspace()
    let left = try await killedEngine(workspace)
    kill(left.keeper, SIGKILL)
    // Whatever its shell has started, too.
    kill(-left.main, SIGKILL)
    #expect(try await eventually { isGone(left.main) && isGone(left.keeper) })
    // Somebody else has the pid now, as far as the record says, and that is of another boot.
    let bystander = try workspace.start("/bin/sleep", ["1000"])
    let path = try #require(workspace.runFile("/web-1/process.json"))
    let record = try String(contentsOfFile: path, encoding: .utf8)
    try record.replacingOccurrences(of: "\"main\":\(left.main)", with: "\"main\":\(bystander.pid)").write(
      toFile: path, atomically: true, encoding: .utf8)
    try await updateRecord(workspace, change)
    let again = try workspace.lastcall("up")
    try await again.says("web-2 is ready")
    for word in ["KeeperLost", "BackOff", "web-1"] { #expect(!again.output.contains(word), "\(again.output)") }
    #expect(!isGone(bystander.pid))
    bystander.send(.kill)
    await end(again, workspace)
  }

  private func updateRecord(_ workspace: Workspace, _ change: String) async throws {
    let script = """
      import glob, sqlite3
      database = sqlite3.connect(glob.glob("state/*/state.sqlite")[0])
      print(database.execute("UPDATE replica SET record = json_set(record, '\(change))").rowcount)
      database.commit()
      """
    let update = try workspace.start("/usr/bin/python3", ["-c", script])
    _ = await update.ended()
    #expect(update.output == "1\n")
  }

  /// A run directory that containers share: what lives in another one is not started again in this one.
  @Test func whatLivesInAnotherPidNamespaceIsNotStartedTwice() async throws {
    let workspace = try Product.workspace()
    let left = try await killedEngine(workspace)
    try await updateRecord(workspace, "$.pidNamespace', 1")
    let refused = try workspace.lastcall("up")
    #expect(await refused.ended() == .code(1), "\(refused.output)")
    #expect(refused.output.contains("web-1 lives in another PID namespace"), "\(refused.output)")
    #expect(!isGone(left.main))
    let down = try workspace.lastcall("down")
    #expect(await down.ended() == .code(0), "\(down.output)")
    #expect(isGone(left.main))
    await workspace.remove()
  }

  /// A replica with a process in a session of its own that has not its lock.
  private func strayed(_ workspace: Workspace) async throws -> (up: Running, stray: Int32, left: Left) {
    try workspace.write(
      "stray.py",
      """
      import os, subprocess, time
      stray = subprocess.Popen(["sleep", "1000"], start_new_session=True, close_fds=True)
      open("stray.new", "w").write(str(stray.pid))
      os.rename("stray.new", "stray")
      time.sleep(1000)
      """)
    let more = "    restart: { backoff: 10ms..1s }\n    update: { settle: 0s }\n    stop: { grace: 1s }\n"
    try workspace.write("lastcall.yaml", "apps:\n  web:\n    command: [/usr/bin/python3, stray.py]\n" + more)
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    let path = workspace.directory + "/stray"
    #expect(try await eventually { FileManager.default.fileExists(atPath: path) })
    let stray = try #require(Int32(try String(contentsOfFile: path, encoding: .utf8)))
    let main = try #require(try await workspace.rows().first?.pid)
    return (up, stray, Left(main: main, keeper: try #require(ProcessRecord(pid: main)).parent))
  }

  @Test func whatOnlyItsEnvironmentConnectsWithAReplicaIsLeftAloneAndReported() async throws {
    let workspace = try Product.workspace()
    let (up, stray, left) = try await strayed(workspace)
    kill(left.keeper, SIGKILL)
    try await up.says("process \(stray), by its environment")
    #expect(isGone(left.main) && !isGone(stray))
    #expect(!up.output.contains("web-2"), "\(up.output)")
    kill(stray, SIGKILL)
    try await up.says("web-2 is ready")
    // The stray of the second is swept by its keeper.
    await end(up, workspace)
  }

  @Test func nothingStartsBesideWhatMayBeLeftOfAnAppOfAnotherKind() async throws {
    let workspace = try Product.workspace()
    let (up, stray, left) = try await strayed(workspace)
    up.send(.kill)
    _ = await up.ended()
    kill(left.keeper, SIGKILL)
    #expect(try await eventually { self.isGone(left.keeper) })
    try workspace.write("lastcall.yaml", EngineRecoveryTests.job)
    // Asking again changes nothing.
    for _ in 1...2 {
      let refused = try workspace.lastcall("up")
      #expect(await refused.ended() == .code(1), "\(refused.output)")
      #expect(refused.output.contains("web is of another kind in the file"), "\(refused.output)")
      #expect(refused.output.contains("process \(stray), by its environment"), "\(refused.output)")
      #expect(isGone(left.main) && !isGone(stray))
      #expect(!FileManager.default.fileExists(atPath: workspace.directory + "/ran"))
    }
    kill(stray, SIGKILL)
    let again = try workspace.lastcall("up")
    try await again.says("Completed")
    await end(again, workspace)
  }

  // MARK: - A run directory that somebody deletes

  @Test func theRunDirectoryIsDeletedWhileNoEngineRuns() async throws {
    let workspace = try Product.workspace()
    let left = try await killedEngine(workspace, script: "sleep 1000; echo \(workspace.directory)")
    try FileManager.default.removeItem(atPath: workspace.directory + "/run")
    let again = try workspace.lastcall("up")
    try await again.says("web-1 runs on, but its run directory was deleted and its keeper, process \(left.keeper)")
    let rows = try await workspace.rows()
    #expect(rows.map(\.name) == ["web-1"] && rows.map(\.state) == ["Ready"] && rows.map(\.pid) == [left.main])
    #expect(EngineRecoveryTests.living(workspace.directory) == [left.main])
    // Whoever wants another has it replaced: its keeper is told TERM, and stops it by its plan.
    let restart = try workspace.lastcall("restart")
    #expect(await restart.ended() == .code(0), "\(restart.output)")
    #expect(isGone(left.main))
    #expect(try await workspace.rows().map(\.name) == ["web-2"])
    #expect(EngineRecoveryTests.living(workspace.directory).count == 1)
    await end(again, workspace)
  }

  @Test func oneThatCannotBeReachedIsReplacedWhenItEnds() async throws {
    let workspace = try Product.workspace()
    let left = try await killedEngine(workspace)
    try FileManager.default.removeItem(atPath: workspace.directory + "/run")
    let again = try workspace.lastcall("up")
    try await again.says("Unreachable")
    kill(left.main, SIGKILL)
    try await again.says("web-2 is ready")
    #expect(isGone(left.keeper))
    await end(again, workspace)
  }

  @Test func theRunDirectoryAndTheDatabaseAreDeleted() async throws {
    let workspace = try Product.workspace()
    let left = try await killedEngine(workspace, script: "sleep 1000; echo \(workspace.directory)")
    for name in ["run", "state"] { try FileManager.default.removeItem(atPath: workspace.directory + "/" + name) }
    let again = try workspace.lastcall("up")
    try await again.says("Unreachable")
    // As whenever it is not known what was asked for, the file's apps are rolled out anew, one replica after another.
    try await again.says("web-2 is ready")
    #expect(isGone(left.main))
    #expect(EngineRecoveryTests.living(workspace.directory).count == 1)
    await end(again, workspace)
  }

  @Test func aPortThatCannotBeTakenOverStartsAndStopsNothing() async throws {
    let workspace = try Product.workspace()
    let port = try freePort()
    try workspace.write(
      "lastcall.yaml",
      """
      apps:
        web:
          command: [/usr/bin/python3, -m, http.server, --bind, 127.0.0.1, $PORT]
          listen: { port: \(port), via: proxy }
          ready: { http: / }
          update: { settle: 0s }
      """)
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    let main = try #require(try await workspace.rows().first?.pid)
    up.send(.kill)
    _ = await up.ended()
    try FileManager.default.removeItem(atPath: workspace.directory + "/run")
    let refused = try workspace.lastcall("up")
    #expect(await refused.ended() == .code(1))
    #expect(refused.output.contains("the run directory was deleted and nobody can take over"), "\(refused.output)")
    let request = try workspace.start("/usr/bin/curl", ["-sf", "-o", "/dev/null", "http://127.0.0.1:\(port)/"])
    #expect(await request.ended() == .code(0))
    let down = try workspace.lastcall("down")
    #expect(await down.ended() == .code(0), "\(down.output)")
    #expect(down.output.contains("web-1,") && down.output.contains("web-proxy,"), "\(down.output)")
    #expect(isGone(main))
    let again = try workspace.lastcall("up")
    try await again.says("RolloutComplete")
    await end(again, workspace)
  }

  @Test func theRunDirectoryIsDeletedWhileTheEngineRuns() async throws {
    let workspace = try Product.workspace()
    try workspace.write("lastcall.yaml", Workspace.sleeper("    restart: { backoff: 10ms..1s }\n    update: { settle: 0s }\n"))
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    let main = try #require(try await workspace.rows().first?.pid)
    try FileManager.default.removeItem(atPath: workspace.directory + "/run")
    let ps = try workspace.lastcall("ps")
    #expect(await ps.ended() == .code(3))
    #expect(ps.output.contains("kill -HUP \(up.pid)"), "\(ps.output)")
    // Nor does it count as dead: what it runs is no leftover.
    let down = try workspace.lastcall("down")
    #expect(await down.ended() == .code(3))
    #expect(ProcessRecord(pid: main)?.isZombie == false)
    let second = try workspace.lastcall("up")
    #expect(await second.ended() == .code(1))
    #expect(second.output.contains("runs already (process \(up.pid))"), "\(second.output)")
    // What runs is followed as before, and what ends is replaced.
    kill(main, SIGKILL)
    try await up.says("web-1 was ended by KILL")
    try await up.says("web-2 is ready")
    #expect(!up.output.contains("KeeperLost"), "\(up.output)")
    up.send(.hup)
    try await up.says("RunDirectoryLost")
    #expect(try await workspace.rows().map(\.name) == ["web-2"])
    await end(up, workspace)
  }

  // MARK: - A full disk

  @Test(.enabled(if: getuid() == 0, "only root can mount"))
  func onAFullDiskNothingNewIsStartedAndWhatRunsCanBeStopped() async throws {
    let workspace = try Product.workspace()
    let state = workspace.directory + "/state"
    try FileManager.default.createDirectory(atPath: state, withIntermediateDirectories: false)
    let mount = try workspace.start("/bin/mount", ["-t", "tmpfs", "-o", "size=2m", "none", state])
    try #require(await mount.ended() == .code(0), "\(mount.output)")
    try workspace.write("lastcall.yaml", Workspace.sleeper("    restart: { backoff: 10ms..1s }\n    update: { settle: 0s }\n"))
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    let main = try #require(try await workspace.rows().first?.pid)
    let fill = ["if=/dev/zero", "of=\(state)/fill", "bs=1k"]
    _ = await (try workspace.start("/bin/dd", fill)).ended()
    // The only one that serves is not stopped for one that could not be started.
    let restart = try workspace.lastcall("restart")
    try await up.says("the state could not be written")
    #expect(try await workspace.rows().map(\.name) == ["web-1"])
    #expect(!isGone(main))
    try FileManager.default.removeItem(atPath: state + "/fill")
    #expect(await restart.ended() == .code(0), "\(restart.output)")
    #expect(isGone(main))
    let second = try #require(try await workspace.rows().first?.pid)
    _ = await (try workspace.start("/bin/dd", fill)).ended()
    let scale = try workspace.lastcall("scale", "web=2")
    try await up.says("is not started, since that could not be written down")
    #expect(try await workspace.rows().first?.pid == second && !isGone(second))
    try FileManager.default.removeItem(atPath: state + "/fill")
    // With room again it comes true.
    #expect(await scale.ended() == .code(0), "\(scale.output)")
    #expect(try await eventually { try await workspace.rows().filter { $0.state == "Ready" }.count == 2 })
    _ = await (try workspace.start("/bin/dd", fill)).ended()
    let down = try workspace.lastcall("down")
    #expect(await down.ended() == .code(0), "\(down.output)")
    #expect(await up.ended() == .code(0), "\(up.output)")
    #expect(isGone(second))
    let unmount = try workspace.start("/bin/umount", [state])
    _ = await unmount.ended()
    await workspace.remove()
  }
}
