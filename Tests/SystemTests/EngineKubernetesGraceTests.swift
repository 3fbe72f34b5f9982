import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// How the grace is spent, in lastcall's order and in Kubernetes' (pkg/kubelet/kuberuntime/kuberuntime_container.go, killContainer). Times are
/// compared with what they may not be less than; nothing is said of how soon a slow machine does something.
@Suite(.serialized) struct EngineKubernetesGraceTests {
  static let orders = EngineKubernetesTests.orders

  @Test("should respect termination grace period seconds", arguments: orders)
  func respectsGrace(like: String) async throws {
    let test = try LifecycleCase(stop: like + "grace: 60s", main: "life=0.5")
    let up = try await test.up()
    try await test.lastcall("stop", "web")
    test.order("TERM main", "end main")
    #expect(try await !test.has("Exited", "KILL"))
    await test.down(up)
  }

  /// The hook hangs: it is ended with the tree, the program is told all the same, and KILL comes a floor later at most.
  @Test("should respect termination grace period seconds with long-running preStop hook", arguments: orders)
  func hookHangs(like: String) async throws {
    let test = try LifecycleCase(
      stop: like + "grace: 2s, preStop: { \(LifecycleCase.hook(then: "echo $$$$ > hook-pid; sleep 300")) }", main: "deaf")
    let up = try await test.up()
    let asked = LifecycleCase.now
    try await test.lastcall("stop", "web")
    let (told, ended) = (try test.time("TERM main"), try await test.event("Exited", "web-1 was ended by KILL").at)
    // lastcall keeps a quarter of the grace from hooks; Kubernetes gives them all of it, and two seconds more to the program.
    #expect(told - asked >= (like.isEmpty ? 1.5 : 2))
    #expect(ended - asked >= (like.isEmpty ? 2 : 4))
    #expect(ended - asked < 300)
    #expect(try await test.has("FailedPreStopHook", "had not ended when its time was up"))
    let hook = try #require(Int32(try String(contentsOfFile: test.workspace.directory + "/hook-pid", encoding: .utf8).dropLast()))
    #expect(kill(hook, 0) != 0)
    await test.down(up)
  }

  /// The same clock for a hook that we ask by HTTP, also when it is made shorter meanwhile.
  @Test("an http hook that never answers ends with the grace, also with a shorter one", arguments: orders)
  func httpHookHangs(like: String) async throws {
    let port = try freePort()
    let test = try LifecycleCase(stop: like + "grace: 400s, preStop: { http: { path: /hang, port: \(port) } }", main: "port=\(port)")
    let up = try await test.up()
    let stop = try test.workspace.lastcall("stop", "web")
    try await test.until("GET/hang main")
    try await test.lastcall("stop", "-t", "1", "web")
    #expect(await stop.ended() == .code(0))
    test.order("GET/hang main", "TERM main", "end main")
    #expect(try await test.event("Exited", "web-1").at - test.event("Killing").at < 300)
    #expect(try await test.has("FailedPreStopHook", "no answer when its time was up"))
    await test.down(up)
  }

  @Test("a grace of zero skips the hook and kills at once")
  func zeroGrace() async throws {
    let test = try LifecycleCase(
      stop: "grace: 400s, preStop: { \(LifecycleCase.hook()) }",
      more: ["sidecars:", LifecycleCase.sidecar("mesh", preStop: LifecycleCase.hook("mesh"))])
    let up = try await test.up()
    try await test.lastcall("stop", "-t", "0", "web")
    #expect(test.trace().allSatisfy { $0.hasPrefix("start") }, "\(test.trace())")
    #expect(try await test.has("Exited", "web-1 was ended by KILL"))
    #expect(try await test.has("Exited", "web-1-mesh was ended by KILL"))
    await test.down(up)
  }

  @Test("a declared grace of zero kills at once")
  func declaredZeroGrace() async throws {
    let test = try LifecycleCase(stop: "grace: 0")
    let up = try await test.up()
    try await test.lastcall("stop", "web")
    #expect(test.trace() == ["start main"])
    await test.down(up)
  }

