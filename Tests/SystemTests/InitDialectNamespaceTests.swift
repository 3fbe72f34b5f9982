import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// The same as PID 1 of a PID namespace, which only root can make.
@Suite(.enabled(if: getuid() == 0, "needs root to make a PID namespace")) struct InitDialectNamespaceTests {
  private func start(_ subject: DialectSubject, _ arguments: [String], environment: [String] = []) throws -> InitRun {
    let scratch = try ScratchDirectory()
    let unshare = ["--fork", "--pid", "--mount-proc", "--kill-child=KILL", try subject.path(in: scratch)]
    return try InitRun("/usr/bin/unshare", unshare + arguments, in: scratch, environment: environment)
  }

  private func send(_ signal: Signal, to run: InitRun) async throws {
    try await eventually("PID 1 of the namespace") {
      guard let child = ProcessTree.descendants(of: run.pid).first(where: { $0.parent == run.pid }) else { return false }
      _ = lc_kill(child.identity.pid, signal.number)
      return true
    }
  }

  @Test(arguments: DialectSubject.all)
  func theCodeIsTheCommandsAndNothingIsSaid(subject: DialectSubject) async throws {
    for (script, code) in [("exit 3", 3), ("kill -KILL $$", 137)] as [(String, UInt8)] {
      let run = try start(subject, ["--", "sh", "-c", script])
      #expect(try await run.code() == code)
      #expect(run.output == "")
    }
  }

  @Test(arguments: DialectSubject.all)
  func orphansAreReaped(subject: DialectSubject) async throws {
    let script =
      "for i in 1 2 3 4 5 6 7 8 9 10; do (sleep 0.01 & ); done; sleep 0.05; while ps -eo stat= | grep -q Z; do sleep 0.02; done; exit 9"
    #expect(try await start(subject, ["--", "bash", "-c", script]).code() == 9)
  }

  @Test(arguments: DialectSubject.all)
  func aStopReachesTheCommandAndEndsWithIt(subject: DialectSubject) async throws {
    let script = "(trap '' TERM; exec sleep 1000) & trap 'echo told; exit 6' TERM; echo ready; while :; do sleep 0.02; done"
    let run = try start(subject, ["--", "sh", "-c", script])
    try await run.line("ready")
    try await send(.term, to: run)
    #expect(try await run.code() == 6)
    #expect(run.lines.contains("told") && run.seconds < 60)
  }

  @Test(arguments: DialectSubject.ours)
  func aGraceLetsTheOthersFinish(subject: DialectSubject) async throws {
    let script = "trap 'exit 6' TERM; (trap 'sleep 0.3; echo cleaned; exit' TERM; echo up; while :; do sleep 0.02; done) & wait"
    let run = try start(subject, ["--", "sh", "-c", script], environment: ["LASTCALL_GRACE=100"])
    try await run.line("up")
    try await send(.term, to: run)
    #expect(try await run.code() == 6)
    #expect(run.lines.contains("cleaned") && run.seconds < 60, "\(run.output)")
  }

  @Test(arguments: DialectSubject.all.filter { $0.tool == .catatonit })
  func catatonitPauses(subject: DialectSubject) async throws {
    let run = try start(subject, ["-P"])
    // Before it has begun the kernel drops what is sent to PID 1.
    var taken = 0
    while taken < 400, ProcessRecord(pid: run.pid) != nil, !(ProcessRecord(pid: run.pid)?.isZombie ?? true) {
      try await send(.term, to: run)
      try await Task.sleep(for: .milliseconds(20))
      taken += 1
      if kill(run.pid, 0) == 0, ProcessTree.descendants(of: run.pid).isEmpty { break }
    }
    #expect(try await run.code() == 0)
  }
}
