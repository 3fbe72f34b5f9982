import Foundation
import Linux
import StopPlan
import Testing

/// Keepers of another version than the lastcall-keeper that is installed: they become that one, or go on as they are, and their programs
/// notice neither.
@Suite(.serialized) struct EngineKeeperVersionTests {
  /// A workspace with an installation of its own. Another process makes it: who has a program open for writing when a test beside us forks
  /// could not run it (ETXTBSY).
  private func workspace() async throws -> Workspace {
    var workspace = try Product.workspace()
    let binaries = workspace.directory + "/bin"
    try FileManager.default.createDirectory(atPath: binaries, withIntermediateDirectories: false)
    let copies = try workspace.start("/bin/cp", [Product.path("lastcall-init"), Product.path("lastcall-keeper"), binaries])
    #expect(await copies.ended() == .code(0), "\(copies.output)")
    workspace.variables["LASTCALL_INIT"] = binaries + "/lastcall-init"
    return workspace
  }

  /// Installs a lastcall-keeper in which a text is another, as a package does it: beside the old one, then renamed.
  private func install(_ workspace: Workspace, with text: String, for old: String) async throws {
    let script = """
      import os, sys
      old, new = (word.encode().decode("unicode_escape").encode() for word in sys.argv[1:])
      binary = open("bin/lastcall-keeper", "rb").read()
      assert old in binary and len(old) == len(new)
      with open("bin/new", "wb") as file: file.write(binary.replace(old, new))
      os.chmod("bin/new", 0o755)
      os.rename("bin/new", "bin/lastcall-keeper")
      """
    let installation = try workspace.start("/usr/bin/python3", ["-c", script, old, text])
    try #require(await installation.ended() == .code(0), "\(installation.output)")
  }

  private func installNewer(_ workspace: Workspace) async throws {
    try await install(workspace, with: "lastcall-init 0.1.9", for: "lastcall-init 0.1.0")
  }

  private struct Kept: Equatable {
    var main: ProcessIdentity?
    var keeper: ProcessIdentity?
  }

  private func kept(_ workspace: Workspace) async throws -> [Kept] {
    try await workspace.rows().map { row in
      let main = row.pid.flatMap { ProcessRecord(pid: $0) }
      return Kept(main: main?.identity, keeper: main.flatMap { ProcessRecord(pid: $0.parent)?.identity })
    }
  }

  private func file(_ keeper: ProcessIdentity?) throws -> String {
    try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(keeper?.pid ?? 0)/exe")
  }

  /// Programs that write without end, so that a torn or lost line would be seen.
  private func writers(_ workspace: Workspace) throws {
    let script = "i=0; while :; do i=$$((i+1)); echo line $$i; [ $$((i % 50)) -ne 0 ] || sleep 0.01; done"
    let more = "    replicas: 2\n    update: { settle: 0s }\n    logs: { size: 0 }\n"
    try workspace.write("lastcall.yaml", Workspace.sleeper(more, script: script))
  }

  private func isWhole(_ log: String) throws {
    let lines = try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n").dropLast()
    let numbers = lines.map { $0.components(separatedBy: "line ").last.flatMap { Int($0) } }
    #expect(numbers == (1...max(1, numbers.count)).map { $0 }, "\(log)")
  }

