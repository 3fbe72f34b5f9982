import StopPlan
import Testing

@testable import AppSpec

/// What each field says that the engine carries out, when it is right.
@Suite struct EngineFieldTests {
  private let proxy = "listen: { port: 8080 }"

  @Test func livenessIsWrittenInEachForm() throws {
    let check = CommandWords(program: "./check", directory: "/tmp")
    let cases: [(String, Readiness.Check)] = [
      ("{ http: /healthz }", .http(HTTPTarget(path: "/healthz"))),
      ("{ http: { path: /h, port: 9 } }", .http(HTTPTarget(path: "/h", port: 9))),
      ("{ tcp: true }", .tcp(port: nil)), ("{ tcp: 9 }", .tcp(port: 9)), ("{ exec: [./check] }", .exec(check)),
    ]
    for (text, expected) in cases { #expect(try web(proxy, "live: \(text)").live == Liveness(expected), "\(text)") }
    #expect(try web().live == nil)
    #expect(
      try web("live: { tcp: 9, every: 1, timeout: 20ms, failures: 1000, after: 24h }").live
        == Liveness(.tcp(port: 9), every: .seconds(1), timeout: .milliseconds(20), failures: 1000, after: .seconds(86_400)))
    #expect(try web("listen: { port: 80, via: socket }", "live: { exec: [./check] }").live == Liveness(.exec(check)))
  }

  @Test func aSidecarHasTheAppsDefaults() throws {
    let scratch = try Scratch()
    try scratch.write("web/x", "")
    try scratch.write("side/x", "")
    let text = """
      apps:
        web:
          command: [./server]
          directory: ./web
          env: { A: a, B: $A-b, PATH: '/opt:$PATH' }
          listen: { port: 80 }
          stop: { grace: 20s }
          sidecars:
            - { name: mesh, command: [./mesh, $B, $C, $PORT], env: { A: x, C: $A, PATH: '/side:$PATH' }, ready: { tcp: 15020 } }
            - { name: log, command: [./log, $A], directory: ./side, ready: notify, stop: { plan: INT/2, preStop: { exec: [./bye] } } }
      """
    let app = try #require(try read(text, directory: scratch.path).apps.first)
    let values = ReplicaValues(port: 9)
    #expect(app.sidecars.map(\.name) == ["mesh", "log"])
    let (mesh, log) = (app.sidecars[0], app.sidecars[1])
    #expect(mesh.command.argv(for: values) == ["\(scratch.path)/web/mesh", "a-b", "x", "9"])
    #expect(mesh.directory == "\(scratch.path)/web")
    #expect(app.environment(of: mesh, for: values) == ["A": "x", "B": "a-b", "C": "x", "PATH": "/side:/opt:/usr/bin:/bin"])
    #expect(mesh.ready == Readiness(.tcp(port: 15_020)))
    #expect(mesh.stop == Stop(grace: .seconds(20)))
    #expect(log.command.argv(for: values) == ["\(scratch.path)/side/log", "a"])
    #expect(log.ready == Readiness(.notify))
    #expect(log.stop.plan(for: values).description == "hook(\(scratch.path)/side/bye)/INT/2")
    #expect(log.stop.grace == .seconds(20))
    #expect(app.environment(of: log, for: values) == app.environment(for: values))
    // What comes after the sidecars is the app's again.
    #expect(app.command(port: 9) == ["\(scratch.path)/web/server"])
    #expect(app.ready == Readiness(.tcp(port: nil)))
  }

  @Test func sidecarsUnderASharedPortHaveTheirOwn() throws {
    let app = try web("listen: { port: 80, via: socket }", "sidecars: [{ name: a, command: [x], ready: { http: { path: /, port: 81 } } }]")
    #expect(app.sidecars.first?.ready == Readiness(.http(HTTPTarget(path: "/", port: 81))))
    #expect(try web(proxy, "sidecars: [{ name: a, command: [x] }]").sidecars.first?.ready == nil)
  }