  /// kubectl delete --grace-period=0 --force: kubelet still gives a second to the hook and two to the program.
  @Test("a forced deletion leaves a second and two more, for Kubernetes")
  func forcedDeletion() async throws {
    let test = try LifecycleCase(stop: "like: kubernetes, grace: 400s, preStop: { \(LifecycleCase.hook()) }", main: "deaf")
    let up = try await test.up()
    let asked = LifecycleCase.now
    try await test.lastcall("stop", "-t", "0", "web")
    test.order("hook main", "TERM main")
    #expect(try await test.event("Exited", "KILL").at - asked >= 2)
    await test.down(up)
  }

  /// A hook of 0.3 s costs nothing: the whole grace is left after it. Where a slow machine makes more than a second of it, that is deducted.
  @Test("the hook's time is deducted in whole seconds, for Kubernetes")
  func truncatedSeconds() async throws {
    let test = try LifecycleCase(stop: "like: kubernetes, grace: 3s, preStop: { sleep: 300ms }", main: "deaf")
    let up = try await test.up()
    let asked = LifecycleCase.now
    try await test.lastcall("stop", "web")
    let (told, ended) = (try test.time("TERM main"), try await test.event("Exited", "KILL").at)
    let left = max(2, 3 - (told - asked).rounded(.down))
    #expect(ended - asked >= 0.3 + left)
    await test.down(up)
  }

  /// lastcall waits for the requests in flight; for Kubernetes TERM comes while they are, since nothing waits for the endpoint's removal.
  @Test("only Kubernetes sends TERM while a request is in flight", arguments: orders)
  func requestInFlight(like: String) async throws {
    let port = try freePort()
    let test = try LifecycleCase(
      stop: like + "grace: 400s", main: "port=$PORT deaf", more: ["listen: { port: \(port), via: proxy }", "restart: { policy: never }"])
    let up = try await test.up()
    let request = try test.workspace.start("/usr/bin/curl", ["-sf", "-o", "/dev/null", "http://127.0.0.1:\(port)/wait"])
    try await test.until("GET/wait main")
    let stop = try test.workspace.lastcall("stop", "web")
    if like.isEmpty {
      try await stop.says("1 request in flight")
      #expect(!test.trace().contains("TERM main"))
      try test.touch("go")
      #expect(await request.ended() == .code(0))
      try await test.until("TERM main")
    } else {
      try await test.until("TERM main")
      try test.touch("go")
      #expect(await request.ended() == .code(0))
    }
    try await test.lastcall("stop", "-t", "0", "web")
    _ = await stop.ended()
    await test.down(up)
  }

  /// (k): the router confirms that it has taken a replica out before that is told, so nothing comes to it afterwards. Its TERM is followed
  /// by a second in which it still answers and writes down whatever comes.
  @Test("no request reaches a replica after its TERM")
  func nothingAfterTERM() async throws {
    let workspace = try Product.workspace()
    let port = try freePort()
    try workspace.write(
      "server.py",
      """
      import http.server, os, signal, sys, threading, time
      told = threading.Event()
      class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        def log_message(self, *words): pass
        def do_GET(self):
          if told.is_set() and self.path != "/readyz": open("late", "a").write(self.path + "\\n")
          self.send_response(200); self.send_header("content-length", "0"); self.end_headers()
      def end(*_):
        told.set()
        open("told", "a").write(sys.argv[1] + "\\n")
        threading.Timer(1, os._exit, [0]).start()
      signal.signal(signal.SIGTERM, end)
      class Server(http.server.ThreadingHTTPServer):
        request_queue_size = 128
        daemon_threads = True
      Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
      """)
    try workspace.write(
      "lastcall.yaml",
      """
      apps:
        web:
          command: [/usr/bin/python3, server.py, $PORT]
          replicas: 2
          listen: { port: \(port), via: proxy }
          ready: { http: /readyz }
          update: { settle: 0s }
      """)
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    let load = try workspace.start(
      Product.path("LoadClient"), ["http://127.0.0.1:\(port)", "--duration", "10m", "--mix", "keep-alive=4,new=4", "--connections", "8"])
    try await load.says("ready")
    for _ in 0..<2 {
      let restart = try workspace.lastcall("restart")
      #expect(await restart.ended() == .code(0), "\(restart.output)")
    }
    load.send(.int)
    _ = await load.ended()
    let told = try String(contentsOfFile: workspace.directory + "/told", encoding: .utf8)
    #expect(told.split(separator: "\n").count == 4)
    #expect(!FileManager.default.fileExists(atPath: workspace.directory + "/late"))
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }
}
