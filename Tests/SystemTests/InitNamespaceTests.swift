import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// lastcall-init as PID 1 of a PID namespace, which only root can make.
@Suite(.enabled(if: getuid() == 0, "unshare --pid needs root"))
struct InitNamespaceTests {
  private func start(_ binary: InitBinary, _ options: [String], _ script: String, environment: [String] = []) throws -> InitRun {
    let unshare = ["--fork", "--pid", "--mount-proc", "--kill-child=KILL", binary.path]
    return try InitRun("/usr/bin/unshare", unshare + options + ["--", "sh", "-c", script], environment: environment)
  }

  /// The init's pid outside its namespace: unshare's child.
  private func initPid(_ run: InitRun) async throws -> Int32 {
    var found: Int32 = 0
    try await eventually("PID 1 of the namespace") {
      found = ProcessTree.descendants(of: run.pid).first { $0.parent == run.pid }?.identity.pid ?? 0
      return found > 0
    }
    return found
  }

  @Test(arguments: InitBinary.all)
  func backgroundProgramsFinishBeforeTheNamespaceEnds(binary: InitBinary) async throws {
    let run = try start(
      binary, ["--grace", "40"], "echo init=$PPID; NAME=a sh -c \"$WORK\" & NAME=b setsid sh -c \"$WORK\" & wait",
      environment: ["WORK=\(InitTreeTests.worker)"])
    try await run.line("ready a")
    try await run.line("ready b")
    #expect(run.lines.contains("init=1"))
    let pid = try await initPid(run)
    _ = lc_kill(pid, SIGTERM)
    #expect(try await run.code() == 143)
    #expect(run.lines.contains("cleaned a") && run.lines.contains("cleaned b"), "\(run.output)")
  }

  @Test(arguments: InitBinary.all)
  func orphansAreReapedAndTheCodeIsTheMainProcesss(binary: InitBinary) async throws {
    let run = try start(
      binary, [],
      "for i in 1 2 3 4 5 6 7 8 9 10; do (sh -c 'exit 1' & ) ; done; (sleep 0.2; echo orphan done) & ps -o pid= -p 1 >/dev/null; exit 11")
    #expect(try await run.code() == 11)
  }

  @Test(arguments: InitBinary.all)
  func whatIgnoresEverySignalIsKilledAtGrace(binary: InitBinary) async throws {
    let run = try start(
      binary, ["--grace", "1"], "trap '' TERM INT HUP; setsid sh -c 'trap \"\" TERM; echo deaf; while :; do sleep 0.05; done' & wait; wait")
    try await run.line("deaf")
    _ = lc_kill(try await initPid(run), SIGTERM)
    #expect(try await run.code() == 137)
    #expect(run.seconds < 40)
  }

  @Test(arguments: InitBinary.all)
  func theMainProcessHasASessionOfItsOwn(binary: InitBinary) async throws {
    // Without a terminal, which the tests may have: as PID 1 with one the program stays in its session (InitContainerTerminalTests).
    let program = "import os; print(os.getsid(0) == os.getpid(), os.getpgrp() == os.getpid())"
    let run = try InitRun(
      "/usr/bin/setsid", ["--wait", "/usr/bin/unshare", "--fork", "--pid", "--mount-proc", binary.path, "--", "python3", "-c", program])
    #expect(try await run.code() == 0)
    #expect(run.lines == ["True True"])
  }
}
