import StopPlan
import Testing

@testable import AppSpec

/// What each field says when it is right.
@Suite struct FieldTests {
  private let proxy = "listen: { port: 8080 }"
  private let socket = "listen: { port: 8080, via: socket }"

  @Test(arguments: [
    ("{ port: 1 }", Listen(port: 1, via: .proxy)),
    ("{ port: 65535, via: socket }", Listen(port: 65_535, via: .socket)),
    ("{ port: 80, host: 0.0.0.0 }", Listen(host: "0.0.0.0", port: 80)),
    ("{ port: 80, host: '0:0:0:0:0:0:0:1' }", Listen(host: "::1", port: 80)),
  ])
  func listen(_ text: String, _ listen: Listen) throws {
    #expect(try web("listen: \(text)").listen == listen)
  }

  @Test(arguments: [
    ("127.0.0.1", "127.0.0.1", true), ("127.0.0.1", "127.0.0.2", false), ("127.0.0.1", "0.0.0.0", true), ("'::'", "127.0.0.1", true),
    ("'::1'", "'0::1'", true),
  ])
  func twoAppsCannotListenOnOnePort(_ first: String, _ second: String, _ collide: Bool) {
    let text = """
      apps:
        a: { command: [x], listen: { host: \(first), port: 80 } }
        b: { command: [x], listen: { host: \(first), port: 81 } }
        c: { command: [x], listen: { port: 80, host: \(second) } }
      """
    let expected = "lastcall.yaml:4:38: apps.c.listen.port: port 80 is taken by the app \"a\"; give one of them another port"
    #expect(mistakes(text) == (collide ? [expected] : []))
  }

