import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// A container that is gone, while its run and state directories are on a volume that the next one has: nothing of it lives, and nothing is
/// looked for by its numbers, which are others' now. Only root can make the namespaces.
@Suite(.serialized, .enabled(if: getuid() == 0, "unshare --pid needs root"))
struct EngineContainerVolumeTests {
  /// An app with a proxy, and one with a sidecar.
  private func prepared() throws -> Workspace {
    var workspace = try Product.workspace()
    // That of lastcall-init, whose 8 s are for machines that are not slow.
    workspace.variables["LASTCALL_GRACE"] = "100"
    try workspace.write(
      "lastcall.yaml",
      """
      apps:
        web:
          command: [/usr/bin/python3, -m, http.server, --bind, 127.0.0.1, $PORT]
          listen: { port: \(try freePort()), via: proxy }
          ready: { http: / }
          update: { settle: 0s }
        work:
          command: [sleep, '1000']
          update: { settle: 0s }
          sidecars:
            - { name: mesh, command: [sleep, '1000'] }
      """)
    return workspace
  }

  /// Runs an engine below a PID 1. The test has it end; one that fails leaves nothing.
  /// - Parameter script: run by PID 1's command before it becomes the engine.
  private func inContainer(
    _ workspace: Workspace, after script: String = ":", _ test: (Running) async throws -> Void
  ) async throws {
    let binary = try #require(InitBinary.all.first).path
    let unshare = ["--fork", "--pid", "--mount-proc", "--kill-child=KILL", binary, "--until", "main", "--main-policy", "restart", "--"]
    let engine = [Product.path("lastcall"), "up", "-f", workspace.directory + "/lastcall.yaml"]
    let shell = ["/bin/sh", "-c", script + "\nexec \"$@\"", "sh"]
    let run = try workspace.start("/usr/bin/unshare", unshare + shell + engine)
    do { try await test(run) } catch {
      run.send(.kill)
      _ = await run.ended()
      await workspace.remove()
      throw error
    }
  }

  /// PID 1, as it is called outside: unshare's child.
  private func initPid(_ run: Running) throws -> Int32 {
    try #require(ProcessTree.descendants(of: run.pid).first { $0.parent == run.pid }?.identity.pid)
  }

  /// Whether a stranger's program lives in the container.
  private func hasStranger(_ run: Running) -> Bool {
    ProcessTree.descendants(of: run.pid).contains { record in
      let line = FileManager.default.contents(atPath: "/proc/\(record.identity.pid)/cmdline") ?? Data()
      return !record.isZombie && String(decoding: line, as: UTF8.self) == "sleep\u{0}12345\u{0}"
    }
  }

  /// Somebody else has the number of a session that one of what ran had led. Its leader has ended: no time of a start tells them apart.
  @Test(
    .enabled(if: FileManager.default.fileExists(atPath: "/proc/sys/kernel/ns_last_pid"), "numbers cannot be chosen"),
    arguments: ["web-1", "web-proxy", "work-1", "work-1-mesh"])
  func nothingIsLookedForByTheNumbersOfAContainerThatIsGone(replica: String) async throws {
    let workspace = try prepared()
    var number = 0
    try await inContainer(workspace) { run in
      try await run.says("RolloutComplete", times: 2)
      let path = try #require(workspace.runFile("/\(replica)/process.json"))
      let record = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: path))) as? [String: Any]
      number = try #require(record?["main"] as? Int)
      // The kernel ends all others before PID 1 has ended.
      kill(try initPid(run), SIGKILL)
      _ = await run.ended()
    }
    let script = """
      echo $((\(number) - 1)) >/proc/sys/kernel/ns_last_pid
      setsid sh -c 'echo $$ >leader; sleep 12345 & exit'
      """
    try await inContainer(workspace, after: script) { run in
      for name in ["web-2", "work-2"] { try await run.says("\(name) is ready") }
      #expect(try String(contentsOfFile: workspace.directory + "/leader", encoding: .utf8) == "\(number)\n")
      #expect(hasStranger(run), "\(run.output)")
      #expect(!run.output.contains("KeeperLost"), "\(run.output)")
      kill(try initPid(run), SIGTERM)
      #expect(await run.ended() == .code(0), "\(run.output)")
    }
    await workspace.remove()
  }
}
