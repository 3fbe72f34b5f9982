import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// lastcall-init stops real process trees. Bounds are far apart, so that a slow machine keeps them: what happens at once is looked for
/// well before half of a long grace.
@Suite struct InitTreeTests {
  /// A program that cleans up when it is told, and says so.
  static let worker = #"trap 'sleep 0.3; echo cleaned $NAME; exit 0' TERM; echo ready $NAME; while :; do sleep 0.05; done"#

  @Test(arguments: InitBinary.all)
  func backgroundChildrenOfAShellFinishTheirCleanUp(binary: InitBinary) async throws {
    let run = try InitRun.script(
      binary, ["--grace", "40"], "NAME=a sh -c \"$WORK\" & NAME=b sh -c \"$WORK\" & wait", environment: ["WORK=\(Self.worker)"])
    try await run.line("ready a")
    try await run.line("ready b")
    try run.send(.term)
    #expect(try await run.code() == 143)
    #expect(run.lines.contains("cleaned a") && run.lines.contains("cleaned b"), "\(run.output)")
    #expect(run.seconds < 20)
  }

  @Test(arguments: InitBinary.all)
  func aShellsTrapRunsAtOnceThoughItWaitsForAForegroundChild(binary: InitBinary) async throws {
    for shell in ["bash", "dash"] {
      let run = try InitRun.script(
        binary, ["--grace", "60"], shell: shell, "trap 'echo trapped; exit 7' TERM; echo ready; sleep 100; echo slept")
      try await run.line("ready")
      // The shell must be in its wait for sleep, or it would run its trap without being told about sleep.
      try await eventually("a child of the shell") { ProcessTree.descendants(of: run.pid).count == 2 }
      try run.send(.term)
      #expect(try await run.code() == 7, "\(shell)")
      #expect(run.lines.contains("trapped"))
      #expect(run.seconds < 25, "\(shell): half of the grace was waited for")
    }
  }

  @Test(arguments: InitBinary.all)
  func aStoppedProcessIsContinuedToActOnItsSignal(binary: InitBinary) async throws {
    let run = try InitRun.script(
      binary, ["--grace", "60"], "trap 'echo told; exit 4' TERM; echo main=$$; kill -STOP $$; while :; do sleep 0.05; done")
    try await eventually("the stopped state") {
      guard let pid = try? run.pid("main") else { return false }
      return ProcessRecord(pid: pid)?.state == UInt8(ascii: "T")
    }
    try run.send(.term)
    #expect(try await run.code() == 4)
    #expect(run.lines.contains("told"))
  }

  @Test(arguments: InitBinary.all)
  func whatIsLeftIsStoppedWhenTheMainProcessEndsUninvited(binary: InitBinary) async throws {
    let run = try InitRun.script(
      binary, ["--grace", "40"], "NAME=left sh -c \"$WORK\" & until [ -e ready ]; do sleep 0.01; done; exit 9",
      environment: ["WORK=" + Self.worker.replacingOccurrences(of: "echo ready", with: "touch ready; echo ready")])
    #expect(try await run.code() == 9)
    #expect(run.lines.contains("cleaned left"), "\(run.output)")
    #expect(run.seconds < 20)
  }

  @Test(arguments: InitBinary.all)
  func childrenForkedByAnotherThreadAreTold(binary: InitBinary) async throws {
    // The main thread's list of children lacks them, and the main process stays until its child has ended.
    let program = """
      import os, signal, subprocess, threading
      signal.signal(signal.SIGTERM, signal.SIG_IGN)
      def work():
        child = subprocess.Popen(["sh", "-c", "trap 'echo told; exit 5' TERM; echo ready; while :; do sleep 0.05; done"], restore_signals=False,
          preexec_fn=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL))
        print("child ended", child.wait(), flush=True)
      thread = threading.Thread(target=work); thread.start(); thread.join()
      os._exit(6)
      """
    let run = try InitRun(binary.path, ["--grace", "60", "python3", "-c", program])
    try await run.line("ready")
    try run.send(.term)
    #expect(try await run.code() == 6)
    #expect(run.lines.contains("told") && run.lines.contains("child ended 5"), "\(run.output)")
    #expect(run.seconds < 25)
  }

  @Test(arguments: InitBinary.all)
  func aChildThatIgnoresTermIsKilledAtGrace(binary: InitBinary) async throws {
    let run = try InitRun.script(
      binary, ["--grace", "1"], "sh -c 'trap \"\" TERM; echo deaf=$$; while :; do sleep 0.05; done' & echo main; wait")
    try await eventually("both") { (try? run.pid("deaf")) != nil && run.lines.contains("main") }
    let deaf = try run.pid("deaf")
    let told = ContinuousClock.now
    try run.send(.term)
    #expect(try await run.code() == 143)
    #expect(ContinuousClock.now - told >= .seconds(1))
    #expect(run.seconds < 30)
    #expect(!lives(deaf))
  }

  @Test(arguments: InitBinary.all)
  func aChildWithASessionOfItsOwnIsTold(binary: InitBinary) async throws {
    let run = try InitRun.script(
      binary, ["--grace", "40"], "NAME=apart setsid sh -c \"$WORK\" & wait", environment: ["WORK=\(Self.worker)"])
    try await run.line("ready apart")
    try run.send(.term)
    #expect(try await run.code() == 143)
    #expect(run.lines.contains("cleaned apart"))
  }

