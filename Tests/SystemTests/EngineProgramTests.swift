import Foundation
import StopPlan
import Testing

/// Programs as Debian has them, each told in its own way: started, deployed, reloaded and stopped under light load, and no request lost.
@Suite(.serialized) struct EngineProgramTests {
  private static func isThere(_ program: String) -> Bool { FileManager.default.isExecutableFile(atPath: program) }

  // MARK: - nginx: QUIT lets requests end, HUP reads the configuration again (nginx(8))

  @Test(.enabled(if: isThere("/usr/sbin/nginx"), "nginx is not installed"), arguments: [false, true])
  func nginx(quitsByHook: Bool) async throws {
    let workspace = try Product.workspace()
    // Its workers are another user's.
    chmod(workspace.directory, 0o755)
    // nginx may end before the hook that told it to has: TERM@rest leaves that a moment, where KILL would be next.
    let quit = #"preStop: { exec: [/usr/sbin/nginx, -s, quit, -c, "$TMPDIR/lastcall-nginx-\#(getuid())-$PORT/nginx.conf"] }"#
    let service = Service(
      """
      command: [\(RollingRestartTests.root)/Examples/nginx/start, $PORT]
      env: { TMPDIR: \(workspace.directory) }
      listen: { port: PORT, via: proxy }
      ready: { http: / }
      reload: { signal: HUP }
      stop: { plan: QUIT/60/TERM@rest/5/KILL, grace: 70s\(quitsByHook ? ", " + quit : "") }
      """, asked: "/upload", says: "taken",
      load: ["--path-slow", "/slow.bin", "--path-stream", "/stream.bin", "--mix", "keep-alive=3,new=2,slow=1,stream=1,post=1"])
    try await service.isServed(in: workspace) {
      try workspace.edit { $0.hasSuffix("nginx.conf") ? "taken" : nil }
    }
  }

  // MARK: - apache2: WINCH lets requests end, USR1 reads the configuration again and lets them end too (apache2(8), stopping.html)

  @Test(.enabled(if: isThere("/usr/sbin/apache2"), "apache2 is not installed"))
  func apache() async throws {
    let workspace = try Product.workspace()
    let modules = ["mpm_event", "authz_core", "dir", "alias", "env"].map { "LoadModule \($0)_module /usr/lib/apache2/modules/mod_\($0).so" }
    try workspace.write(
      "apache.conf",
      """
      \(modules.joined(separator: "\n"))
      ServerName localhost
      ServerRoot ${DIRECTORY}
      DefaultRuntimeDir ${DIRECTORY}
      PidFile ${DIRECTORY}/apache-${PORT}.pid
      ErrorLog /dev/stderr
      Listen 127.0.0.1:${PORT}
      User nobody
      Group nogroup
      DocumentRoot ${DIRECTORY}/www
      DirectoryIndex index.html
      <Directory ${DIRECTORY}/www>
        Require all granted
      </Directory>
      Redirect 404 /asked
      ErrorDocument 404 "taken"
      """)
    try FileManager.default.createDirectory(atPath: workspace.directory + "/www", withIntermediateDirectories: true)
    try workspace.write("www/index.html", "hello\n")
    let service = Service(
      """
      command: [/usr/sbin/apache2, -D, FOREGROUND, -f, \(workspace.directory)/apache.conf]
      env: { DIRECTORY: \(workspace.directory) }
      listen: { port: PORT, via: proxy }
      ready: { http: / }
      reload: { signal: USR1 }
      stop: { plan: WINCH/60/TERM/5/KILL, grace: 70s }
      """, asked: "/asked", says: "taken", load: ["--mix", "keep-alive=4,new=4"])
    try await service.isServed(in: workspace) { try workspace.edit { $0 == "apache.conf" ? "taken" : nil } }
  }

  // MARK: - gunicorn: TERM lets requests end, HUP starts workers with the program as it is now (gunicorn's docs, signals)

