import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// A stop under the engine that is made shorter, or hurried.
@Suite(.serialized) struct EngineStopTests {
  private struct Slow {
    let workspace: Workspace
    let up: Running
    /// The request that does not end.
    let request: Running

    func has(_ name: String) -> Bool { FileManager.default.fileExists(atPath: workspace.directory + "/" + name) }

    func end() async {
      up.send(.int)
      #expect(await up.ended() == .code(0), "\(up.output)")
      _ = await request.ended()
      await workspace.remove()
    }
  }

  /// An app by the proxy with a request in flight that would end after a thousand seconds; it notes TERM and goes on.
  private func slow(_ stop: String) async throws -> Slow {
    let workspace = try Product.workspace()
    let port = try freePort()
    try workspace.write(
      "slow.py",
      """
      import http.server, signal, sys, time
      signal.signal(signal.SIGTERM, lambda *_: open("told", "w"))
      class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
          if self.path == "/slow": open("begun", "w"); time.sleep(1000)
          self.send_response(200); self.send_header("content-length", "0"); self.end_headers()
      http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
      """)
    try workspace.write(
      "lastcall.yaml",
      """
      apps:
        web:
          command: [/usr/bin/python3, slow.py, $PORT]
          listen: { port: \(port), via: proxy }
          ready: { http: / }
          stop: { \(stop)plan: TERM/300/KILL, grace: 300s }
          update: { settle: 0s }
      """)
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    let slow = Slow(
      workspace: workspace, up: up, request: try workspace.start("/usr/bin/curl", ["-s", "http://127.0.0.1:\(port)/slow"]))
    #expect(try await eventually { slow.has("begun") })
    return slow
  }

  @Test func aStopIsShortenedWhileItDrains() async throws {
    let slow = try await slow("")
    let long = try slow.workspace.lastcall("stop")
    try await long.says("1 request in flight")
    let began = Clock.now
    let short = try slow.workspace.lastcall("stop", "-t", "1")
    _ = await short.ended()
    #expect(Clock.now - began < .seconds(100))
    try await slow.up.says("nothing of web runs any more")
    await slow.end()
  }

  /// By the proxy, whose requests in flight a stop waits for, and with a hook that hangs.
  @Test(arguments: ["", "preStop: { exec: [sh, -c, 'touch hook; sleep 1000'] }, "])
  func nowSkipsToTheNextSignal(preStop: String) async throws {
    let slow = try await slow(preStop)
    let began = Clock.now
    let long = try slow.workspace.lastcall("stop")
    try await long.says("1 request in flight")
    #expect(!slow.has("hook") && !slow.has("told"))
    let first = try slow.workspace.lastcall("stop", "--now")
    #expect(try await eventually { slow.has("told") }, "\(slow.up.output)")
    let second = try slow.workspace.lastcall("stop", "--now")
    #expect(await second.ended() == .code(0), "\(second.output)")
    try await slow.up.says("web-1 was ended by KILL")
    #expect(Clock.now - began < .seconds(100))
    _ = await first.ended()
    await slow.end()
  }

  /// What comes before the first signal may be over when it is skipped.
  @Test(arguments: ["sleep: 0", "exec: [./bad]", "exec: ['true']", "exec: [sleep, '1000']"])
  func nowNeverSkipsTheFirstSignal(preStop: String) async throws {
    let workspace = try Product.workspace()
    // KILL would follow TERM by a floor of a second, before it is done.
    try workspace.write("program.sh", "trap 'sleep 2; touch done; exit 0' TERM\ntouch up\nwhile :; do sleep 0.05; done\n")
    // There, and cannot be executed.
    try workspace.write("bad", "#!/missing\n")
    chmod(workspace.directory + "/bad", 0o755)
    try workspace.write(
      "lastcall.yaml",
      """
      apps:
        web:
          command: [sh, program.sh]
          ready: { exec: [test, -e, up], every: 20ms }
          stop: { preStop: { \(preStop) }, plan: TERM/300/KILL, grace: 300s }
          sidecars: [{ name: mesh, command: [sleep, '1000'], stop: { preStop: { exec: [sleep, '1000'] } } }]
      """)
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    let began = Clock.now
    let stop = try workspace.lastcall("stop", "--now")
    #expect(await stop.ended() == .code(0), "\(stop.output)")
    #expect(FileManager.default.fileExists(atPath: workspace.directory + "/done"), "\(up.output)")
    #expect(up.output.contains("web-1 ended"), "\(up.output)")
    // The sidecar's hook is not waited for either.
    #expect(Clock.now - began < .seconds(100))
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  @Test func aStopDoesNotWaitForASidecarThatNeverGetsReady() async throws {
    let workspace = try Product.workspace()
    try workspace.write(
      "lastcall.yaml",
      """
      apps:
        web:
          command: [sleep, '1000']
          update: { settle: 0s, deadline: 600s }
          sidecars:
            - { name: mesh, command: [sleep, '2000'], ready: { exec: ['false'] } }
      """)
    let up = try workspace.lastcall("up")
    try await up.says("web-1-mesh started")
    let began = Clock.now
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    #expect(Clock.now - began < .seconds(100))
    #expect(!up.output.contains("Failed"), "\(up.output)")
    await workspace.remove()
  }
}
