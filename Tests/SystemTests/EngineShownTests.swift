import Foundation
import Linux
import StopPlan
import Testing

/// What a user is shown of hooks, ends and sidecars; and what nobody is.
@Suite(.serialized) struct EngineShownTests {
  @Test func hookOutputIsKeptAndShown() async throws {
    let hook = { (name: String) in LifecycleCase.hook(name, then: "echo \(name) leaves; echo \(name) says why >&2") }
    let test = try LifecycleCase(
      stop: "preStop: { \(hook("main")) }", more: ["sidecars:", LifecycleCase.sidecar("mesh", preStop: hook("mesh"))])
    let up = try await test.up()
    try await test.lastcall("stop", "web")
    let logs = try await test.lastcall("logs", "--hooks", "web-1")
    #expect(logs.contains("| main leaves"), "\(logs)")
    #expect(logs.contains("| main says why"), "\(logs)")
    #expect(try await test.lastcall("logs", "--hooks", "web-1-mesh").contains("| mesh leaves"))
    let description = try await test.lastcall("describe", "web")
    for line in ["web-1           | main leaves", "web-1           | main says why", "web-1-mesh      | mesh leaves"] {
      #expect(description.contains(line), "\(description)")
    }
    #expect(try await test.lastcall("describe", "-o", "json", "web").contains("\"mesh leaves\""))
    await test.down(up)
  }

