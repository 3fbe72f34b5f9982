import Foundation
import Linux
import StopPlan
import Testing

/// What an engine tells of replicas that go on: that they read their configuration again, that their output cannot be written, that they do
/// not work and are not replaced yet.
@Suite(.serialized) struct EngineLogEventTests {
  private struct Row: Decodable {
    var name: String
    var state: String
    var reason: String
    var pid: Int32?
    var keeper: Int32?
  }

  private func rows(_ test: LifecycleCase) async throws -> [Row] {
    try JSONDecoder().decode([Row].self, from: Data(try await test.lastcall("ps", "-o", "json").utf8))
  }

  private func pids(_ test: LifecycleCase) async throws -> [Int32?] { try await rows(test).map(\.pid) }

  /// All that a program has written that is still there.
  private func logged(_ test: LifecycleCase) async throws -> [String] {
    try await test.lastcall("logs", "-n", "all", "web").split(separator: "\n").map { line in
      line.firstRange(of: "| ").map { String(line[$0.upperBound...]) } ?? String(line)
    }
  }

  // MARK: - Configuration

  /// sd_notify(3): RELOADING=1, and READY=1 when it is done. It goes on serving meanwhile, and does not start.
  @Test func aProgramThatReadsItsConfigurationAgainSaysSo() async throws {
    let test = try LifecycleCase(stop: "grace: 30s")
    try test.workspace.write(
      "reader.py",
      """
      import os, signal, socket, time
      notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
      notify.connect(os.environ["NOTIFY_SOCKET"])
      def read(number, frame):
        notify.send(b"RELOADING=1\\nMONOTONIC_USEC=%d" % (time.monotonic_ns() // 1000))
        while not os.path.exists("go"): time.sleep(0.02)
        notify.send(b"READY=1")
      signal.signal(signal.SIGHUP, read)
      notify.send(b"READY=1")
      while True: signal.pause()
      """)
    try test.workspace.write(
      "lastcall.yaml",
      """
      apps:
        web:
          command: [/usr/bin/python3, reader.py]
          ready: notify
          reload: { signal: HUP }
          update: { settle: 0s }
      """)
    let up = try await test.up()
    let before = try await pids(test)
    try await test.lastcall("reload", "web")
    try await up.says("web-1 reads its configuration again")
    #expect(try await rows(test).map(\.reason) == ["Serving"])
    #expect(try await !test.has("Reloaded", "web-1 has read its configuration"))
    try test.touch("go")
    try await up.says("web-1 has read its configuration")
    let events = try await test.events()
    let told = events.filter { $0.replica == "web-1" }
    #expect(told.map(\.reason).suffix(2) == ["Reloading", "Reloaded"])
    #expect(told.count == 4 && told.count { $0.reason == "Ready" } == 1 && told.allSatisfy { $0.kind == "Normal" }, "\(told)")
    #expect(events.count { $0.reason == "RolloutBegan" } == 1)
    #expect(try await pids(test) == before)
    await test.down(up)
  }

  // MARK: - Output