  @Test(.enabled(if: isThere("/usr/bin/gunicorn"), "gunicorn is not installed"))
  func gunicorn() async throws {
    let workspace = try Product.workspace()
    try workspace.write(
      "shop.py",
      """
      import os, time
      def app(environ, start):
        if environ["PATH_INFO"] == "/slow": time.sleep(0.3)
        body = b"taken"
        start("200 OK", [("Content-Length", str(len(body))), ("X-Replica", str(os.getppid()))])
        return [body]
      """)
    let service = Service(
      """
      command: [/usr/bin/gunicorn, --workers, '3', --graceful-timeout, '60', --no-sendfile, shop:app]
      listen: { port: PORT, via: socket }
      ready: notify
      reload: { signal: HUP }
      stop: { plan: TERM/70/KILL, grace: 80s }
      """, asked: "/", says: "taken", load: ["--path-slow", "/slow", "--mix", "keep-alive=2,new=2,slow=1"])
    try await service.isServed(in: workspace) { try workspace.edit { $0 == "shop.py" ? "taken" : nil } }
  }
}

/// An app of a real program, and what shows that it has read its configuration again.
private struct Service {
  let app: String
  let asked: String
  let says: String
  let load: [String]

  init(_ app: String, asked: String, says: String, load: [String]) {
    (self.app, self.asked, self.says, self.load) = (app, asked, says, load)
  }

  private struct Counts: Decodable {
    var lost: Int
    var requests: Int
  }

  /// - Parameter change: changes the configuration, so that it says "changed".
  func isServed(in workspace: Workspace, change: () throws -> Void) async throws {
    let port = try freePort()
    // Workers are other users.
    chmod(workspace.directory, 0o755)
    func write(_ more: String) throws {
      let fields = app.replacingOccurrences(of: "PORT,", with: "\(port),").split(separator: "\n").map(String.init)
      let lines = fields + ["replicas: 2", "update: { settle: 0s }", more]
      try workspace.write("lastcall.yaml", "apps:\n  web:\n" + lines.map { "    \($0)\n" }.joined())
    }
    try write("")
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    // Nothing of the rest would come.
    guard up.output.contains("RolloutComplete") else { return await workspace.remove() }
    let load = try workspace.start(
      Product.path("LoadClient"),
      ["http://127.0.0.1:\(port)", "--duration", "10m", "--connections", "16", "--think", "10ms", "--json"] + self.load)
    try await load.says("ready")
    #expect(try await answer(workspace, port) == says)
    try change()
    try await succeeds(workspace, "reload")
    // Each replica on its own, so that some answers are the old ones for a while.
    #expect(
      try await eventually {
        for _ in 0..<6 where try await answer(workspace, port) != "changed" { return false }
        return true
      })
    #expect(try await workspace.rows().map(\.name) == ["web-1", "web-2"])
    try write("umask: '022'")
    try await succeeds(workspace, "deploy")
    try await succeeds(workspace, "restart")
    #expect(try await workspace.rows().map(\.name) == ["web-5", "web-6"])
    load.send(.int)
    #expect(await load.ended() == .code(0), "\(load.output)")
    let json = load.output.split(separator: "\n").last { $0.hasPrefix("{") } ?? ""
    let report = try JSONDecoder().decode(Counts.self, from: Data(json.utf8))
    #expect(report.lost == 0 && report.requests > 100, "\(load.output)")
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    for name in 1...6 { #expect(up.output.contains("web-\(name) ended"), "\(up.output)") }
    for word in ["KILL", "Failed", "BackOff"] { #expect(!up.output.contains(word), "\(up.output)") }
    await workspace.remove()
  }

  private func succeeds(_ workspace: Workspace, _ command: String) async throws {
    let run = try workspace.lastcall(command)
    #expect(await run.ended() == .code(0), "\(run.output)")
  }

  private func answer(_ workspace: Workspace, _ port: Int) async throws -> String {
    let request = try workspace.start("/usr/bin/curl", ["-s", "http://127.0.0.1:\(port)\(asked)"])
    _ = await request.ended()
    return request.output.trimmingCharacters(in: .whitespacesAndNewlines)
  }
}

extension Workspace {
  /// Writes "changed" for a word in files.
  /// - Parameter word: which in the file of that name; nil leaves it alone.
  fileprivate func edit(_ word: (String) -> String?) throws {
    for case let name as String in FileManager.default.enumerator(atPath: directory) ?? .init() {
      guard let word = word(name) else { continue }
      let text = try String(contentsOfFile: directory + "/" + name, encoding: .utf8)
      try write(name, text.replacingOccurrences(of: word, with: "changed"))
    }
  }
}