  @Test func linesAreShownAsTheyWereWritten() async throws {
    let workspace = try Product.workspace()
    try workspace.write(
      "lines.py",
      """
      import sys, time
      sys.stdout.write("one\\r\\ntwo\\r\\n" + "x" * 100000 + "\\nfour\\nend"); sys.stdout.flush()
      time.sleep(1000)
      """)
    try workspace.write("lastcall.yaml", "apps:\n  web:\n    command: [/usr/bin/python3, lines.py]\n    update: { settle: 0s }\n")
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    let wanted = ["one", "two", String(repeating: "x", count: 100_000), "four"].map {
      "web-1".padding(toLength: 14, withPad: " ", startingAt: 0) + " | \($0)\n"
    }
    #expect(
      try await eventually {
        let logs = try workspace.lastcall("logs", "web")
        _ = await logs.ended()
        return logs.output == wanted.joined()
      })
    // Who follows sees nothing again of what has ended.
    let restart = try workspace.lastcall("restart")
    #expect(await restart.ended() == .code(0), "\(restart.output)")
    // What had no newline is written when the program ends.
    let ended = try workspace.lastcall("logs", "web-1")
    #expect(await ended.ended() == .code(0))
    #expect(ended.output == (wanted + [wanted[0].replacingOccurrences(of: "| one", with: "| end")]).joined(), "\(ended.output.suffix(200))")
    #expect(
      try await eventually {
        let logs = try workspace.lastcall("logs", "web-2")
        _ = await logs.ended()
        return logs.output.hasSuffix("| four\n")
      })
    let follow = try workspace.lastcall("logs", "-f", "-n", "1", "web")
    try await follow.says("four")
    #expect(!follow.output.contains("one") && !follow.output.contains("web-1"), "\(follow.output.prefix(400))")
    follow.send(.term)
    _ = await follow.ended()
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  @Test func sidecarsAreShownBelowTheirReplica() async throws {
    let test = try LifecycleCase(stop: "grace: 30s", more: ["sidecars:", LifecycleCase.sidecar("mesh"), LifecycleCase.sidecar("log")])
    let up = try await test.up()
    let ps = try await test.lastcall("ps")
    let names = ps.split(separator: "\n").dropFirst().map { $0.prefix(15).description.replacingOccurrences(of: " ", with: ".") }
    #expect(names == ["web-1..........", "..web-1-mesh...", "..web-1-log...."], "\(ps)")
    let rows = try await test.workspace.rows()
    #expect(rows.map(\.state) == ["Ready", "Ready", "Ready"])
    #expect(rows.map(\.pid) == [try test.pid("main"), try test.pid("mesh"), try test.pid("log")])
    await test.down(up)
  }

  /// The values of secrets come from the replica itself in every way that a text can: an event about a hook, its output, its status, its last
  /// lines, a liveness check.
  @Test func noSecretIsShown() async throws {
    let test = try LifecycleCase(stop: "grace: 30s")
    let secret = "hunter2-in-clear"
    try test.workspace.write(
      "teller.py",
      """
      import os, signal, socket, sys
      secret = os.environ["DB_PASSWORD"]
      notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
      notify.sendto(f"READY=1\\nSTATUS=with {secret}".encode(), os.environ["NOTIFY_SOCKET"])
      # What is cut off at 200 bytes must not cut a secret in two.
      print("x" * 190 + secret, flush=True)
      print("cannot log in with", secret, flush=True)
      if os.path.exists("second"): sys.exit(7)
      signal.pause()
      """)
    func declare(_ secret: String) throws {
      try test.workspace.write(
        "lastcall.yaml",
        """
        apps:
          web:
            command: [/usr/bin/python3, teller.py]
            env: { DB_PASSWORD: \(secret) }
            ready: notify
            update: { surge: 1, unavailable: 0, settle: 1s }
            stop: { preStop: { exec: [sh, -c, 'echo leaving with $$DB_PASSWORD; exit 3'] } }
            live: { exec: ['./check-\(secret)'], every: 20ms, failures: 1 }
            restart: { backoff: 10ms..100ms }
        """)
      try test.workspace.write("check-\(secret)", "#!/bin/sh\nexit $(cat sick)\n")
      chmod(test.workspace.directory + "/check-\(secret)", 0o755)
    }
    try test.workspace.write("sick", "0")
    try declare(secret)
    let up = try await test.up()
    var shown: [String] = [try await test.lastcall("ps"), try await test.lastcall("ps", "-o", "json")]
    #expect(shown[0].contains("with ***"), "\(shown[0])")
    try test.touch("second")
    try declare(secret + "-new")
    shown.append(try await test.lastcall("deploy", code: 1))
    #expect(shown[2].contains("cannot log in with ***"), "\(shown[2])")
    // The next start lasts again, or the first replica would serve on for want of another and no hook would ever run.
    unlink(test.workspace.directory + "/second")
    try test.workspace.write("sick", "1")
    try await up.says("fails its liveness check")
    try test.workspace.write("sick", "0")
    try await up.says("FailedPreStopHook")
    for words in [["events"], ["describe"], ["describe", "-o", "json"], ["rollout", "history"], ["diff"]] {
      let run = try test.workspace.start(Product.path("lastcall"), words)
      _ = await run.ended()
      shown.append(run.output)
    }
    #expect(shown[4].contains("leaving with ***"), "\(shown[4])")
    up.send(.int)
    _ = await up.ended()
    shown.append(up.output)
    for text in shown { #expect(!text.contains(secret.prefix(8)), "\(text)") }
    await test.workspace.remove()
  }

  /// A revision that is undone says why, with what the new replica wrote last: three lines, each of at most 200 bytes.
  @Test func aFailureShowsTheLastLines() async throws {
    let workspace = try Product.workspace()
    let script =
      "mkdir once 2>/dev/null && exec sleep 1000; for i in 1 2 3 4; do echo step $$i; done; head -c 500 /dev/zero | tr \"\\\\0\" x; echo; exit 7"
    try workspace.write(
      "lastcall.yaml",
      Workspace.sleeper("    update: { surge: 1, unavailable: 0, settle: 1s }\n", script: script))
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    let restart = try workspace.lastcall("restart")
    #expect(await restart.ended() == .code(1), "\(restart.output)")
    let words = "it wrote last: step 3 | step 4 | " + String(repeating: "x", count: 200) + "…"
    #expect(restart.output.contains("web-2 exited with 7; \(words)"), "\(restart.output)")
    #expect(restart.output.contains("web-2 ended before it was available; \(words); the old replicas go on"), "\(restart.output)")
    let history = try workspace.lastcall("rollout", "history")
    _ = await history.ended()
    #expect(history.output.contains("step 4"), "\(history.output)")
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }
}
