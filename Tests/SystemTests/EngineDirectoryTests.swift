import Foundation
import Linux
import StopPlan
import Testing

/// What an engine finds in its directories and does not trust: nothing is started then, and what to do is said.
@Suite(.serialized) struct EngineDirectoryTests {
  /// A workspace whose directories an engine has made.
  private func used() async throws -> (workspace: Workspace, run: String, state: String) {
    let workspace = try Product.workspace()
    try workspace.write("lastcall.yaml", Workspace.sleeper("    update: { settle: 0s }\n", script: "touch started; exec sleep 1000"))
    for words in [["up", "-d"], ["down"]] {
      let run = try workspace.start(Product.path("lastcall"), words)
      #expect(await run.ended() == .code(0), "\(run.output)")
    }
    try FileManager.default.removeItem(atPath: workspace.directory + "/started")
    func only(_ directory: String) throws -> String {
      let path = workspace.directory + "/" + directory
      return path + "/" + (try #require(try FileManager.default.contentsOfDirectory(atPath: path).first))
    }
    return (workspace, try only("run"), try only("state"))
  }

  private func isRefused(_ workspace: Workspace, _ words: String, _ location: SourceLocation = #_sourceLocation) async throws {
    let up = try workspace.lastcall("up")
    #expect(await up.ended() == .code(1), "\(up.output)", sourceLocation: location)
    #expect(up.output.contains(words), "\(up.output)", sourceLocation: location)
    #expect(!FileManager.default.fileExists(atPath: workspace.directory + "/started"), sourceLocation: location)
    await workspace.remove()
  }

  @Test func aDamagedDatabaseIsNamed() async throws {
    let (workspace, _, state) = try await used()
    for suffix in ["-wal", "-shm"] { try? FileManager.default.removeItem(atPath: state + "/state.sqlite" + suffix) }
    try Data(repeating: 0x5a, count: 8192).write(to: URL(fileURLWithPath: state + "/state.sqlite"))
    try await isRefused(workspace, "\(state)/state.sqlite is damaged (file is not a database); move it away")
  }

  @Test func aDatabaseOfANewerVersionIsRefused() async throws {
    let (workspace, _, state) = try await used()
    let script = """
      import sqlite3, sys
      database = sqlite3.connect(sys.argv[1])
      database.execute("INSERT INTO grdb_migrations VALUES ('99 not invented yet')")
      database.commit()
      """
    let python = try workspace.start("/usr/bin/python3", ["-c", script, state + "/state.sqlite"])
    #expect(await python.ended() == .code(0), "\(python.output)")
    try await isRefused(workspace, "\(state)/state.sqlite was written by a newer version of lastcall")
  }

  @Test func aLockThatIsALinkIsNotFollowed() async throws {
    let (workspace, run, _) = try await used()
    try workspace.write("target", "")
    try FileManager.default.removeItem(atPath: run + "/engine.lock")
    try FileManager.default.createSymbolicLink(atPath: run + "/engine.lock", withDestinationPath: workspace.directory + "/target")
    try await isRefused(workspace, "\(run)/engine.lock cannot be opened")
  }

  @Test func aRunDirectoryThatIsALinkIsRefused() async throws {
    let (workspace, run, _) = try await used()
    try FileManager.default.moveItem(atPath: run, toPath: workspace.directory + "/elsewhere")
    try FileManager.default.createSymbolicLink(atPath: run, withDestinationPath: workspace.directory + "/elsewhere")
    try await isRefused(workspace, "\(run) is not a directory of ours; remove it")
  }
}