  @Test func reload() throws {
    #expect(try web("reload: { signal: HUP }").reload == .signal(.hup))
    #expect(try web("reload: { signal: sigusr1 }").reload == .signal(.usr1))
    #expect(
      try web("reload: { exec: [./r, a] }").reload == .exec(CommandWords(program: "./r", arguments: [Template("a")], directory: "/tmp")))
  }

  @Test(arguments: [
    ("{}", Logs()), ("{ size: 0 }", Logs(size: 0)), ("{ size: 4KiB, keep: 0, full: drop }", Logs(size: 4096, keep: 0, full: .drop)),
    ("{ size: 64k }", Logs(size: 64_000)), ("{ size: 5M }", Logs(size: 5_000_000)),
    ("{ size: 2GiB, keep: 100 }", Logs(size: 2 << 30, keep: 100)),
    ("{ size: 1G }", Logs(size: 1_000_000_000)), ("{ size: 8192B, full: block }", Logs(size: 8192)), ("{ size: 8192 }", Logs(size: 8192)),
    ("{ size: 1024GiB }", Logs(size: 1 << 40)),
  ])
  func logs(_ text: String, _ logs: Logs) throws {
    #expect(try web("logs: \(text)").logs == logs)
  }

  @Test func exits() throws {
    let exits = try web("exits: { 0: done, 75: restart, 78: stop, SIGKILL: fail, usr1: done, RTMIN+1: stop }").exits
    #expect(exits.meaning(of: .code(0)) == .done)
    #expect(exits.meaning(of: .code(75)) == .restart)
    #expect(exits.meaning(of: .code(78)) == .stop)
    #expect(exits.meaning(of: .signal(.kill, core: false)) == .fail)
    #expect(exits.meaning(of: .signal(.usr1, core: true)) == .done)
    #expect(exits.meaning(of: .signal(Signal("RTMIN+1") ?? .term, core: true)) == .stop)
    #expect(exits.meaning(of: .code(1)) == nil)
    #expect(exits.meaning(of: .signal(.term, core: false)) == nil)
    #expect(try web().exits.meanings.isEmpty)
  }

  @Test func jobs() throws {
    let app = try web("kind: job", "schedule: '*/5 * * * *'", "replicas: 1")
    #expect(app.kind == .job)
    #expect(app.schedule == "*/5 * * * *")
    #expect(app.restart.policy == .onFailure)
    #expect(try web("kind: job", "restart: { backoff: 5s }").restart == Restart(policy: .onFailure, backoff: .seconds(5) ... .seconds(5)))
    #expect(try web("kind: job", "restart: { policy: never }").restart.policy == .never)
    #expect(try web("kind: service").restart.policy == .always)
  }

  @Test func images() throws {
    let app = try web(
      proxy, "image: localhost/shop:$COLOR", "runtime: podman", "podman: ['--publish=$PORT:80', --memory=1g]", "directory: /")
    let expected = Container(
      image: "localhost/shop:red", command: [Template("./server")], options: [Template("--publish=x"), Template("--memory=1g")])
    #expect(app.container?.image == expected.image)
    #expect(app.container?.command == expected.command)
    #expect(app.container?.options.map { $0.text(for: ReplicaValues(port: 9)) } == ["--publish=9:80", "--memory=1g"])
    #expect(app.command(port: 1) == ["podman"])
    let bare = try read("apps: { web: { image: nginx, runtime: podman } }").apps[0]
    #expect(bare.container == Container(image: "nginx"))
    // The program is looked for by its own name, in the image's place.
    let text =
      "apps: { web: { image: nginx, runtime: podman, user: nobody-such, env: { PATH: /bin }, ready: { exec: [./none] }, stop: { preStop: { exec: [none] } } } }"
    let found = #expect(throws: AppFileError.self) {
      try AppFile(text: text, path: "lastcall.yaml", directory: "/tmp", environment: ["PATH": "/none"]).checkCommands()
    }
    #expect(found?.description == "lastcall.yaml:1:39: apps.web.runtime: command not found: podman (looked at /none)")
  }

  @Test(arguments: [
    ("www-data", User("www-data", group: nil)), ("1000", User("1000", group: nil)), ("1000:1000", User("1000", group: "1000")),
    ("_x.y-z:adm", User("_x.y-z", group: "adm")),
  ])
  func users(_ text: String, _ user: User) throws {
    #expect(try web("user: \(text)").user == user)
  }

  @Test func aUserHasNumbersOnThisMachine() throws {
    let root = try User("root", group: nil).identity()
    #expect((root.user, root.group, root.name) == (0, 0, "root"))
    #expect(root.groups.contains(0))
    #expect(try User("0", group: nil).identity() == root)
    #expect(try User("4294967294", group: "7").identity() == .init(user: 4_294_967_294, group: 7, groups: [7], name: nil, home: nil))
    #expect(throws: User.Problem.noUser("no-such-user")) { try User("no-such-user", group: nil).identity() }
    #expect(throws: User.Problem.noGroup("no-such-group")) { try User("root", group: "no-such-group").identity() }
    #expect(throws: User.Problem.noOwnGroup("4294967294")) { try User("4294967294", group: nil).identity() }
    let error = #expect(throws: AppFileError.self) {
      try read("apps: { web: { command: [sh], user: no-such-user } }").checkCommands()
    }
    #expect(
      error?.description
        == "lastcall.yaml:1:37: apps.web.user: there is no user \"no-such-user\" on this machine; add it with useradd, or name another")
  }

  @Test(arguments: [("027", 0o27), ("'027'", 0o27), ("000", 0), ("777", 0o777), ("'0022'", 0o22)])
  func umask(_ text: String, _ mask: Int) throws {
    #expect(try web("umask: \(text)").umask == mask)
  }

  @Test func limits() throws {
    let limits = try web("limits: { files: 65536, processes: 512..unlimited, core: unlimited }").limits
    #expect(
      limits
        == Limits(
          files: .init(.number(65_536)), processes: .init(.number(512), hard: .unlimited), core: .init(.unlimited)))
    #expect(try web("limits: { files: 1024..4096, core: 0..10MiB }").limits.core == .init(.number(0), hard: .number(10 << 20)))
    #expect(try web("limits: { files: 1024..4096 }").limits.files == .init(.number(1024), hard: .number(4096)))
    #expect(try web().limits == Limits())
  }

  @Test func notify() throws {
    #expect(try web().notify == Notify(watchdog: nil, extend: .seconds(300), store: 16))
    #expect(
      try web("notify: { watchdog: 10s, extend: 0, store: 253 }").notify == Notify(watchdog: .seconds(10), extend: .zero, store: 253))
  }

  @Test func aStopCanBeLikeKubernetes() throws {
    #expect(try web("stop: { like: kubernetes }").stop.like == .kubernetes)
    #expect(try web("stop: { like: kubernetes, plan: TERM/5 }").stop.plan(for: ReplicaValues()).description == "TERM/5")
    #expect(try web().stop.like == nil)
    let plan = try web("stop: { like: kubernetes, grace: 20s }").stop.plan(for: ReplicaValues())
    #expect(plan.description == "TERM/20/KILL")
    #expect(plan.floor == .seconds(2))
    // Its hooks get all of the grace.
    #expect(try web("stop: { like: kubernetes, grace: 20s, preStop: { sleep: 20s } }").stop.preStop == .sleep(.seconds(20)))
    let sidecar = try web("stop: { like: kubernetes, grace: 20s }\n    sidecars: [{ name: a, command: [sh] }]").sidecars.first
    #expect(sidecar?.stop.plan(for: ReplicaValues()).description == "TERM/20/KILL")
  }

  @Test func allCommandsAreChecked() throws {
    let scratch = try Scratch()
    let text = """
      apps:
        web:
          command: [sh]
          live: { exec: [./live] }
          reload: { exec: [./reload] }
          sidecars:
            - name: a
              command: [./a]
              ready: { exec: [./ready] }
              stop: { plan: hook(./hook)/TERM, preStop: { exec: [./pre] } }
      """
    let error = #expect(throws: AppFileError.self) { try read(text, directory: scratch.path).checkCommands() }
    let places = error?.mistakes.map { "\($0.position?.line ?? 0):\($0.position?.column ?? 0) \($0.path)" }
    #expect(
      places == [
        "4:19 apps.web.live.exec", "5:21 apps.web.reload.exec", "8:18 apps.web.sidecars[0].command", "9:24 apps.web.sidecars[0].ready.exec",
        "10:23 apps.web.sidecars[0].stop.plan", "10:59 apps.web.sidecars[0].stop.preStop.exec",
      ])
  }
}
