import Foundation
import Linux
import StopPlan
import Testing

/// No path in an engine's directories may be a link: what it names is somebody else's. Such a path is refused by its name and nothing is
/// started, or it is taken away and made anew; in no case is the link followed. (The engine's lock in the run directory, and that directory
/// itself: EngineDirectoryTests.)
@Suite(.serialized) struct EngineLinkTests {
  /// A workspace whose directories an engine has made, and the paths of those.
  private struct Used {
    let workspace: Workspace
    let run: String
    let state: String

    init() async throws {
      workspace = try Product.workspace()
      let hook = "    stop: { preStop: { exec: [echo, hook] } }\n"
      try workspace.write(
        "lastcall.yaml",
        Workspace.sleeper("    update: { settle: 0s }\n" + hook, script: "echo said; touch started; while :; do sleep 0.1; done"))
      for words in [["up", "-d"], ["down"]] {
        let run = try workspace.start(Product.path("lastcall"), words)
        #expect(await run.ended() == .code(0), "\(run.output)")
      }
      let directory = workspace.directory
      func only(_ name: String) throws -> String {
        let path = directory + "/" + name
        return path + "/" + (try #require(try FileManager.default.contentsOfDirectory(atPath: path).first))
      }
      (run, state) = (try only("run"), try only("state"))
      try? FileManager.default.removeItem(atPath: directory + "/started")
    }

    /// Where what a link took the place of is now.
    var target: String { workspace.directory + "/elsewhere" }

    /// A path as it is told in the tests' arguments: `run/…` or `state/…`.
    func path(_ place: String) -> String {
      place.hasPrefix("run") ? run + String(place.dropFirst(3)) : state + String(place.dropFirst(5))
    }

    /// Puts a link in the place of what is there, which is moved away, or to nothing.
    func link(_ place: String, toNothing: Bool = false) throws {
      let path = path(place)
      if toNothing || !FileManager.default.fileExists(atPath: path) {
        try? FileManager.default.removeItem(atPath: path)
        if !toNothing { try "not yours\n".write(toFile: target, atomically: true, encoding: .utf8) }
      } else {
        try FileManager.default.moveItem(atPath: path, toPath: target)
      }
      try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: target)
    }

    func isLink(_ place: String) -> Bool { (try? FileManager.default.destinationOfSymbolicLink(atPath: path(place))) != nil }

    /// All that the link names: its files with what is in them, and their modes.
    func contents() -> [String: String] {
      let below = FileManager.default.enumerator(atPath: target)?.compactMap { $0 as? String } ?? []
      let paths = [target] + below.map { target + "/" + $0 }
      return Dictionary(
        uniqueKeysWithValues: paths.map { path in
          var information = stat()
          let mode = lstat(path, &information) == 0 ? String(information.st_mode, radix: 8) : "nothing"
          return (path, mode + " " + (FileManager.default.contents(atPath: path)?.base64EncodedString() ?? ""))
        })
    }
  }

  static let refused: [(String, String)] = [
    ("state", "is not a directory of ours; remove it"),
    ("state/state.sqlite", "is not a file of ours; remove it"),
    ("state/state.sqlite-wal", "remove it"),
    ("state/engine.lock", "cannot be opened"),
    ("run/r", "is not a directory of ours; remove it"),
  ]

  @Test("up refuses a link, by its name, and starts nothing", arguments: refused)
  func isRefused(place: String, words: String) async throws {
    let used = try await Used()
    try used.link(place)
    let before = used.contents()
    let up = try used.workspace.lastcall("up")
    #expect(await up.ended() == .code(1), "\(up.output)")
    #expect(up.output.contains(used.path(place)) && up.output.contains(words), "\(up.output)")
    #expect(used.isLink(place) && used.contents() == before)
    #expect(!FileManager.default.fileExists(atPath: used.workspace.directory + "/started"))
    await used.workspace.remove()
  }