  /// `web-2` would be a replica of `web`, and `lastcall logs web-2` both.
  @Test func noAppIsNamedAsAnothersReplicas() {
    func text(_ names: String...) -> String { "apps:\n" + names.map { "  \($0): { command: [./a] }\n" }.joined() }
    #expect(
      mistakes(text("web", "web-2", "web-proxy-1", "web-b", "db-2", "web-2x", "web-3-mesh")) == [
        "lastcall.yaml:3:3: apps.web-2: web-2 is what a replica, a sidecar or the proxy of the app \"web\" is named; give one of them another name",
        "lastcall.yaml:4:3: apps.web-proxy-1: web-proxy-1 is what a replica, a sidecar or the proxy of the app \"web\" is named; give one of them another name",
        "lastcall.yaml:8:3: apps.web-3-mesh: web-3-mesh is what a replica, a sidecar or the proxy of the app \"web\" is named; give one of them another name",
      ])
  }

  @Test func readinessDependsOnHowTheAppIsReached() throws {
    #expect(try web().ready == nil)
    #expect(try web(socket).ready == nil)
    #expect(try web(proxy).ready == Readiness(.tcp(port: nil)))
  }

  @Test func readinessIsWrittenInEachForm() throws {
    let check = CommandWords(program: "./check", arguments: [Template("-v")], directory: "/tmp")
    let cases: [(String, Readiness.Check)] = [
      ("notify", .notify),
      ("{ http: /readyz }", .http(HTTPTarget(path: "/readyz"))),
      ("{ http: { path: /r, port: 9000 } }", .http(HTTPTarget(path: "/r", port: 9000))),
      ("{ tcp: true }", .tcp(port: nil)),
      ("{ tcp: 15020 }", .tcp(port: 15_020)),
      ("{ exec: [./check, -v] }", .exec(check)),
    ]
    for (text, expected) in cases { #expect(try web(proxy, "ready: \(text)").ready == Readiness(expected), "\(text)") }
    #expect(try web(socket, "ready: notify").ready == Readiness(.notify))
    #expect(try web(socket, "ready: { exec: [./check, -v] }").ready == Readiness(.exec(check)))
    #expect(
      try web("ready: { tcp: 81, every: 10ms, timeout: 1h }").ready
        == Readiness(.tcp(port: 81), every: .milliseconds(10), timeout: .seconds(3600)))
  }

  @Test func aProbeOfTheProxysOwnPortIsRefused() {
    #expect(
      mistakes(file([proxy, "ready: { tcp: 8080 }"])) == [
        "lastcall.yaml:5:19: apps.web.ready.tcp: 8080 is the port that lastcall's proxy listens on; leave the port out to reach the replica's own"
      ])
  }

  @Test(arguments: [
    ("{}", "TERM/15?/TERM@rest", 30), ("{ grace: 10 }", "TERM/5?/TERM@rest", 10),
    ("{ plan: QUIT/10/TERM/5/KILL }", "QUIT/10/TERM/5/KILL", 30),
    ("{ plan: TERM/90/KILL }", "TERM/90/KILL", 90), ("{ plan: 25 }", "TERM/25/KILL", 30), ("{ plan: TERM, grace: 2m }", "TERM", 120),
    ("{ plan: KILL, grace: 0 }", "KILL", 0), ("{ preStop: { sleep: 2s } }", "pause(2)/TERM/15?/TERM@rest", 30),
    ("{ preStop: { exec: [leave, 'a b'] }, plan: TERM/5 }", "hook(leave 'a b')/TERM/5", 30),
    ("{ preStop: { sleep: 1 }, plan: hook(./a $COLOR)/hook(b)/TERM }", "pause(1)/hook(/tmp/a red)/hook(b)/TERM", 30),
  ])
  func stop(_ text: String, _ plan: String, _ grace: Int64) throws {
    let stop = try web("stop: \(text)").stop
    #expect(stop.plan(for: ReplicaValues()).description == plan)
    #expect(stop.plan(for: ReplicaValues()).grace == .seconds(grace))
    #expect(stop.grace == .seconds(grace))
  }

  @Test func hooksAndPausesLeaveAQuarterOfTheGrace() throws {
    #expect(try web("stop: { preStop: { sleep: 2s } }").stop.plan(for: ReplicaValues()).reserve == .milliseconds(7500))
    #expect(try web("stop: { plan: TERM/5, preStop: { exec: [x] } }").stop.plan(for: ReplicaValues()).reserve == .milliseconds(7500))
    #expect(try web().stop.plan(for: ReplicaValues()) == .standard(grace: .seconds(30)))
  }

  @Test func aHookByHTTPIsKeptAsItIsDeclared() throws {
    let stop = try web(proxy, "stop: { preStop: { http: { path: /drain, method: POST } } }").stop
    #expect(stop.preStop == .http(HTTPTarget(method: .post, path: "/drain")))
    #expect(stop.plan(for: ReplicaValues()) == .standard(grace: .seconds(30)))
    #expect(try web("stop: { preStop: { http: { path: /d, port: 9 } } }").stop.preStop == .http(HTTPTarget(path: "/d", port: 9)))
    #expect(try web(proxy, "stop: { preStop: { http: /d } }").stop.preStop == .http(HTTPTarget(path: "/d")))
  }

  @Test(arguments: [
    ("replicas: 3", Update.Share.count(0), Update.Share.count(1)),
    ("update: { surge: 1 }", .count(1), .count(0)),
    ("update: { surge: 0 }", .count(0), .count(1)),
    ("update: { surge: 1, unavailable: 1 }", .count(1), .count(1)),
    ("update: { unavailable: 25% }", .count(0), .percent(25)),
  ])
  func anAppWithoutAListenerIsStoppedFirst(_ field: String, _ surge: Update.Share, _ unavailable: Update.Share) throws {
    let update = try web(field).update
    #expect(update.surge == surge)
    #expect(update.unavailable == unavailable)
  }

  @Test func anAppWithAListenerSurges() throws {
    #expect(try web(proxy).update == Update(surge: .count(1), unavailable: .count(0)))
    let written = try web(proxy, "replicas: 8", "update: { surge: 25%, unavailable: 8, deadline: 2m, settle: 0 }").update
    #expect(written == Update(surge: .percent(25), unavailable: .count(8), deadline: .seconds(120), settle: .zero))
    #expect(mistakes(file([proxy, "update: { surge: 0 }"])).count == 1)
  }

  @Test(arguments: [
    (Update.Share.percent(25), Update.Share.percent(25), 10, 3, 2), (.percent(0), .percent(10), 3, 0, 1), (.count(2), .count(0), 5, 2, 0),
    (.percent(100), .percent(100), 7, 7, 7), (.percent(1), .percent(1), 10_000, 100, 100),
  ])
  func partsOfTheReplicasAreRounded(_ surge: Update.Share, _ unavailable: Update.Share, _ replicas: Int, _ more: Int, _ fewer: Int) {
    let budget = Update(surge: surge, unavailable: unavailable).budget(replicas: replicas)
    #expect(budget == (more, fewer))
  }

  @Test(arguments: [
    ("{ policy: always }", Restart()), ("{ policy: on-failure }", Restart(policy: .onFailure)),
    ("{ policy: never }", Restart(policy: .never)),
    ("{ backoff: 500ms..2m }", Restart(backoff: .milliseconds(500) ... .seconds(120))),
    ("{ backoff: 5 }", Restart(backoff: .seconds(5) ... .seconds(5))),
    ("{ backoff: 0.5..1.5 }", Restart(backoff: .milliseconds(500) ... .milliseconds(1500))),
  ])
  func restart(_ text: String, _ restart: Restart) throws {
    #expect(try web("restart: \(text)").restart == restart)
  }

  @Test(arguments: [
    ("./server -v", "[./server, -v]"), ("sh -c 'a b'", "[sh, -c, 'a b']"), ("echo it\\'s", "[echo, 'it''s']"),
    ("a \"b", "[./server, --verbose]"),
  ])
  func aShellsLineIsAnsweredWithTheList(_ line: String, _ list: String) {
    let quoted = "'" + line.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
    let found = mistakes("apps: { web: { command: \(quoted) } }")
    #expect(found.count == 1)
    #expect(found.first?.hasSuffix("a command is never given to a shell: write \(list)") == true)
  }

  @Test(arguments: [
    ("replica", "replicas"), ("Replicas", "replicas"), ("pre-stop", nil), ("comand", "command"), ("cmomand", "command"),
    ("lsiten", "listen"),
    ("stpo", "stop"), ("x", nil), ("environment", nil), (String(repeating: "e", count: 100_000), nil),
  ])
  func theNearestNameIsFound(_ written: String, _ nearest: String?) {
    #expect(nearestName(to: written, among: AppKey.allCases.map(\.rawValue)) == nearest)
  }
}
