import Foundation
import Linux
import StopPlan
import Testing

/// The proxy dies, again and again and in bad moments: another takes its place, and it knows every replica.
@Suite(.serialized) struct ProxyFailureTests {
  private func up(_ workspace: Workspace, _ port: Int, _ script: String? = nil) async throws -> Running {
    let command = script.map { "[/usr/bin/python3, \($0), $PORT]" } ?? "[/usr/bin/python3, -m, http.server, --bind, 127.0.0.1, $PORT]"
    try workspace.write(
      "lastcall.yaml",
      """
      apps:
        web:
          command: \(command)
          replicas: 2
          listen: { port: \(port), via: proxy }
          ready: { http: / }
          restart: { backoff: 10ms..200ms }
          update: { settle: 0s }
      """)
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    return up
  }

  /// - Returns: whether there was one.
  private func killProxy(_ workspace: Workspace) async throws -> Bool {
    let found = try workspace.start("/usr/bin/pkill", ["-KILL", "-f", "^[^ ]*/lastcall ingress --control \(workspace.directory)"])
    return await found.ended() == .code(0)
  }

  private func isServed(_ workspace: Workspace, _ port: Int) async throws {
    let script = "for i in $(seq 20); do curl -sS -o /dev/null -w '%{http_code}\\n' http://127.0.0.1:\(port)/; done"
    let answers = try workspace.start("/bin/sh", ["-c", script])
    _ = await answers.ended()
    #expect(answers.output == String(repeating: "200\n", count: 20), "\(answers.output)")
  }

  @Test func aProxyThatDiesWheneverItStartsIsStartedAgain() async throws {
    let workspace = try Product.workspace()
    let port = try freePort()
    let up = try await up(workspace, port)
    for times in 1...6 {
      #expect(try await eventually { try await killProxy(workspace) })
      try await up.says("ProxyEnded", times: times)
    }
    try await isServed(workspace, port)
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  /// Who asks for an app that was stopped is told so at once, by a proxy's successor too, and after an engine's death; held requests are for
  /// replicas that are to come.
  @Test func aStoppedAppIsAnsweredForAtOnce() async throws {
    let workspace = try Product.workspace()
    let port = try freePort()
    let up = try await up(workspace, port)
    func answer() async throws -> String {
      let curl = try workspace.start("/usr/bin/curl", ["-sS", "-i", "http://127.0.0.1:\(port)/"])
      _ = await curl.ended()
      return curl.output
    }
    let stop = try workspace.lastcall("stop", "web")
    #expect(await stop.ended() == .code(0), "\(stop.output)")
    var answers = [try await answer()]
    #expect(try await killProxy(workspace))
    try await up.says("ProxyEnded")
    #expect(
      try await eventually {
        answers.append(try await answer())
        return answers.last?.contains("The service is stopped.") ?? false
      })
    #expect(answers[0].contains("503 Service Unavailable") && answers[0].contains("The service is stopped."), "\(answers[0])")
    up.send(.kill)
    _ = await up.ended()
    // The next engine has to start one, and to tell it.
    #expect(try await killProxy(workspace))
    let again = try workspace.lastcall("up")
    #expect(try await eventually { (try? await workspace.rows().map(\.state)) == ["Stopped"] })
    #expect(try await eventually { try await answer().contains("The service is stopped.") })
    let start = try workspace.lastcall("start", "web")
    #expect(await start.ended() == .code(0), "\(start.output)")
    try await isServed(workspace, port)
    again.send(.int)
    #expect(await again.ended() == .code(0), "\(again.output)")
    await workspace.remove()
  }

  @Test func aRestartWhileTheProxyIsGoneEndsWithAllReplicasKnown() async throws {
    let workspace = try Product.workspace()
    let port = try freePort()
    let up = try await up(workspace, port)
    #expect(try await killProxy(workspace))
    let restart = try workspace.lastcall("restart")
    #expect(await restart.ended() == .code(0), "\(restart.output)")
    try await isServed(workspace, port)
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  @Test func aReplicaThatSaysItStopsGetsNoMoreRequests() async throws {
    let workspace = try Product.workspace()
    let port = try freePort()
    try workspace.write(
      "leaving.py",
      """
      import http.server, os, signal, socket, sys
      def leave(*_):
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.sendto(b"STOPPING=1", os.environ["NOTIFY_SOCKET"])
      signal.signal(signal.SIGUSR1, leave)
      class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self):
          body = str(os.getpid()).encode()
          self.send_response(200); self.send_header("content-length", str(len(body))); self.end_headers(); self.wfile.write(body)
      http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
      """)
    let up = try await up(workspace, port, "leaving.py")
    let leaving = try #require(try await workspace.rows().first)
    let pid = try #require(leaving.pid)
    kill(pid, SIGUSR1)
    try await up.says("\(leaving.name) says that it stops")
    let curl = "for i in $(seq 20); do curl -s http://127.0.0.1:\(port)/; echo; done"
    #expect(
      try await eventually {
        let answers = try workspace.start("/bin/sh", ["-c", curl])
        _ = await answers.ended()
        let lines = answers.output.split(separator: "\n")
        return lines.count == 20 && !lines.contains { $0 == "\(pid)" }
      })
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }
}
