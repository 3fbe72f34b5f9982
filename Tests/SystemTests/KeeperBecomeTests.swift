import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// `lastcall-keeper become`: a user, a umask and limits for a command.
@Suite struct KeeperBecomeTests {
  static func run(_ binary: InitBinary, _ arguments: [String], prepare: (inout Program) throws -> Void = { _ in }) throws -> InitRun {
    try InitRun(binary.keeper.path, ["become"] + arguments, prepare: prepare)
  }

  @Test(arguments: InitBinary.all)
  func theUmaskAndLimitsAreTheCommands(binary: InitBinary) async throws {
    let script = "umask; ulimit -S -n; ulimit -H -n; ulimit -c; ulimit -S -u; echo $$ $PPID; echo $0"
    let options = ["--umask", "027", "--limit", "files=100:200", "--limit=core=0", "--limit", "processes=500:1000"]
    let run = try Self.run(binary, options + ["--", "bash", "-c", script])
    #expect(try await run.code() == 0)
    #expect(run.lines.prefix(5) == ["0027", "100", "200", "0", "500"])
    // It is the command, not its parent.
    #expect(run.lines.contains("\(run.pid) \(getpid())"))
  }

  @Test(.enabled(if: getuid() == 0, "only root can become another user"), arguments: InitBinary.all)
  func theUserAndGroupsAreTheCommands(binary: InitBinary) async throws {
    let status = ["grep", "-E", "^(Uid|Gid|Groups|NoNewPrivs|SigBlk):", "/proc/self/status"]
    for (user, groups) in [("65534:1234:7,8,9", "7 8 9"), ("65534:1234", "")] {
      let run = try Self.run(binary, ["--user", user] + status)
      #expect(try await run.code() == 0)
      let words = run.lines.map { $0.split(whereSeparator: \.isWhitespace).joined(separator: " ") }
      #expect(words.prefix(2) == ["Uid: 65534 65534 65534 65534", "Gid: 1234 1234 1234 1234"])
      #expect(words[2] == "Groups:" + (groups.isEmpty ? "" : " " + groups))
      #expect(words.contains("NoNewPrivs: 0"))
      // What was blocked at our start is, and nothing else.
      #expect(words.contains("SigBlk: 0000000000000000"))
    }
  }

  @Test(.enabled(if: getuid() == 0, "only root can become another user"), arguments: InitBinary.all)
  func onlyRootBecomesAnother(binary: InitBinary) async throws {
    let keeper = binary.keeper.path
    let scratch = try ScratchDirectory()
    let copy = scratch.path + "/keeper"
    try FileManager.default.copyItem(atPath: keeper, toPath: copy)
    for path in [scratch.path, copy] { try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path) }
    let run = try Self.run(binary, ["--user", "65534:65534", "--", copy, "become", "--user", "0:0", "echo", "root"])
    #expect(try await run.code() == 126)
    #expect(run.output.contains("0:0: operation not permitted") && !run.lines.contains("root"), "\(run.output)")
  }

  @Test(arguments: InitBinary.all)
  func whatCannotBeExecutedIsSaid(binary: InitBinary) async throws {
    for (command, code, words) in [
      ("no-such-command", UInt8(127), "no such file"), ("/no/such", 127, "no such file"), ("/etc/passwd", 126, "permission denied"),
      ("/tmp", 126, "permission denied"),
    ] {
      let run = try Self.run(binary, ["--umask=022", command])
      #expect(try await run.code() == code)
      #expect(run.output.contains(command) && run.output.contains(words), "\(run.output)")
    }
  }

  @Test(
    arguments: InitBinary.all,
    [
      ["--user", "root"], ["--user", "1"], ["--user", "1:2:x"], ["--umask", "8"], ["--umask", "01777"], ["--umask", ""],
      ["--limit", "files"], ["--limit", "files=many"], ["--limit", "files=2:1"], ["--limit", "memory=1"], ["--nice", "1"], ["--user"], [],
    ])
  func wrongOptionsStartNothing(binary: InitBinary, options: [String]) async throws {
    let run = try Self.run(binary, options + (options.count == 1 || options.isEmpty ? [] : ["echo", "ran"]))
    #expect(try await run.code() == 126)
    #expect(!run.lines.contains("ran") && run.output.count > 30, "\(run.output)")
  }

  /// Under a keeper it is the main process, and its output is the program's.
  @Test(arguments: InitBinary.all)
  func itRunsUnderAKeeper(binary: InitBinary) async throws {
    let scratch = try ScratchDirectory()
    let words = [scratch.path, "--", binary.keeper.path, "become", "--umask", "077", "--", "sh", "-c", "umask; echo $NOTIFY_SOCKET"]
    let run = try InitRun(binary.keeper.path, words, in: scratch)
    #expect(try await run.code() == 0)
    let log = try String(contentsOfFile: scratch.path + "/log", encoding: .utf8)
    #expect(log.contains(" stdout F 0077\n") && log.contains(" stdout F \(scratch.path)/notify.sock\n"), "\(log)")
  }
}