  @Test("up refuses a link to nothing, and makes nothing there", arguments: refused.map(\.0))
  func isRefusedWhenItNamesNothing(place: String) async throws {
    let used = try await Used()
    try used.link(place, toNothing: true)
    let up = try used.workspace.lastcall("up")
    #expect(await up.ended() == .code(1), "\(up.output)")
    #expect(up.output.contains(used.path(place)), "\(up.output)")
    #expect(used.isLink(place) && !FileManager.default.fileExists(atPath: used.target))
    #expect(!FileManager.default.fileExists(atPath: used.workspace.directory + "/started"))
    await used.workspace.remove()
  }

  @Test("the engine in the background writes into no link", arguments: [false, true])
  func theLogOfAnEngineInTheBackground(toNothing: Bool) async throws {
    let used = try await Used()
    try used.link("state/engine.log", toNothing: toNothing)
    let before = used.contents()
    let up = try used.workspace.lastcall("up", "-d")
    #expect(await up.ended() == .code(1), "\(up.output)")
    #expect(up.output.contains(used.path("state/engine.log")), "\(up.output)")
    #expect(used.isLink("state/engine.log") && used.contents() == before)
    #expect(!FileManager.default.fileExists(atPath: used.workspace.directory + "/started"))
    // One in the foreground has no such log.
    let front = try used.workspace.lastcall("up")
    try await front.says("RolloutComplete")
    #expect(used.contents() == before)
    front.send(.int)
    #expect(await front.ended() == .code(0), "\(front.output)")
    await used.workspace.remove()
  }

  /// What a replica has is made anew for each one: a link in its place goes, what it names stays.
  @Test(arguments: ["", "/lock", "/log", "/keeper.log", "/hooks.log", "/process.json", "/replica.json", "/exit.json.new", "/control.sock"])
  func whatAReplicaHasIsMadeAnew(name: String) async throws {
    let used = try await Used()
    let place = "run/r/web-1" + name
    try used.link(place)
    let before = used.contents()
    let up = try used.workspace.lastcall("up")
    try await up.says("web-1 is ready")
    #expect(try await eventually { FileManager.default.fileExists(atPath: used.workspace.directory + "/started") })
    #expect(!used.isLink(place) && used.contents() == before)
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    // Its stop has written too: the hook's output, and how it ended.
    #expect(!used.isLink(place) && used.contents() == before)
    await used.workspace.remove()
  }

  /// Its name is left to it, and the next one is taken.
  @Test func aReplicasDirectoryThatIsALinkToNothingIsNotFollowed() async throws {
    let used = try await Used()
    try used.link("run/r/web-1", toNothing: true)
    let up = try used.workspace.lastcall("up")
    #expect(try await eventually { (try? await used.workspace.rows())?.map(\.state) == ["Ready"] }, "\(up.output)")
    #expect(!FileManager.default.fileExists(atPath: used.target))
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    #expect(!FileManager.default.fileExists(atPath: used.target))
    await used.workspace.remove()
  }

  /// What a replica that lives writes, it writes into what it has open; the next engine follows no link there.
  @Test(arguments: ["/log", "/keeper.log", "/hooks.log", "/exit.json.new"])
  func whatALivingReplicaHasIsNotFollowedByTheNextEngine(name: String) async throws {
    let used = try await Used()
    let up = try used.workspace.lastcall("up")
    try await up.says("RolloutComplete")
    let pids = try await used.workspace.rows().map(\.pid)
    up.send(.kill)
    _ = await up.ended()
    try used.link("run/r/web-1" + name)
    let before = used.contents()
    let again = try used.workspace.lastcall("up")
    try await again.says("Recovered")
    #expect(try await eventually { try await used.workspace.rows().map(\.pid) == pids }, "\(again.output)")
    // A stop writes more: the hook's output, and how it ended.
    again.send(.int)
    #expect(await again.ended() == .code(0), "\(again.output)")
    // A log that was moved away is still the keeper's own.
    if name != "/log" && name != "/keeper.log" { #expect(used.contents() == before, "\(again.output)") }
    #expect(pids.allSatisfy { ProcessRecord(pid: $0 ?? 0)?.isZombie ?? true }, "\(again.output)")
    await used.workspace.remove()
  }
}
