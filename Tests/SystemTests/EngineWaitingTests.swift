import Foundation
import Linux
import StopPlan
import Testing

/// Apps that wait for others: whoever waits for them is told, and they can be stopped.
@Suite(.serialized) struct EngineWaitingTests {
  private func isGone(_ pid: Int32) -> Bool { ProcessRecord(pid: pid)?.isZombie ?? true }

  private func after(_ workspace: Workspace, value: Int = 1, code: Int) throws {
    try workspace.write(
      "lastcall.yaml",
      """
      apps:
        web: { command: [sleep, '1000'], after: migrate, env: { V: '\(value)' }, update: { settle: 0s } }
        migrate: { kind: job, command: [sh, -c, 'exit \(code)'], restart: { policy: never } }
      """)
  }

  @Test func whatWaitsAfterAnEnginesDeathIsLookedAfterAndStopped() async throws {
    let workspace = try Product.workspace()
    try workspace.write(
      "lastcall.yaml",
      """
      apps:
        web: { command: [sleep, '1000'], after: db, update: { settle: 0s }, restart: { backoff: 10ms..1s } }
        db: { command: [sh, -c, 'test -e dbok && exec sleep 1000; exit 1'], update: { settle: 0s }, restart: { backoff: 1s..2s } }
      """)
    try workspace.write("dbok", "")
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete", times: 2)
    let pids = Dictionary(uniqueKeysWithValues: try await workspace.rows().map { ($0.name, $0.pid ?? 0) })
    try FileManager.default.removeItem(atPath: workspace.directory + "/dbok")
    up.send(.kill)
    _ = await up.ended()
    kill(try #require(pids["db-1"]), SIGKILL)
    let again = try workspace.lastcall("up")
    try await again.says("BackOff")
    // It runs, and so it is started again when it ends, whatever it comes after.
    kill(try #require(pids["web-1"]), SIGKILL)
    try await again.says("web-2 is ready")
    let web = try #require(try await workspace.rows().first { $0.name == "web-2" }?.pid)
    let down = try workspace.lastcall("down")
    #expect(await down.ended() == .code(0), "\(down.output)")
    #expect(await again.ended() == .code(0), "\(again.output)")
    #expect(isGone(web))
    await workspace.remove()
  }

  /// Who is stopped while it waits for its turn is not started when that comes, nor by a deploy of all.
  @Test(arguments: [["stop", "web"], ["scale", "web=0"]]) func whatIsStoppedWhileItWaitsStaysSo(arguments: [String]) async throws {
    let workspace = try Product.workspace()
    try workspace.write(
      "lastcall.yaml",
      """
      apps:
        web: { command: [sh, -c, 'touch started; exec sleep 1000'], after: migrate, update: { settle: 0s } }
        migrate: { kind: job, command: [sh, -c, 'test -e ok'], restart: { policy: never } }
      """)
    let up = try workspace.lastcall("up")
    try await up.says("web waits for migrate")
    func ask(_ words: [String], code: UInt8 = 0) async throws {
      let run = try workspace.start(Product.path("lastcall"), words)
      #expect(await run.ended() == .code(code), "\(words): \(run.output)")
    }
    try await ask(["start"])
    try await ask(["scale", "web=2"], code: 1)
    try await ask(arguments)
    try workspace.write("ok", "")
    try await ask(["restart", "migrate"])
    try await up.says("web was stopped and stays so")
    try await ask(["deploy"])
    #expect(try await workspace.rows().first { $0.name == "web" }?.state == "Stopped")
    #expect(!FileManager.default.fileExists(atPath: workspace.directory + "/started"))
    try await ask(["start", "web"])
    #expect(try await workspace.rows().first?.name == "web-1")
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  /// Requests wait for an app that waits for another, also after an engine died in the middle of a `down`; stopping it answers them.
  @Test func requestsWaitForAnAppThatIsToCome() async throws {
    let workspace = try Product.workspace()
    let port = try freePort()
    try workspace.write(
      "lastcall.yaml",
      """
      apps:
        web:
          command: [/usr/bin/python3, -m, http.server, --bind, 127.0.0.1, $PORT]
          listen: { port: \(port), via: proxy }
          after: base
          update: { settle: 0s }
        base:
          command: [sh, -c, 'trap "sleep 2; exit" TERM; while :; do sleep 0.1; done']
          ready: { exec: [test, -e, ready], every: 20ms }
          update: { settle: 0s }
      """)
    try workspace.write("ready", "")
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete", times: 2)
    let down = try workspace.lastcall("down")
    try await up.says("Stopping replica base-1")
    up.send(.kill)
    for run in [up, down] { _ = await run.ended() }
    try FileManager.default.removeItem(atPath: workspace.directory + "/ready")
    let again = try workspace.lastcall("up")
    #expect(try await eventually { (try? await workspace.rows().first { $0.name == "web" }?.state) == "Pending" })
    let curl = { try workspace.start("/usr/bin/curl", ["-sS", "-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1:\(port)/"]) }
    let held = try curl()
    try workspace.write("ready", "")
    #expect(await held.ended() == .code(0) && held.output == "200", "\(held.output)")
    again.send(.int)
    #expect(await again.ended() == .code(0), "\(again.output)")
    try FileManager.default.removeItem(atPath: workspace.directory + "/ready")
    let third = try workspace.lastcall("up")
    try await third.says("base-")
    let waiting = try curl()
    let stop = try workspace.lastcall("stop", "web")
    #expect(await stop.ended() == .code(0), "\(stop.output)")
    #expect(await waiting.ended() == .code(0) && waiting.output == "503", "\(waiting.output)")
    #expect(try await workspace.rows().first?.state == "Stopped")
    third.send(.int)
    #expect(await third.ended() == .code(0), "\(third.output)")
    await workspace.remove()
  }

  @Test func aFailedJobHoldsEveryDeployUntilItHasDoneItsWork() async throws {
    let workspace = try Product.workspace()
    try after(workspace, code: 0)
    let up = try workspace.lastcall("up")
    try await up.says("web-1 is ready")
    try after(workspace, value: 2, code: 4)
    for _ in 1...2 {
      let deploy = try workspace.lastcall("deploy")
      #expect(await deploy.ended() == .code(1), "\(deploy.output)")
      #expect(try await workspace.rows().map(\.name).sorted() == ["migrate", "web-1"])
    }
    try after(workspace, value: 2, code: 0)
    let deploy = try workspace.lastcall("deploy")
    #expect(await deploy.ended() == .code(0), "\(deploy.output)")
    try await up.says("web-2 is ready")
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  @Test func whoWaitsForWhatWillNotComeIsToldSo() async throws {
    let workspace = try Product.workspace()
    try after(workspace, code: 3)
    for command in [["up", "-d"], ["up", "-d"], ["deploy"], ["rollout", "status"]] {
      let run = try workspace.start(Product.path("lastcall"), command)
      #expect(await run.ended() == .code(1), "\(command): \(run.output)")
    }
    await workspace.remove()
  }

  @Test func aServiceThatFailsForGoodIsNotUp() async throws {
    let workspace = try Product.workspace()
    try workspace.write(
      "lastcall.yaml",
      """
      apps:
        db: { command: [sh, -c, 'exit 78'], exits: { 78: stop } }
        web: { command: [sleep, '1000'], after: db }
      """)
    let up = try workspace.lastcall("up", "-d")
    #expect(await up.ended() == .code(1), "\(up.output)")
    #expect(up.output.contains("db has failed and is not started again"), "\(up.output)")
    #expect(try await workspace.rows().map(\.state) == ["Failed", "Pending"])
    await workspace.remove()
  }

  @Test(arguments: [Signal.term, .int])
  func upDetachedCanBeInterrupted(signal: Signal) async throws {
    let workspace = try Product.workspace()
    try workspace.write(
      "lastcall.yaml", "apps:\n  once: { kind: job, command: [sh, -c, 'touch began; sleep 1000'], stop: { grace: 0s } }\n")
    let up = try workspace.lastcall("up", "-d")
    #expect(try await eventually { FileManager.default.fileExists(atPath: workspace.directory + "/began") })
    up.send(signal)
    #expect(await up.ended() == .signal(signal, core: false), "\(up.output)")
    #expect(try await workspace.rows().map(\.state) == ["Running"])
    await workspace.remove()
  }

  // MARK: - Who means what

  @Test func whatIsForAppsRefusesTheNameOfAReplica() async throws {
    let workspace = try Product.workspace()
    try workspace.write("lastcall.yaml", Workspace.sleeper("    update: { settle: 0s }\n    replicas: 2\n"))
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    for command in [["restart"], ["stop"], ["start"], ["rm", "-f"], ["rollout", "undo"]] {
      let run = try workspace.start(Product.path("lastcall"), command + ["web-1"])
      #expect(await run.ended() == .code(2), "\(run.output)")
      #expect(run.output.contains("web-1 is a replica of web"), "\(run.output)")
    }
    #expect(try await workspace.rows().map(\.name) == ["web-1", "web-2"])
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  @Test func whatWasStoppedStaysSoUntilItIsNamed() async throws {
    let workspace = try Product.workspace()
    func file(_ value: Int) -> String {
      """
      apps:
        one: { command: [sleep, '1000'], env: { V: '\(value)' }, update: { settle: 0s } }
        two: { command: [sh, -c, 'echo $$V >>values; exec sleep 1000'], env: { V: '\(value)' }, update: { settle: 0s } }
      """
    }
    try workspace.write("lastcall.yaml", file(1))
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete", times: 2)
    let stop = try workspace.lastcall("stop", "two")
    #expect(await stop.ended() == .code(0), "\(stop.output)")
    try workspace.write("lastcall.yaml", file(2))
    for command in [["deploy"], ["restart"], ["up", "-d"]] {
      let run = try workspace.start(Product.path("lastcall"), command)
      #expect(await run.ended() == .code(0), "\(run.output)")
      #expect(try await workspace.rows().last?.state == "Stopped", "\(command)")
    }
    up.send(.hup)
    let start = try workspace.lastcall("start", "two")
    #expect(await start.ended() == .code(0), "\(start.output)")
    // It is as the file says by now.
    let values = workspace.directory + "/values"
    #expect(try await eventually { try String(contentsOfFile: values, encoding: .utf8) == "1\n2\n" })
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  @Test func aReloadIsDoneAsTheFileSaysOrRefused() async throws {
    let workspace = try Product.workspace()
    try workspace.write(
      "lastcall.yaml",
      """
      apps:
        plain: { command: [sleep, '1000'], update: { settle: 0s } }
        good: { command: [sleep, '1000'], update: { settle: 0s }, reload: { exec: [touch, reloaded] } }
        bad: { command: [sleep, '1000'], update: { settle: 0s }, reload: { exec: [sh, -c, 'echo no such port; exit 3'] } }
      """)
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete", times: 3)
    let before = try await workspace.rows().map(\.pid)
    let plain = try workspace.lastcall("reload", "plain")
    #expect(await plain.ended() == .code(1))
    #expect(plain.output.contains("does not say how plain reads its configuration again"), "\(plain.output)")
    let good = try workspace.lastcall("reload", "good")
    #expect(await good.ended() == .code(0), "\(good.output)")
    #expect(FileManager.default.fileExists(atPath: workspace.directory + "/reloaded"))
    let all = try workspace.lastcall("reload")
    #expect(await all.ended() == .code(1))
    #expect(all.output.contains("sh ended with 3; it wrote last: no such port"), "\(all.output)")
    try await up.says("ReloadFailed")
    #expect(try await workspace.rows().map(\.pid) == before)
    let stop = try workspace.lastcall("stop", "good")
    _ = await stop.ended()
    let nothing = try workspace.lastcall("reload", "good")
    #expect(await nothing.ended() == .code(1))
    #expect(nothing.output.contains("nothing of good runs"), "\(nothing.output)")
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  // MARK: - Nothing is left

  /// By down, and by the engine's death.
  @Test(arguments: [true, false])
  func aProbeUnderWayEndsWithTheEngine(isKilled: Bool) async throws {
    let workspace = try Product.workspace()
    let mark = workspace.directory + "/probe"
    try workspace.write("probe", "echo $$ >probing.new\nmv probing.new probing\nsleep 1000\ntrue\n")
    try workspace.write(
      "lastcall.yaml", "apps:\n  web:\n    command: [sleep, '1000']\n    ready: { exec: [sh, \(mark)], timeout: 500s }\n")
    let up = try workspace.lastcall("up")
    let path = workspace.directory + "/probing"
    #expect(try await eventually { FileManager.default.fileExists(atPath: path) })
    let shell = try #require(Int32(try String(contentsOfFile: path, encoding: .utf8).dropLast()))
    // The shell and its sleep.
    #expect(try await eventually { ProcessTree.descendants(of: shell).count == 1 })
    let probe = ProcessTree.descendants(of: shell).map(\.identity.pid) + [shell]
    if isKilled {
      up.send(.kill)
      _ = await up.ended()
    }
    let down = try workspace.lastcall("down")
    #expect(await down.ended() == .code(0), "\(down.output)")
    #expect(try await eventually { probe.allSatisfy(self.isGone) })
    if !isKilled { #expect(await up.ended() == .code(0), "\(up.output)") }
    await workspace.remove()
  }
}