  /// A limit of the keeper's files stands in for a full disk, as in `KeeperLogTests`.
  @Test(arguments: ["block", "drop"])
  func anOutputThatCannotBeWrittenIsToldAndSoIsItsEnd(full: String) async throws {
    let test = try LifecycleCase(stop: "grace: 30s")
    let last = 50_000
    let count = "i=1; while [ $$i -le \(last) ]; do echo line $$i; i=$$((i+1)); done"
    let script = "until [ -e go ]; do sleep 0.02; done; \(count); touch done; exec sleep 1000"
    let more = "    logs: { full: \(full) }\n    update: { settle: 0s }\n"
    try test.workspace.write("lastcall.yaml", Workspace.sleeper(more, script: script))
    let up = try await test.up()
    let before = try await pids(test)
    let keeper = try #require(try await rows(test).first?.keeper)
    let isDone = { FileManager.default.fileExists(atPath: test.workspace.directory + "/done") }
    try KeeperLogTests.limitFiles(of: keeper, to: 30_000)
    try test.touch("go")
    let reason = full == "block" ? "LogBlocked" : "LogDropped"
    try await up.says(reason)
    let event = try await test.event(reason)
    #expect(event.kind == "Warning" && event.replica == "web-1" && event.message.hasSuffix("; free some space"), "\(event)")
    // More is to come than the pipe holds: the program waits, or goes on and loses it. The engine answers all the same.
    if full == "block" { #expect(!isDone()) } else { #expect(try await eventually { isDone() }) }
    #expect(try await rows(test).map(\.state) == ["Ready"])
    #expect(try await !test.has("LogResumed"))
    try KeeperLogTests.limitFiles(of: keeper, to: nil)
    try await up.says("LogResumed")
    let resumed = try await test.event("LogResumed")
    #expect(resumed.kind == "Normal" && resumed.replica == "web-1", "\(resumed)")
    #expect(try await eventually { isDone() })
    if full == "block" {
      #expect(try await eventually { try await test.lastcall("logs", "-n", "1", "web").hasSuffix("| line \(last)\n") })
      #expect(try await logged(test) == (1...last).map { "line \($0)" })
    } else {
      // Between those that are there the log says how many are not.
      let isCounted = try await eventually {
        let logged = try await logged(test)
        let dropped = last + 1 - logged.count
        return dropped > 0 && logged.contains("lastcall: \(dropped) lines were dropped because this file could not be written")
      }
      #expect(isCounted)
    }
    #expect(try await pids(test) == before)
    await test.down(up)
  }

  // MARK: - The brake

  /// One may be missing; its substitute is kept from getting ready, so that the others have to stay. They are well again before it is their
  /// turn.
  @Test func whereTooManyWouldBeMissingTheUnhealthyStayUntilTheyAreWell() async throws {
    let test = try LifecycleCase(stop: "grace: 30s")
    try test.workspace.write(
      "lastcall.yaml",
      """
      apps:
        web:
          command: [sleep, '1000']
          replicas: 3
          ready: { exec: [test, -e, go], every: 20ms, timeout: 60s }
          live: { exec: [test, -e, well], every: 20ms, timeout: 60s, failures: 2 }
          update: { surge: 0, unavailable: 1, settle: 0s, deadline: 10m }
          restart: { backoff: 10ms..100ms }
      """)
    try test.touch("go")
    try test.touch("well")
    let up = try await test.up()
    let before = try await pids(test)
    try FileManager.default.removeItem(atPath: test.workspace.directory + "/go")
    try FileManager.default.removeItem(atPath: test.workspace.directory + "/well")
    try await up.says("Holding")
    let holding = try await test.event("Holding")
    #expect(holding.kind == "Warning" && holding.message.hasSuffix("left running for now: too many would be missing at once"), "\(holding)")
    let areHeld = try await eventually {
      let states = try await rows(test).map { "\($0.state) \($0.reason)" }.sorted()
      return states == ["Ready Unhealthy", "Ready Unhealthy", "Starting NotReady"]
    }
    #expect(areHeld, "\(up.output)")
    let held = try await rows(test).filter { $0.reason == "Unhealthy" }.map(\.pid)
    #expect(held.allSatisfy { before.contains($0) })
    #expect(try await !test.has("BrakeReleased"))
    try test.touch("well")
    try await up.says("BrakeReleased")
    #expect(try await test.event("BrakeReleased").kind == "Normal")
    #expect(try await rows(test).filter { $0.reason == "Serving" }.map(\.pid) == held)
    try test.touch("go")
    #expect(try await eventually { try await rows(test).map(\.reason) == ["Serving", "Serving", "Serving"] })
    #expect(try await pids(test).filter { before.contains($0) } == held)
    let events = try await test.events()
    for reason in ["Holding", "BrakeReleased", "Killing"] { #expect(events.count { $0.reason == reason } == 1, "\(reason): \(events)") }
    await test.down(up)
  }

  /// None may be missing, so that none is stopped before a substitute serves; those that come later are not ill.
  @Test func whereNoneMayBeMissingTheUnhealthyStayUntilOthersServe() async throws {
    let test = try LifecycleCase(stop: "grace: 30s")
    try test.workspace.write(
      "server.py",
      """
      import http.server, os, sys
      isImmune = os.path.exists("ill")
      class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *words): pass
        def do_GET(self):
          fine = os.path.exists("go") if self.path == "/ready" else isImmune or not os.path.exists("ill")
          self.send_response(200 if fine else 500)
          self.send_header("content-length", "0")
          self.end_headers()
      http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
      """)
    try test.workspace.write(
      "lastcall.yaml",
      """
      apps:
        web:
          command: [/usr/bin/python3, server.py, $PORT]
          replicas: 3
          listen: { port: \(try freePort()) }
          ready: { http: /ready, every: 20ms, timeout: 60s }
          live: { http: /live, every: 20ms, timeout: 60s, failures: 2 }
          update: { surge: 1, unavailable: 0, settle: 0s, deadline: 10m }
          restart: { backoff: 10ms..100ms }
      """)
    try test.touch("go")
    let up = try await test.up()
    let before = try await pids(test)
    #expect(before.count == 3)
    try FileManager.default.removeItem(atPath: test.workspace.directory + "/go")
    try test.touch("ill")
    try await up.says("Holding")
    let areHeld = try await eventually {
      let states = try await rows(test).map { "\($0.state) \($0.reason)" }.sorted()
      return states == ["Ready Unhealthy", "Ready Unhealthy", "Ready Unhealthy", "Starting NotReady"]
    }
    #expect(areHeld, "\(up.output)")
    #expect(try await rows(test).filter { $0.reason == "Unhealthy" }.map(\.pid) == before)
    #expect(try await !test.has("Killing"))
    #expect(try await !test.has("BrakeReleased"))
    try test.touch("go")
    try await up.says("BrakeReleased")
    #expect(try await eventually { try await rows(test).map(\.reason) == ["Serving", "Serving", "Serving"] })
    #expect(try await pids(test).allSatisfy { !before.contains($0) })
    let events = try await test.events()
    // The first to go does so when its substitute is ready.
    let ready = try #require(events.firstIndex { $0.reason == "Ready" && $0.replica == "web-4" })
    let stopped = try #require(events.firstIndex { $0.reason == "Killing" })
    #expect(ready < stopped)
    for reason in ["Holding", "BrakeReleased"] { #expect(events.count { $0.reason == reason } == 1, "\(reason): \(events)") }
    await test.down(up)
  }
}