  @Test func anEngineThatComesBackHasKeepersBecomeTheNewOne() async throws {
    let workspace = try await workspace()
    try writers(workspace)
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    let before = try await kept(workspace)
    up.send(.kill)
    _ = await up.ended()
    try await installNewer(workspace)
    let again = try workspace.lastcall("up")
    try await again.says("is now lastcall-keeper 0.1.9, was 0.1.0", times: 2)
    #expect(try await kept(workspace) == before)
    for replica in before { #expect(try file(replica.keeper) == workspace.directory + "/bin/lastcall-keeper") }
    #expect(try await workspace.rows().map(\.state) == ["Ready", "Ready"])
    again.send(.int)
    #expect(await again.ended() == .code(0), "\(again.output)")
    for replica in ["web-1", "web-2"] { try isWhole(try #require(workspace.runFile("/\(replica)/log"))) }
    #expect(again.output.components(separatedBy: "KeeperUpgraded").count == 3, "\(again.output)")
    await workspace.remove()
  }

  @Test func aDeployHasKeepersBecomeTheNewOne() async throws {
    let workspace = try await workspace()
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
          sidecars:
            - { name: mesh, command: [sleep, "1000"] }
      """)
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    let before = try await kept(workspace)
    try await installNewer(workspace)
    let deploy = try workspace.lastcall("deploy")
    #expect(await deploy.ended() == .code(0))
    #expect(deploy.output.contains("the keeper of web-1 is now lastcall-keeper 0.1.9"), "\(deploy.output)")
    for name in ["web-1", "web-1-mesh", "web-proxy"] { try await up.says("the keeper of \(name) is now") }
    #expect(try await kept(workspace) == before)
    let request = try workspace.start("/usr/bin/curl", ["-sf", "-o", "/dev/null", "http://127.0.0.1:\(port)/"])
    #expect(await request.ended() == .code(0))
    // What is up to date is not asked again.
    let second = try workspace.lastcall("deploy")
    #expect(await second.ended() == .code(0))
    #expect(up.output.components(separatedBy: "KeeperUpgraded").count == 4, "\(up.output)")
    let restart = try workspace.lastcall("restart")
    #expect(await restart.ended() == .code(0), "\(restart.output)")
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  @Test func aKeeperThatCannotBecomeTheOtherGoesOn() async throws {
    let workspace = try await workspace()
    try workspace.write("lastcall.yaml", Workspace.sleeper("    update: { settle: 0s }\n"))
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    let before = try await kept(workspace)
    try await install(workspace, with: "lastcall-keeper state 9\\n", for: "lastcall-keeper state 1\\n")
    for _ in 0..<2 {
      let deploy = try workspace.lastcall("deploy")
      #expect(await deploy.ended() == .code(0), "\(deploy.output)")
    }
    #expect(up.output.components(separatedBy: "KeeperNotUpgraded").count == 2, "\(up.output)")
    #expect(try await kept(workspace) == before)
    #expect(try await workspace.rows().map(\.state) == ["Ready"])
    // An engine that comes back asks once, too, and goes on.
    up.send(.kill)
    _ = await up.ended()
    let again = try workspace.lastcall("up")
    try await again.says("KeeperNotUpgraded")
    #expect(try await kept(workspace) == before)
    let restart = try workspace.lastcall("restart")
    #expect(await restart.ended() == .code(0), "\(restart.output)")
    again.send(.int)
    #expect(await again.ended() == .code(0), "\(again.output)")
    await workspace.remove()
  }

  /// Between an engine and a keeper, which by what it is made to say speaks protocol 9. Notes what the engine says.
  private static let relay = """
    import os, socket, sys, threading
    path = sys.argv[1]
    os.rename(path, path + ".real")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    said = open("said", "ab", buffering=0)
    print("relaying", flush=True)
    def pump(source, target, pass_on):
      try:
        while data := source.recv(65536): target.sendall(pass_on(data))
      except OSError: pass
      for end in (source, target):
        try: end.shutdown(socket.SHUT_RDWR)
        except OSError: pass
    def note(data):
      said.write(data)
      return data
    while True:
      client, _ = listener.accept()
      keeper = socket.socket(socket.AF_UNIX)
      try: keeper.connect(path + ".real")
      except OSError: client.close(); continue
      threading.Thread(target=pump, args=(client, keeper, note), daemon=True).start()
      threading.Thread(
        target=pump, args=(keeper, client, lambda data: data.replace(b'"protocol":2', b'"protocol":9')), daemon=True).start()
    """

  @Test func aKeeperOfANewerProtocolIsFollowedAndStoppedAndNothingElse() async throws {
    let workspace = try await workspace()
    try workspace.write("lastcall.yaml", Workspace.sleeper("    update: { settle: 0s }\n    reload: { signal: HUP }\n"))
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    let before = try await kept(workspace)
    up.send(.kill)
    _ = await up.ended()
    try await installNewer(workspace)
    let relay = try workspace.start("/usr/bin/python3", ["-c", Self.relay, try #require(workspace.runFile("/web-1/control.sock"))])
    try await relay.says("relaying")
    let again = try workspace.lastcall("up")
    try await again.says("speaks protocol 9, this lastcall no newer than 2")
    #expect(try await workspace.rows().map(\.state) == ["Ready"])
    for arguments in [["kill", "-s", "USR1", "web"], ["reload", "web"], ["deploy"]] {
      _ = await (try workspace.start(Product.path("lastcall"), arguments)).ended()
    }
    try await again.says("NotSignalled")
    #expect(try await kept(workspace) == before)
    again.send(.int)
    #expect(await again.ended() == .code(0), "\(again.output)")
    #expect(before.allSatisfy { $0.main.flatMap { ProcessRecord(pid: $0.pid) }?.isZombie ?? true })
    let said = try String(contentsOfFile: workspace.directory + "/said", encoding: .utf8).split(separator: "\n")
    #expect(said.count >= 2 && said.allSatisfy { $0.hasPrefix("follow ") || $0.hasPrefix("stop ") }, "\(said)")
    relay.send(.kill)
    await workspace.remove()
  }
}
