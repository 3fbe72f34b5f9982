import Foundation
import Linux
import StopPlan
import Testing

/// Replicas that are containers, by real podman. The image is busybox with a few tools; what else a program needs is mounted.
@Suite(
  ContainerImage(isKept: false), .serialized, .enabled(if: Podman.isPossible, "podman, runc, busybox and a static lastcall-init are needed")
)
struct EngineImageTests {
  /// A program that says what it is told, ignores QUIT and ends with 7 at TERM.
  private static let talker =
    "trap 'echo quit' QUIT; trap 'echo again' HUP; trap 'echo told; exit 7' TERM; echo here; while :; do sleep 0.05; done"

  private func workspace(_ fields: String, script: String = talker) async throws -> Workspace {
    let workspace = try Product.imageWorkspace()
    try workspace.write(
      "lastcall.yaml",
      """
      apps:
        web:
          image: \(try ContainerImage.name)
          runtime: podman
          command: [sh, -c, "\(script)"]
          update: { settle: 0s }
          restart: { backoff: 10ms..1s }
      \(fields.split(separator: "\n").map { "    \($0)" }.joined(separator: "\n"))
      """)
    return workspace
  }

  @Test func aContainerIsDeployedReplacedReloadedAndStoppedByPlan() async throws {
    let workspace = try await workspace(
      """
      env: { COLOR: red }
      ready: { exec: [sh, -c, '[ $$COLOR = red ]'], every: 50ms }
      stop: { plan: QUIT/1/TERM/100/KILL, grace: 110s, preStop: { exec: [sh, -c, 'echo leaving $$COLOR; exit 4'] } }
      reload: { signal: HUP }
      """)
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    try await workspace.until("logs", "web-1          | here")
    let reload = try workspace.lastcall("reload")
    #expect(await reload.ended() == .code(0), "\(reload.output)")
    try await workspace.until("logs", "web-1          | again")
    let restart = try workspace.lastcall("restart")
    #expect(await restart.ended() == .code(0), "\(restart.output)")
    #expect(restart.output.contains("web-1 exited with 7"), "\(restart.output)")
    #expect(try await workspace.containers() == ["web-2"])
    let logs = try await workspace.until("logs", "told", "web-1", "--previous")
    #expect(
      logs.components(separatedBy: "| ").dropFirst().map { $0.prefix { $0 != "\n" } } == ["here", "again", "quit", "told"], "\(logs)")
    // The hook ran in the container, and its failure is told.
    try await workspace.until("logs", "leaving red", "web-1", "--hooks", "--previous")
    #expect(up.output.contains("the hook ended with 4"), "\(up.output)")
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    #expect(up.output.contains("web-2 exited with 7"), "\(up.output)")
    #expect(!up.output.contains("KILL"), "\(up.output)")
    #expect(try await workspace.containers().isEmpty)
    await workspace.remove()
  }

  @Test func killAtGraceLeavesNothingOfTheContainer() async throws {
    let workspace = try await workspace(
      "stop: { plan: TERM/1/KILL, grace: 60s }", script: "trap '' TERM; sh -c 'trap \\\"\\\" TERM; echo here; sleep 4321'; sleep 1")
    let up = try workspace.lastcall("up")
    try await workspace.until("logs", "| here")
    let pids = try await workspace.processes(of: "web-1")
    #expect(pids.count >= 3, "\(pids)")
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    #expect(up.output.contains("KILL for what is left"), "\(up.output)")
    #expect(pids.allSatisfy { ProcessRecord(pid: $0)?.isZombie ?? true })
    #expect(try await workspace.containers().isEmpty)
    await workspace.remove()
  }

  @Test func theEnginesDeathIsNotTheContainers() async throws {
    let workspace = try await workspace("replicas: 2")
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    let before = try await workspace.pids()
    up.send(.kill)
    _ = await up.ended()
    let again = try workspace.lastcall("up")
    try await again.says("Recovered")
    #expect(try await eventually { try await workspace.pids() == before })
    #expect(try await workspace.containers() == ["web-1", "web-2"])
    again.send(.int)
    #expect(await again.ended() == .code(0), "\(again.output)")
    for name in ["web-1", "web-2"] { #expect(again.output.contains("\(name) exited with 7"), "\(again.output)") }
    #expect(try await workspace.containers().isEmpty)
    await workspace.remove()
  }

  @Test func downStopsAndRemovesWhatAKilledEngineHasLeft() async throws {
    let workspace = try await workspace(
      "stop: { plan: TERM/1/KILL, grace: 60s }", script: "trap '' TERM; echo here; while :; do sleep 0.05; done")
    let up = try workspace.lastcall("up")
    try await workspace.until("logs", "| here")
    up.send(.kill)
    _ = await up.ended()
    let down = try workspace.lastcall("down")
    #expect(await down.ended() == .code(0), "\(down.output)")
    #expect(try await workspace.containers().isEmpty)
    await workspace.remove()
  }

  @Test func withoutACommandTheImagesOwnRuns() async throws {
    let workspace = try Product.imageWorkspace()
    try workspace.write("lastcall.yaml", "apps:\n  web: { image: \(try ContainerImage.name), runtime: podman, update: { settle: 0s } }\n")
    let up = try workspace.lastcall("up")
    try await workspace.until("logs", "| ready")
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    #expect(up.output.contains("web-1 exited with 143"), "\(up.output)")
    await workspace.remove()
  }

  /// - Parameter withClient: whether podman's client, which could have passed the signal on, is killed too.
  @Test(arguments: [false, true])
  func whatAKilledKeeperHasLeftIsStoppedBeforeAnotherTakesItsPlace(withClient: Bool) async throws {
    // Two at a time cannot make the same directory.
    let workspace = try await workspace(
      "podman: ['--volume=.:/scratch']",
      script:
        "mkdir /scratch/one || echo two at a time; trap 'echo told > /scratch/told; rmdir /scratch/one; exit 0' TERM; while :; do sleep 0.05; done"
    )
    let up = try workspace.lastcall("up")
    #expect(try await eventually { FileManager.default.fileExists(atPath: workspace.directory + "/one") })
    let client = try #require(try await workspace.rows().first?.pid)
    let keeper = try #require(ProcessRecord(pid: client)).parent
    kill(keeper, SIGKILL)
    if withClient { kill(client, SIGKILL) }
    try await up.says("KeeperLost")
    try await up.says("web-2 is ready")
    #expect(FileManager.default.fileExists(atPath: workspace.directory + "/told"))
    #expect(try await workspace.containers() == ["web-2"])
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    let logs = try workspace.lastcall("logs", "--previous")
    _ = await logs.ended()
    #expect(!logs.output.contains("two at a time"), "\(logs.output)")
    #expect(try await workspace.containers().isEmpty)
    await workspace.remove()
  }

  @Test func aContainerThatEndsByItselfIsReplacedAndItsStatusIsTheReplicas() async throws {
    let workspace = try await workspace("", script: "sleep 0.2; exit 3")
    let up = try workspace.lastcall("up")
    try await up.says("web-1 exited with 3")
    try await up.says("web-2 exited with 3")
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    #expect(try await workspace.containers().isEmpty)
    await workspace.remove()
  }

  @Test func signalsReachTheProgram() async throws {
    let workspace = try await workspace("")
    let up = try workspace.lastcall("up")
    try await workspace.until("logs", "web-1          | here")
    let quit = try workspace.lastcall("kill", "-s", "QUIT", "web")
    #expect(await quit.ended() == .code(0), "\(quit.output)")
    try await workspace.until("logs", "| quit")
    // What podman's client cannot pass on.
    let killed = try workspace.lastcall("kill", "-s", "KILL", "web-1")
    #expect(await killed.ended() == .code(0), "\(killed.output)")
    try await up.says("web-1 exited with 137")
    try await up.says("web-2 is ready")
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  @Test func aPlanForTheWholeTreeIsCarriedOutInside() async throws {
    let child = "trap 'echo child' USR1; echo here; while :; do sleep 0.05; done"
    let workspace = try await workspace(
      "stop: { plan: USR1@tree/1/TERM@tree/100/KILL, grace: 110s }",
      script: "trap 'echo main' USR1; trap 'exit 7' TERM; sh -c \\\"\(child)\\\" & while :; do sleep 0.05; done")
    let up = try workspace.lastcall("up")
    try await workspace.until("logs", "| here")
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    #expect(up.output.contains("web-1 exited with 7"), "\(up.output)")
    let logs = try await workspace.until("logs", "| main", "--previous")
    #expect(logs.components(separatedBy: "| child").count == 2 && logs.components(separatedBy: "| main").count == 2, "\(logs)")
    await workspace.remove()
  }

  @Test func aSecretIsInTheContainerAndNotAmongTheArguments() async throws {
    let workspace = try await workspace(
      "env: { MY_TOKEN: sesame, COLOR: red }\nuser: '1234:1234'", script: "env; umask; busybox id; sleep 1000")
    let up = try workspace.lastcall("up")
    let logs = try await workspace.until("logs", "uid=1234 gid=1234")
    for line in ["MY_TOKEN=sesame", "COLOR=red", "LASTCALL_GRACE=29"] { #expect(logs.contains("| \(line)\n"), "\(logs)") }
    // podman's client, and the keeper, which has been told of it.
    let client = try #require(try await workspace.rows().first?.pid)
    for pid in [client, try #require(ProcessRecord(pid: client)).parent] {
      let words = try String(contentsOfFile: "/proc/\(pid)/cmdline", encoding: .utf8)
      #expect(words.contains("MY_TOKEN") && words.contains("COLOR=red") && !words.contains("sesame"))
    }
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  @Test func sidecarsRunBesideTheContainerAndEndAfterIt() async throws {
    let workspace = try await workspace(
      """
      podman: ['--volume=.:/scratch']
      live: { exec: [test, -d, /scratch], every: 100ms, timeout: 10s }
      sidecars:
        - name: mesh
          command: [sh, -c, "trap 'echo mesh >> trace; exit 0' TERM; touch mesh; while :; do sleep 0.05; done"]
          ready: { exec: [test, -e, mesh], every: 20ms }
      """, script: "trap 'sleep 0.3; echo main >> /scratch/trace; exit 7' TERM; echo here; while :; do sleep 0.05; done")
    let up = try workspace.lastcall("up")
    try await up.says("web-1-mesh started")
    try await workspace.until("logs", "| here", "web-1")
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    #expect(try String(contentsOfFile: workspace.directory + "/trace", encoding: .utf8) == "main\nmesh\n")
    #expect(up.output.contains("web-1 exited with 7") && !up.output.contains("Unhealthy"), "\(up.output)")
    await workspace.remove()
  }

  /// A listener that was handed on, an sd_notify socket and an own port work in a container as they do without, also for a user who is not root.
  @Test(arguments: [("socket", "notify"), ("proxy", "{ http: / }")])
  func containersAreReplacedUnderLoadAndLoseNothing(via: String, ready: String) async throws {
    let workspace = try Product.imageWorkspace()
    chmod(workspace.directory, 0o755)
    let port = try freePort()
    try workspace.write("serve.py", Self.server)
    let system = ["/usr", "/lib", "/lib64"].map { "--volume=\($0):\($0):ro" }.joined(separator: ", ")
    try workspace.write(
      "lastcall.yaml",
      """
      apps:
        web:
          image: \(try ContainerImage.name)
          runtime: podman
          podman: [\(system), --volume=.:/srv:ro]
          command: [/usr/bin/python3, /srv/serve.py, \(via == "proxy" ? "$PORT" : "-")]
          user: '1234:1234'
          replicas: 2
          listen: { port: \(port), via: \(via) }
          ready: \(ready)
          stop: { plan: TERM/100/KILL, grace: 110s }
          update: { settle: 0s }
      """)
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    let load = try workspace.start(
      Product.path("LoadClient"),
      ["http://127.0.0.1:\(port)", "--duration", "10m", "--connections", "8", "--think", "10ms", "--mix", "keep-alive=2,new=2", "--json"])
    try await load.says("ready")
    let restart = try workspace.lastcall("restart")
    #expect(await restart.ended() == .code(0), "\(restart.output)")
    #expect(try await workspace.containers() == ["web-3", "web-4"])
    load.send(.int)
    #expect(await load.ended() == .code(0), "\(load.output)")
    #expect(load.output.contains("\"lost\":0"), "\(load.output)")
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    for name in 1...4 { #expect(up.output.contains("web-\(name) ended"), "\(up.output)") }
    #expect(!up.output.contains("KILL"), "\(up.output)")
    let logs = try workspace.lastcall("logs", "--previous")
    _ = await logs.ended()
    #expect(logs.output.isEmpty, "\(logs.output)")
    await workspace.remove()
  }

  /// Serves a listener that it was handed (sd_listen_fds(3)), or a port, and lets requests end at TERM.
  private static let server = """
    import http.server, os, signal, socket, sys, threading
    class Handler(http.server.BaseHTTPRequestHandler):
      def do_GET(self):
        self.send_response(200); self.send_header("content-length", "5"); self.end_headers(); self.wfile.write(b"here\\n")
      def log_message(self, *words): pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
    server.daemon_threads = False
    if sys.argv[1] == "-":
      assert os.environ["LISTEN_PID"] == str(os.getpid()) and os.environ["LISTEN_FDS"] == "1"
      server.socket = socket.socket(fileno=3)
      server.socket.setblocking(False)
    else:
      server.server_address = ("127.0.0.1", int(sys.argv[1]))
      server.server_bind(); server.server_activate()
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
    server.serve_forever(poll_interval=0.05)
    server.server_close()
    """

  @Test func anImageThatIsNotThereIsToldInPodmansWords() async throws {
    let workspace = try Product.imageWorkspace()
    try workspace.write("lastcall.yaml", "apps:\n  web: { image: localhost/no-such, runtime: podman, restart: { backoff: 10ms..60s } }\n")
    let up = try workspace.lastcall("up")
    try await up.says("image not known")
    try await up.says("BackOff")
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  @Test func whatPodmanRefusesIsToldInItsWords() async throws {
    let workspace = try await workspace("podman: [--no-such-option]")
    let up = try workspace.lastcall("up")
    try await up.says("web-1 did not start: unknown flag: --no-such-option")
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  @Test func withoutPodmanNothingIsStarted() async throws {
    var workspace = try await workspace("")
    workspace.variables["PATH"] = workspace.directory
    for command in ["up", "validate"] {
      let run = try workspace.lastcall(command)
      #expect(await run.ended() == .code(2))
      #expect(run.output.contains("lastcall.yaml:4:14: apps.web.runtime: command not found: podman"), "\(run.output)")
    }
    await workspace.remove()
  }

  @Test func anInitThatNeedsLibrariesIsRefused() async throws {
    var workspace = try await workspace("")
    workspace.variables["LASTCALL_INIT"] = Product.path("lastcall-init")
    let up = try workspace.lastcall("up")
    #expect(await up.ended() == .code(1))
    #expect(up.output.contains("the static lastcall-init, but that at \(Product.path("lastcall-init")) is not static"), "\(up.output)")
    await workspace.remove()
  }
}

extension Product {
  /// A fresh directory in which podman runs as this kernel permits it.
  static func imageWorkspace() throws -> Workspace {
    var workspace = try workspace()
    try workspace.write(
      "containers.conf",
      """
      [containers]
      default_ulimits = ["nproc=1000:1000", "nofile=1024:1024"]
      netns = "host"
      [engine]
      runtime = "runc"
      cgroup_manager = "cgroupfs"
      [engine.runtimes]
      runc = ["/usr/sbin/runc"]
      """)
    workspace.variables = ["CONTAINERS_CONF": workspace.directory + "/containers.conf", "HOME": "/root"]
    workspace.variables["LASTCALL_INIT"] = Podman.initPath
    return workspace
  }
}

extension Workspace {
  /// The replicas that podman has containers of, whatever their state.
  func containers() async throws -> [String] {
    let names = try await Podman.run(["ps", "--all", "--format", "{{.Names}}", "--filter", "name=^\(containerPrefix)"])
    return names.split(separator: "\n").map { String($0.dropFirst(containerPrefix.count)) }.sorted()
  }

  /// What all names of its containers begin with.
  private var containerPrefix: String {
    let key = ((try? FileManager.default.contentsOfDirectory(atPath: directory + "/run")) ?? []).first ?? ""
    return "lastcall-\(key)-"
  }

  /// The processes of a replica's container, by their numbers here.
  func processes(of replica: String) async throws -> [Int32] {
    try await Podman.run(["top", containerPrefix + replica, "hpid"]).split(separator: "\n").compactMap { Int32($0) }
  }

  /// The replicas' main processes.
  func pids() async throws -> [String: Int32] { Dictionary(uniqueKeysWithValues: try await rows().map { ($0.name, $0.pid ?? 0) }) }

  /// Runs a command of lastcall again and again until it prints a text.
  /// - Returns: what it printed.
  @discardableResult
  func until(_ command: String, _ text: String, _ arguments: String...) async throws -> String {
    var found = ""
    let came = try await eventually {
      let run = try start(Product.path("lastcall"), [command] + arguments)
      _ = await run.ended()
      found = run.output
      return found.contains(text)
    }
    if !came { Issue.record("\"\(text)\" did not come in:\n\(found)") }
    return found
  }
}
