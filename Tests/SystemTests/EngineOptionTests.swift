import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// Options of commands that show, undo and install.
@Suite(.serialized) struct EngineOptionTests {
  @discardableResult
  private func lastcall(_ workspace: Workspace, _ arguments: String..., code: UInt8 = 0, _ location: SourceLocation = #_sourceLocation)
    async throws -> String
  {
    let run = try workspace.start(Product.path("lastcall"), arguments)
    let status = await run.ended()
    #expect(status == .code(code), "\(run.output)", sourceLocation: location)
    return run.output
  }

  private func file(_ workspace: Workspace, seconds: Int = 1000, _ more: String = "") throws {
    try workspace.write(
      "lastcall.yaml", Workspace.sleeper("    update: { settle: 0s }\n" + more, script: "echo first; exec sleep \(seconds)"))
  }

  // MARK: - ps

  @Test func psWatchShowsWhatChangesUntilInt() async throws {
    let workspace = try Product.workspace()
    try file(workspace)
    try await lastcall(workspace, "up", "-d")
    let watch = try workspace.lastcall("ps", "--watch")
    try await watch.says("web-1           Ready")
    #expect(!watch.output.contains("web-2"), "\(watch.output)")
    // What it was asked for before it waited for events must not have been all: it goes on with every change.
    try await lastcall(workspace, "scale", "web=2")
    try await watch.says("web-2           Ready")
    try await lastcall(workspace, "kill", "-s", "KILL", "web-1")
    try await watch.says("web-3           Ready")
    watch.send(.int)
    #expect(await watch.ended().shellCode == 130, "\(watch.output)")
    // Each time all of them are shown, with their head; the last table may have been cut off.
    let tables = watch.output.components(separatedBy: "\n\n").dropLast()
    #expect(tables.count >= 3 && tables.allSatisfy { $0.hasPrefix("NAME ") && $0.contains("\nweb-") }, "\(watch.output)")
    #expect(try await workspace.rows().filter { $0.state == "Ready" }.count == 2)
    try await lastcall(workspace, "down")
    await workspace.remove()
  }

  @Test func psWideTellsRevisionKeeperAndReason() async throws {
    let workspace = try Product.workspace()
    let mesh = "    sidecars:\n      - { name: mesh, command: [sleep, '1000'] }\n"
    try file(workspace, mesh)
    try await lastcall(workspace, "up", "-d")
    try file(workspace, seconds: 2000, mesh)
    try await lastcall(workspace, "deploy")
    // One that was replaced may still be there for a moment.
    #expect(try await eventually { try await workspace.rows().map(\.name) == ["web-2", "web-2-mesh"] })
    let rows = try await workspace.rows()
    let wide = try await lastcall(workspace, "ps", "-o", "wide").split(separator: "\n").map(String.init)
    let head = ["NAME", "STATE", "PID", "PORT", "IN", "FLIGHT", "AGE", "REVISION", "KEEPER", "REASON", "MESSAGE"]
    #expect(wide.first?.split(separator: " ").map(String.init) == head, "\(wide)")
    #expect(wide.count == 3, "\(wide)")
    for (row, line) in zip(rows, wide.dropFirst()) {
      let pid = try #require(row.pid)
      let keeper = try #require(ProcessRecord(pid: pid)).parent
      let words = line.split(separator: " ").map(String.init)
      #expect(words.count == 9, "\(line)")
      #expect(Array(words.prefix(5)) == [row.name, "Ready", "\(pid)", "-", "-"], "\(line)")
      #expect(Array(words.suffix(3)) == ["2", "\(keeper)", "Serving"], "\(line)")
      // The columns are below their heads.
      for (column, word) in [("REVISION", "2"), ("KEEPER", "\(keeper)"), ("REASON", "Serving")] {
        let place = try #require(wide[0].range(of: column)).lowerBound.utf16Offset(in: wide[0])
        #expect(line.dropFirst(place).hasPrefix(word), "\(column) in \(wide)")
      }
    }
    #expect(try await lastcall(workspace, "ps").contains("KEEPER") == false)
    try await lastcall(workspace, "down")
    await workspace.remove()
  }

  // MARK: - logs --since

  /// An engine whose replica has written a line now, and one at another time.
  private func logged(at time: String) async throws -> Workspace {
    let workspace = try Product.workspace()
    try file(workspace)
    try await lastcall(workspace, "up", "-d")
    #expect(try await eventually { try await lastcall(workspace, "logs").contains("first") })
    let path = try #require(workspace.runFile("/web-1/log"))
    let log = try #require(FileHandle(forWritingAtPath: path))
    try log.seekToEnd()
    try log.write(contentsOf: Data("\(time) stdout F older\n".utf8))
    try log.close()
    return workspace
  }

  /// The texts that `logs` shows.
  private func shown(_ workspace: Workspace, _ since: String) async throws -> [String] {
    try await lastcall(workspace, "logs", "--since", since).split(separator: "\n").compactMap { $0.components(separatedBy: " | ").last }
  }

  @Test func logsSinceATimeAndSinceAnAge() async throws {
    let hour = 3600.0
    let formatter = ISO8601DateFormatter()
    let time = formatter.string(from: Date(timeIntervalSinceNow: -2 * hour)).replacingOccurrences(of: "Z", with: ".250000000Z")
    let workspace = try await logged(at: time)
    #expect(try await shown(workspace, formatter.string(from: Date(timeIntervalSinceNow: -3 * hour))) == ["older", "first"])
    #expect(try await shown(workspace, formatter.string(from: Date(timeIntervalSinceNow: -hour))) == ["first"])
    #expect(try await shown(workspace, formatter.string(from: Date(timeIntervalSinceNow: hour))) == [])
    #expect(try await shown(workspace, "3h") == ["older", "first"])
    #expect(try await shown(workspace, "60m") == ["first"])
    let follower = try workspace.lastcall("logs", "-f", "--since", "60m")
    try await follower.says("first")
    #expect(!follower.output.contains("older"), "\(follower.output)")
    follower.send(.int)
    _ = await follower.ended()
    let wrong = try await lastcall(workspace, "logs", "--since", "yesterday", code: 2)
    #expect(wrong.contains("expected an age such as 90s, 5m or 2h, or a time such as 2026-11-22T08:00:00Z; found yesterday"), "\(wrong)")
    try await lastcall(workspace, "down")
    await workspace.remove()
  }

  /// Lines have fractions of seconds, and the time that is asked for has none: what was written in that second is since then.
  @Test func logsSinceASecondShowWhatWasWrittenInIt() async throws {
    let workspace = try await logged(at: "2020-01-02T08:00:00.500000000Z")
    #expect(try await shown(workspace, "2020-01-02T08:00:00Z") == ["older", "first"])
    #expect(try await shown(workspace, "2020-01-02T10:00:00+02:00") == ["older", "first"])
    #expect(try await shown(workspace, "2020-01-02T08:00:01Z") == ["first"])
    #expect(try await shown(workspace, "2020-01-02T07:59:59Z") == ["older", "first"])
    try await lastcall(workspace, "down")
    await workspace.remove()
  }

  // MARK: - rollout undo

  @Test func undoGoesBackToTheRevisionThatIsNamed() async throws {
    let workspace = try Product.workspace()
    try file(workspace, seconds: 1001)
    try await lastcall(workspace, "up", "-d")
    for seconds in [1002, 1003] {
      try file(workspace, seconds: seconds)
      try await lastcall(workspace, "deploy")
    }
    // Without it the one before would be taken, which is 2.
    let undo = try await lastcall(workspace, "rollout", "undo", "web", "--to-revision", "1")
    #expect(undo.contains("by revision 4") && undo.contains("RolloutComplete"), "\(undo)")
    let history = try await lastcall(workspace, "rollout", "history", "web")
    #expect(history.contains("4 *") && history.contains("undo to revision 1"), "\(history)")
    let pid = try #require(try await workspace.rows().first?.pid)
    #expect(try await eventually { try String(contentsOfFile: "/proc/\(pid)/cmdline", encoding: .utf8) == "sleep\u{0}1001\u{0}" })
    // The file stays as it is, and what it says is not deployed by that.
    #expect(try String(contentsOfFile: workspace.directory + "/lastcall.yaml", encoding: .utf8).contains("sleep 1003"))
    for number in ["0", "99"] {
      let unknown = try await lastcall(workspace, "rollout", "undo", "web", "--to-revision", number, code: 1)
      #expect(unknown.contains("there is no revision \(number) of web; kept are: 1, 2, 3, 4"), "\(unknown)")
    }
    try await lastcall(workspace, "rollout", "undo", "web", "--to-revision", "first", code: 2)
    #expect(try await workspace.rows().map(\.pid) == [pid])
    // One that was undone can be gone back to as any.
    try await lastcall(workspace, "rollout", "undo", "--to-revision", "3", "web")
    let last = try #require(try await workspace.rows().first?.pid)
    #expect(try await eventually { try String(contentsOfFile: "/proc/\(last)/cmdline", encoding: .utf8) == "sleep\u{0}1003\u{0}" })
    #expect(try await lastcall(workspace, "diff").isEmpty)
    try await lastcall(workspace, "down")
    await workspace.remove()
  }

  // MARK: - install

  /// Whether any user can run the products, since root is another one here: what it installs would be the machine's.
  private static let canBeRun: Bool = {
    if getuid() != 0 { return true }
    guard FileManager.default.isExecutableFile(atPath: "/usr/bin/setpriv") else { return false }
    var path = Product.path("lastcall")
    while path != "/" {
      var information = stat()
      guard stat(path, &information) == 0, information.st_mode & 0o005 == 0o005 else { return false }
      path = (path as NSString).deletingLastPathComponent
    }
    return true
  }()

  /// Lets that other user read the file, and write below HOME.
  private func letIn(_ workspace: Workspace) {
    chmod(workspace.directory, 0o755)
    chmod(workspace.directory + "/lastcall.yaml", 0o644)
    chmod(workspace.directory + "/home", 0o777)
  }

  /// Runs `lastcall install` as a user.
  private func install(_ workspace: Workspace, _ variables: [String], _ options: String..., code: UInt8 = 0) async throws -> String {
    let other = getuid() == 0 ? ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : []
    let unset = ["-u", "XDG_CONFIG_HOME", "HOME=\(workspace.directory)/home"]
    let run = try workspace.start("/usr/bin/env", unset + variables + other + [Product.path("lastcall"), "install"] + options)
    #expect(await run.ended() == .code(code), "\(run.output)")
    return run.output
  }

  @Test(.enabled(if: EngineOptionTests.canBeRun, "the products are not for every user"))
  func installWritesAUsersUnitAndReplacesItByForceOnly() async throws {
    let workspace = try Product.workspace()
    try file(workspace, "    stop: { grace: 70s }\n")
    mkdir(workspace.directory + "/home", 0o700)
    letIn(workspace)
    let config = workspace.directory + "/home/config"
    let redirected = ["XDG_CONFIG_HOME=\(config)"]
    let written = try await install(workspace, redirected)
    let name = try #require(try FileManager.default.contentsOfDirectory(atPath: config + "/systemd/user").first)
    let unit = config + "/systemd/user/" + name
    #expect(name.hasPrefix("lastcall-") && name.hasSuffix(".service"), "\(name)")
    let service = String(name.dropLast(".service".count))
    #expect(written.contains("\(unit) is written; start it with: systemctl --user daemon-reload"), "\(written)")
    #expect(written.contains("systemctl --user enable --now \(service)\n") && written.contains("loginctl enable-linger"), "\(written)")
    let text = try String(contentsOfFile: unit, encoding: .utf8)
    for line in [
      "ExecStart=\(Product.path("lastcall")) up -f \(workspace.directory)/lastcall.yaml", "KillMode=process", "TimeoutStopSec=100",
      "WantedBy=default.target",
    ] {
      #expect(text.contains(line + "\n"), "\(text)")
    }
    #expect(try await install(workspace, redirected, "--print") == text)
    // What a user has made of it is not lost unasked.
    let changed = text + "# mine\n"
    try changed.write(toFile: unit, atomically: false, encoding: .utf8)
    let refused = try await install(workspace, redirected, code: 1)
    #expect(refused.contains("\(unit) is there already; replace it with --force"), "\(refused)")
    #expect(try String(contentsOfFile: unit, encoding: .utf8) == changed)
    _ = try await install(workspace, redirected, "--force")
    #expect(try String(contentsOfFile: unit, encoding: .utf8) == text)
    #expect(try FileManager.default.contentsOfDirectory(atPath: config + "/systemd/user") == [name])
    await workspace.remove()
  }

  /// Set to nothing counts as not set (XDG Base Directory Specification).
  @Test(
    .enabled(if: EngineOptionTests.canBeRun, "the products are not for every user"), arguments: [[], ["XDG_CONFIG_HOME="]] as [[String]])
  func installWritesBelowHomeWithoutAConfigDirectory(variables: [String]) async throws {
    let workspace = try Product.workspace()
    try file(workspace)
    mkdir(workspace.directory + "/home", 0o700)
    letIn(workspace)
    let written = try await install(workspace, variables)
    #expect(written.contains("\(workspace.directory)/home/.config/systemd/user/lastcall-"), "\(written)")
    await workspace.remove()
  }

  @Test(.enabled(if: EngineOptionTests.canBeRun, "the products are not for every user"))
  func whatCannotBeInstalledIsNamed() async throws {
    let workspace = try Product.workspace()
    try file(workspace)
    letIn(workspace)
    // A file where a directory is to be.
    let refused = try await install(workspace, ["XDG_CONFIG_HOME=\(workspace.directory)/lastcall.yaml"], code: 1)
    #expect(refused.contains("\(workspace.directory)/lastcall.yaml/systemd/user/lastcall-"), "\(refused)")
    #expect(refused.contains(".service cannot be written"), "\(refused)")
    await workspace.remove()
  }
}
