import Foundation
import Load
import StopPlan
import Testing

/// The main job: all replicas replaced under load, and no request lost.
@Suite(.serialized) struct RollingRestartTests {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

  @Test func helloViaSocketLosesNothing() async throws {
    try await restartUnderLoad(app: hello(via: "socket", ready: "notify"), load: ["--verify-post", "--same-body"])
  }

  @Test func helloViaProxyLosesNothing() async throws {
    try await restartUnderLoad(app: hello(via: "proxy", ready: "{ http: /readyz }"), load: ["--verify-post", "--same-body"])
  }

  @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/sbin/nginx"), "nginx is not installed"))
  func nginxViaProxyLosesNothing() async throws {
    let app = """
      command: [\(Self.root)/Examples/nginx/start, $PORT]
          replicas: 3
          listen: { port: PORT, via: proxy }
          ready: { http: / }
          stop: { plan: QUIT/20/TERM/5/KILL, grace: 30s }
      """
    try await restartUnderLoad(app: app, load: ["--path-slow", "/slow.bin", "--path-stream", "/stream.bin", "--same-body"])
  }

  @Test func aProxyThatDiesIsReplaced() async throws {
    let workspace = try Product.workspace()
    let port = try freePort()
    let app = hello(via: "proxy", ready: "{ http: /readyz }").replacingOccurrences(of: "PORT,", with: "\(port),")
    try workspace.write("lastcall.yaml", "apps:\n  web:\n    \(app)\n    restart: { backoff: 10ms..1s }\n")
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    let found = try workspace.start("/usr/bin/pkill", ["-KILL", "-f", "ingress --control \(workspace.directory)"])
    _ = await found.ended()
    try await up.says("ProxyEnded")
    let load = try workspace.start(Product.path("LoadClient"), ["http://127.0.0.1:\(port)", "--requests", "200", "--json"])
    #expect(await load.ended() == .code(0), "\(load.output)")
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  private func hello(via: String, ready: String) -> String {
    """
    command: [\(Product.path("hello"))]
        replicas: 3
        listen: { port: PORT, via: \(via) }
        ready: \(ready)
        stop: { plan: TERM/25/KILL, grace: 30s }
    """
  }

  private func restartUnderLoad(app: String, load options: [String]) async throws {
    let workspace = try Product.workspace()
    let port = try freePort()
    try workspace.write("lastcall.yaml", "apps:\n  web:\n    " + app.replacingOccurrences(of: "PORT,", with: "\(port),"))
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    let load = try workspace.start(Product.path("LoadClient"), ["http://127.0.0.1:\(port)", "--duration", "10m", "--json"] + options)
    try await load.says("ready")
    for _ in 0..<2 {
      let restart = try workspace.lastcall("restart")
      let status = await restart.ended()
      #expect(status == .code(0), "\(restart.output)")
      #expect(restart.output.components(separatedBy: " Exited ").count == 4, "\(restart.output)")
    }
    load.send(.int)
    let loadStatus = await load.ended()
    #expect(loadStatus == .code(0), "\(load.output)")
    let json = load.output.split(separator: "\n").last { $0.hasPrefix("{") } ?? ""
    let report = try JSONDecoder().decode(Counts.self, from: Data(json.utf8))
    #expect(report.lost == 0)
    #expect(report.requests > 500)
    #expect(report.replicas.count == 9)
    up.send(.int)
    let status = await up.ended()
    #expect(status == .code(0), "\(up.output)")
    #expect(!up.output.contains("KILL"))
    await workspace.remove()
  }

  private struct Counts: Decodable {
    var lost: Int
    var requests: Int
    var replicas: [String: Int]
  }
}