  @Test(arguments: InitBinary.all)
  func doubleForkedOrphansAreAdoptedAndTold(binary: InitBinary) async throws {
    let run = try InitRun.script(
      binary, ["--grace", "40"], "(NAME=orphan setsid sh -c \"$WORK\" & ) ; echo forked; while :; do sleep 0.05; done",
      environment: ["WORK=echo parent=$PPID; \(Self.worker)"])
    try await run.line("ready orphan")
    try await run.line("forked")
    try run.send(.term)
    #expect(try await run.code() == 143)
    #expect(run.lines.contains("cleaned orphan"))
  }

  @Test(arguments: InitBinary.all)
  func aThousandZombiesAreReaped(binary: InitBinary) async throws {
    let program = """
      import os, time
      for _ in range(1000):
        if os.fork() == 0:
          if os.fork() == 0: os._exit(0)
          os._exit(0)
        os.wait()
      print("forked", flush=True)
      time.sleep(1000)
      """
    let run = try InitRun(binary.path, ["--grace", "40", "python3", "-c", program])
    try await run.line("forked")
    try await eventually("no child of the init but its main process") { ProcessTree.descendants(of: run.pid).count == 1 }
    try run.send(.term)
    #expect(try await run.code() == 143)
  }

  @Test(arguments: InitBinary.all)
  func whatForksDuringTheStopIsGoneAtTheEnd(binary: InitBinary) async throws {
    // Each of them starts the next one when it is told, and lives on: only KILL ends that.
    let hydra = #"trap 'SHELL_DEPTH=x sh -c "$HYDRA" & ' TERM; echo head=$$; while :; do sleep 0.02; done"#
    let run = try InitRun.script(
      binary, ["--grace", "2"], "sh -c \"$HYDRA\" & sh -c \"$HYDRA\" & wait; wait; wait", environment: ["HYDRA=\(hydra)"])
    try await eventually("two heads") { run.lines.filter { $0.hasPrefix("head=") }.count == 2 }
    try run.send(.term)
    _ = try await run.end()
    let heads = run.lines.compactMap { $0.hasPrefix("head=") ? Int32($0.dropFirst(5)) : nil }
    #expect(heads.count > 2, "nothing was forked during the stop")
    for head in heads { #expect(!lives(head)) }
  }

  @Test(arguments: InitBinary.all)
  func cleanUpCommandsOfATrapAreNotTold(binary: InitBinary) async throws {
    let run = try InitRun.script(
      binary, ["--stop", "TERM@tree/50", "--grace", "60"], shell: "bash",
      "trap 'sh -c \"sleep 0.7; echo cleaned\"; echo status=$?; exit 0' TERM; echo ready; while :; do sleep 0.02; done")
    try await run.line("ready")
    try run.send(.term)
    #expect(try await run.code() == 0)
    #expect(run.lines.contains("cleaned") && run.lines.contains("status=0"), "\(run.output)")
  }

  @Test(arguments: InitBinary.all)
  func aRepeatedTermChangesNothing(binary: InitBinary) async throws {
    let run = try InitRun.script(
      binary, ["-v", "--grace", "3"], shell: "bash", "trap 'echo told' TERM; echo ready; while :; do sleep 0.05; done")
    try await run.line("ready")
    let told = ContinuousClock.now
    for count in 1...5 {
      try run.send(.term)
      try await eventually("TERM number \(count)") { run.lines.filter { $0 == "told" }.count >= count }
    }
    #expect(try await run.code() == 137)
    #expect(ContinuousClock.now - told >= .seconds(3), "repeating TERM brought KILL forward")
    #expect(run.lines.filter { $0.hasPrefix("lastcall-init: stop began on TERM, ") }.count == 1)
    #expect(run.lines.filter { $0 == "lastcall-init: forwarded TERM" }.count == 4)
  }

  @Test(arguments: InitBinary.all)
  func untilMainLeavesWhatTheMainProcessLeaves(binary: InitBinary) async throws {
    let run = try InitRun.script(binary, ["--until", "main"], "sleep 1000 & echo left=$!; exit 3")
    #expect(try await run.code() == 3)
    let left = try run.pid("left")
    #expect(lives(left))
    _ = lc_kill(left, SIGKILL)
  }

  @Test(arguments: InitBinary.all)
  func groupScopeIsEmptyWhenTheGroupIsThoughAnotherLives(binary: InitBinary) async throws {
    // The plan goes on to HUP as soon as the group has ended, long before its wait is over.
    let run = try InitRun.script(
      binary, ["--stop", "TERM@group/50/HUP@rest/50/KILL", "--grace", "110"],
      "setsid sh -c 'trap \"\" TERM; trap \"echo hung up; exit 0\" HUP; echo ready; while :; do sleep 0.05; done' & sleep 1000")
    try await run.line("ready")
    try run.send(.term)
    #expect(try await run.code() == 143)
    #expect(run.lines.contains("hung up"), "\(run.output)")
    #expect(run.seconds < 40)
  }

  /// The group is told first, and all others only when most of it is gone: what these start until then is no clean-up of theirs.
  @Test(arguments: InitBinary.all)
  func whatIsStartedUntilItIsToldIsToldToo(binary: InitBinary) async throws {
    let script = """
      mkfifo alive; setsid sh -c 'exec 3<alive; echo up; read line <&3; sleep 1000 & sleep 1000' &
      sleep 1000 >alive & exec sleep 1000
      """
    let run = try InitRun.script(binary, ["--grace", "60"], script)
    try await run.line("up")
    try await eventually("the main process") {
      ProcessTree.descendants(of: run.pid).filter {
        (try? String(contentsOfFile: "/proc/\($0.identity.pid)/comm", encoding: .utf8)) == "sleep\n"
      }.count == 2
    }
    try run.send(.term)
    #expect(try await run.code() == 143)
    #expect(run.seconds < 50)
  }
}
