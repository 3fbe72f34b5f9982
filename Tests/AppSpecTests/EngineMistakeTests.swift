import StopPlan
import Testing

@testable import AppSpec

/// Every field that the engine carries out, wrong in type, range and name: where the mistake is and what it says.
@Suite struct EngineMistakeTests {
  typealias Case = FieldCase

  @Test(arguments: [
    Case("live: yes", "11: apps.web.live: expected a mapping such as { http: /healthz, every: 5s, failures: 3 }, found \"yes\""),
    Case("live: {}", "11: apps.web.live: expected one of http, tcp and exec; found none"),
    Case("live: { tcp: 81, exec: [a] }", "11: apps.web.live: expected one of http, tcp and exec; found tcp and exec"),
    Case(
      "live: { notify: true }",
      "13: apps.web.live.notify: the program's own sign of life is \"notify: { watchdog: 10s }\", beside live"),
    Case("live: { tpc: 1 }", "13: apps.web.live.tpc: unknown key \"tpc\"; did you mean \"tcp\"?"),
    Case("live: { tcp: 0 }", "18: apps.web.live.tcp: expected a whole number of 1 to 65535, found \"0\""),
    Case(
      "live: { http: { path: x, port: 9 } }",
      "27: apps.web.live.http.path: expected a path that begins with a slash, such as /readyz, found \"x\""),
    Case(
      "live: { exec: x }", "19: apps.web.live.exec: expected a list of words, found \"x\"; a command is never given to a shell: write [x]"),
    Case("live: { tcp: 81, every: 1ms }", "29: apps.web.live.every: expected a length of time of 10ms to 1h, found \"1ms\""),
    Case("live: { tcp: 81, timeout: [] }", "31: apps.web.live.timeout: expected a length of time of 10ms to 1h, found a list"),
    Case("live: { tcp: 81, failures: 0 }", "32: apps.web.live.failures: expected a whole number of 1 to 1000, found \"0\""),
    Case("live: { tcp: 81, failures: 1001 }", "32: apps.web.live.failures: expected a whole number of 1 to 1000, found \"1001\""),
    Case("live: { tcp: 81, after: 25h }", "29: apps.web.live.after: expected a length of time of 0 to 24h, found \"25h\""),
    Case("live: { tcp: 81, failure: 3 }", "22: apps.web.live.failure: unknown key \"failure\"; did you mean \"failures\"?"),
  ])
  func live(_ test: Case) { test.expect() }

  @Test(arguments: [
    ("live: { tcp: 9000 }", "5:18: apps.web.live.tcp"), ("live: { http: { path: /, port: 9000 } }", "5:19: apps.web.live.http"),
  ])
  func aProbeOfASharedPortIsExplained(_ live: String, _ place: String) {
    #expect(
      mistakes(file(["listen: { port: 80, via: socket }", live])) == [
        "lastcall.yaml:\(place): under \"via: socket\" the replicas share one port, so a probe lands on any of them; "
          + "write live: { exec: [./check] }"
      ])
  }

  @Test(arguments: [
    Case("sidecars: {}", "15: apps.web.sidecars: expected a list such as [{ name: mesh, command: [./mesh] }], found a mapping"),
    Case("sidecars: [mesh]", "16: apps.web.sidecars[0]: expected a mapping such as { name: mesh, command: [./mesh] }, found \"mesh\""),
    Case("sidecars: [{ name: a }]", "16: apps.web.sidecars[0]: expected a command, as in { name: mesh, command: [./mesh] }"),
    Case("sidecars: [{ command: [a] }]", "16: apps.web.sidecars[0]: expected a name, as in { name: mesh, command: [./mesh] }"),
    Case("sidecars: [{ nme: a, command: [a] }]", "18: apps.web.sidecars[0].nme: unknown key \"nme\"; did you mean \"name\"?"),
    Case(
      "sidecars: [{ name: A, command: [a] }]",
      "24: apps.web.sidecars[0].name: expected a name of at most 41 lower-case letters, digits and dashes that does not begin with a dash, found \"A\""
    ),
    Case(
      "sidecars: [{ name: [], command: [a] }]",
      "24: apps.web.sidecars[0].name: expected a name of at most 41 lower-case letters, digits and dashes that does not begin with a dash, found a list"
    ),
    Case(
      "sidecars: [{ name: a, command: [a] }, { name: a, command: [b] }]",
      "51: apps.web.sidecars[1].name: \"a\" is the name of a sidecar before; give one of them another"),
    Case(
      "sidecars: [{ name: a, command: b c }]",
      "36: apps.web.sidecars[0].command: expected a list of words, found \"b c\"; a command is never given to a shell: write [b, c]"),
    Case(
      "sidecars: [{ name: a, command: [b], directory: ./none }]",
      "52: apps.web.sidecars[0].directory: directory /tmp/none does not exist; make it, or name another"),
    Case(
      "sidecars: [{ name: a, command: [b], env: 3 }]",
      "46: apps.web.sidecars[0].env: expected a mapping such as { LOG_LEVEL: info }, found \"3\""),
    Case(
      "sidecars: [{ name: a, command: [b], ready: { tcp: true } }]",
      "55: apps.web.sidecars[0].ready.tcp: a sidecar has no port of its own; name the port, as in tcp: 9000"),
    Case(
      "sidecars: [{ name: a, command: [b], ready: { every: 1s } }]",
      "48: apps.web.sidecars[0].ready: expected one of http, tcp and exec, or \"ready: notify\"; found none"),
    Case(
      "sidecars: [{ name: a, command: [b], stop: { grace: 3s } }]",
      "49: apps.web.sidecars[0].stop.grace: the app and its sidecars have one grace; write it under the app's own stop"),
    Case(
      "sidecars: [{ name: a, command: [b], stop: { plan: TERM/40/KILL } }]",
      "55: apps.web.sidecars[0].stop.plan: the plan's waits come to 40s, more than the grace of 30s; raise grace or shorten the plan"),
    Case(
      "sidecars: [{ name: a, command: [b], stop: TERM }]",
      "47: apps.web.sidecars[0].stop: expected a mapping such as { plan: TERM/5/KILL }, found \"TERM\""),
    Case(
      "sidecars: [{ name: a, command: [b], stop: { preStop: { http: /x } } }]",
      "66: apps.web.sidecars[0].stop.preStop.http: a sidecar has no port of its own; name the port, as in http: { path: /x, port: 9000 }"),
  ])
  func sidecars(_ test: Case) { test.expect() }

  @Test func aSidecarIsNotProbedAtTheAppsPort() {
    for via in ["proxy", "socket"] {
      #expect(
        mistakes(file(["listen: { port: 80, via: \(via) }", "sidecars: [{ name: a, command: [b], ready: { tcp: 80 } }]"])) == [
          "lastcall.yaml:5:55: apps.web.sidecars[0].ready.tcp: 80 is the port that the app itself is reached by; name the sidecar's"
        ])
    }
  }

  @Test(arguments: [
    Case("reload: HUP", "13: apps.web.reload: expected a mapping such as { signal: HUP } or { exec: [./reload] }, found \"HUP\""),
    Case("reload: {}", "13: apps.web.reload: expected one of signal and exec; found none"),
    Case("reload: { signal: HUP, exec: [a] }", "13: apps.web.reload: expected one of signal and exec; found both"),
    Case("reload: { sginal: HUP }", "15: apps.web.reload.sginal: unknown key \"sginal\"; did you mean \"signal\"?"),
    Case("reload: { signal: HOP }", "23: apps.web.reload.signal: expected a signal such as HUP, USR1 or RTMIN+1, found \"HOP\""),
    Case("reload: { signal: [] }", "23: apps.web.reload.signal: expected a signal such as HUP, USR1 or RTMIN+1, found a list"),
    Case(
      "reload: { signal: KILL }", "23: apps.web.reload.signal: no program can catch KILL, so it reloads nothing; write another, such as HUP"
    ),
    Case("reload: { exec: [] }", "21: apps.web.reload.exec: expected a program, found an empty list"),
  ])
  func reload(_ test: Case) { test.expect() }

  @Test(arguments: [
    Case("logs: 10MiB", "11: apps.web.logs: expected a mapping such as { size: 10MiB, keep: 5 }, found \"10MiB\""),
    Case("logs: { sise: 1 }", "13: apps.web.logs.sise: unknown key \"sise\"; did you mean \"size\"?"),
    Case(
      "logs: { size: 10MB }",
      "19: apps.web.logs.size: expected a size of 4KiB to 1024GiB (B, KiB, MiB, GiB; k, M, G), or 0 for no rotation, found \"10MB\""),
    Case(
      "logs: { size: 4095 }",
      "19: apps.web.logs.size: expected a size of 4KiB to 1024GiB (B, KiB, MiB, GiB; k, M, G), or 0 for no rotation, found \"4095\""),
    Case(
      "logs: { size: 1025GiB }",
      "19: apps.web.logs.size: expected a size of 4KiB to 1024GiB (B, KiB, MiB, GiB; k, M, G), or 0 for no rotation, found \"1025GiB\""),
    Case(
      "logs: { size: 9999999999999GiB }",
      "19: apps.web.logs.size: expected a size of 4KiB to 1024GiB (B, KiB, MiB, GiB; k, M, G), or 0 for no rotation, found \"9999999999999GiB\""
    ),
    Case(
      "logs: { size: [] }",
      "19: apps.web.logs.size: expected a size of 4KiB to 1024GiB (B, KiB, MiB, GiB; k, M, G), or 0 for no rotation, found a list"),
    Case("logs: { keep: 101 }", "19: apps.web.logs.keep: expected a whole number of 0 to 100, found \"101\""),
    Case("logs: { keep: all }", "19: apps.web.logs.keep: expected a whole number of 0 to 100, found \"all\""),
    Case("logs: { full: dorp }", "19: apps.web.logs.full: expected block or drop, found \"dorp\"; did you mean \"drop\"?"),
    Case("logs: { full: {} }", "19: apps.web.logs.full: expected block or drop, found a mapping"),
  ])
  func logs(_ test: Case) { test.expect() }

  @Test(arguments: [
    Case("exits: [0]", "12: apps.web.exits: expected a mapping such as { 0: done, 75: restart, 78: stop }, found a list"),
    Case("exits: { 256: done }", "14: apps.web.exits.256: expected an exit code of 0 to 255 or a signal such as SIGKILL, found \"256\""),
    Case(
      "exits: { SIGKIL: done }",
      "14: apps.web.exits.SIGKIL: expected an exit code of 0 to 255 or a signal such as SIGKILL, found \"SIGKIL\""),
    Case(
      "exits: { SIG99: done }", "14: apps.web.exits.SIG99: expected an exit code of 0 to 255 or a signal such as SIGKILL, found \"SIG99\""),
    Case("exits: { 0: don }", "17: apps.web.exits.0: expected done, restart, stop or fail, found \"don\"; did you mean \"done\"?"),
    Case("exits: { 0: [] }", "17: apps.web.exits.0: expected done, restart, stop or fail, found a list"),
    Case("exits: { SIGKILL: fail, KILL: stop }", "29: apps.web.exits.KILL: \"KILL\" is written before, in another form; keep one"),
    Case("exits: { 1: fail, 01: stop }", "23: apps.web.exits.01: \"01\" is written before, in another form; keep one"),
  ])
  func exits(_ test: Case) { test.expect() }

  @Test(arguments: [
    Case("kind: jobs", "11: apps.web.kind: expected service or job, found \"jobs\"; did you mean \"job\"?"),
    Case("kind: []", "11: apps.web.kind: expected service or job, found a list"),
    Case("schedule: '@daily'", "15: apps.web.schedule: only a job has a schedule; write \"kind: job\" too"),
  ])
  func kind(_ test: Case) { test.expect() }

  @Test(arguments: [
    ("listen: { port: 80 }", "13: apps.web.listen: a job accepts no connections; leave listen out, or leave out \"kind: job\""),
    (
      "ready: notify",
      "12: apps.web.ready: a job is awaited when it is done, not when it is ready; leave ready out, or leave out \"kind: job\""
    ),
    ("live: { tcp: 80 }", "11: apps.web.live: a job is not probed; leave live out, or leave out \"kind: job\""),
    (
      "update: { surge: 1 }",
      "13: apps.web.update: a job has no replicas to be replaced one by one; leave update out, or leave out \"kind: job\""
    ),
    ("replicas: 2", "15: apps.web.replicas: a job has one replica, found 2; leave replicas out, or leave out \"kind: job\""),
    (
      "restart: { policy: always }",
      "24: apps.web.restart.policy: a job that is always started again is never done; write on-failure or never, or leave out \"kind: job\""
    ),
    ("schedule: []", "15: apps.web.schedule: expected a cron schedule such as '*/5 * * * *', found a list"),
    (
      "schedule: '* * * *'",
      "16: apps.web.schedule: expected five fields (minute, hour, day of month, month, day of week), or one of @hourly, @daily, @weekly, "
        + "@monthly or @yearly; found 4 in \"* * * *\""
    ),
    (
      "schedule: '0 24 * * *'",
      "18: apps.web.schedule: hour: expected a number of 0 to 23, *, a range such as 1-5, a step such as */2, or a list of these with "
        + "commas; found \"24\""
    ),
  ])
  func job(_ field: String, _ mistake: String) {
    #expect(mistakes(file(["kind: job", field])) == ["lastcall.yaml:5:" + mistake])
  }

  @Test(arguments: [
    Case("after: {}", "12: apps.web.after: expected an app's name, or a list of names such as [migrate, cache], found a mapping"),
    Case("after:", "11: apps.web.after: expected an app's name, or a list of names such as [migrate, cache], found nothing"),
    Case("after: [[]]", "13: apps.web.after[0]: expected an app's name, found a list"),
    Case("after: wbe", "12: apps.web.after: expected the name of an app of this file, found \"wbe\"; did you mean \"web\"?"),
    Case("after: migrate", "12: apps.web.after: expected the name of an app of this file, found \"migrate\""),
    Case("after: web", "12: apps.web.after: an app cannot wait for itself; leave it out"),
  ])
  func after(_ test: Case) { test.expect() }

  @Test(arguments: [
    Case(
      "runtime: podman",
      "14: apps.web.runtime: there is no image that podman would run; write one, as in image: localhost/shop, or leave this out"),
    Case(
      "podman: [-q]",
      "13: apps.web.podman: there is no image that podman would run; write one, as in image: localhost/shop, or leave this out"),
    Case("image: nginx", "12: apps.web.image: an image is run by a container runtime; write \"runtime: podman\" too"),
  ])
  func image(_ test: Case) { test.expect() }

  @Test(arguments: [
    ("runtime: docker", "14: apps.web.runtime: expected podman, found \"docker\""),
    ("runtime: []", "14: apps.web.runtime: expected podman, found a list"),
  ])
  func runtime(_ field: String, _ mistake: String) {
    #expect(mistakes(file([field, "image: nginx"])) == ["lastcall.yaml:4:" + mistake])
  }

  @Test(arguments: [
    ("image: []", "12: apps.web.image: expected an image's name such as nginx or localhost/shop:1.2, found a list"),
    ("image: --privileged", "12: apps.web.image: expected an image's name such as nginx or localhost/shop:1.2, found \"--privileged\""),
    ("image: a b", "12: apps.web.image: expected an image's name such as nginx or localhost/shop:1.2, found \"a b\""),
    ("image: ''", "12: apps.web.image: expected an image's name such as nginx or localhost/shop:1.2, found \"\""),
    ("image: a:$NONE", "12: apps.web.image: $NONE is not set; set it in env or in the environment, or write $$NONE for the text itself"),
  ])
  func imageName(_ field: String, _ mistake: String) {
    #expect(mistakes(file([field, "runtime: podman"])) == ["lastcall.yaml:4:" + mistake])
  }

  @Test(arguments: [
    ("podman: --memory=1g", "13: apps.web.podman: expected a list of podman run's arguments such as [--memory=1g], found \"--memory=1g\""),
    ("podman: [[]]", "14: apps.web.podman[0]: expected a text, found a list"),
    (
      "podman: [$NONE]",
      "14: apps.web.podman[0]: $NONE is not set; set it in env or in the environment, or write $$NONE for the text itself"
    ),
  ])
  func podman(_ field: String, _ mistake: String) {
    #expect(mistakes(file([field, "image: nginx", "runtime: podman"])) == ["lastcall.yaml:4:" + mistake])
  }

  @Test func withoutACommandAndAnImageThereIsNoApp() {
    #expect(mistakes("apps: { web: { replicas: 1 } }") == ["lastcall.yaml:1:14: apps.web: expected a command, as in command: [./server]"])
    #expect(
      mistakes("apps: { web: { image: x } }") == [
        "lastcall.yaml:1:23: apps.web.image: an image is run by a container runtime; write \"runtime: podman\" too"
      ])
  }

  @Test(arguments: [
    Case("user: []", "11: apps.web.user: expected a user such as www-data, 1000 or www-data:adm, found a list"),
    Case("user: a b", "11: apps.web.user: expected a user such as www-data, 1000 or www-data:adm, found \"a b\""),
    Case("user: 4294967295", "11: apps.web.user: expected a user such as www-data, 1000 or www-data:adm, found \"4294967295\""),
    Case("user: 'a:b:c'", "11: apps.web.user: expected a user such as www-data, 1000 or www-data:adm, found \"a:b:c\""),
    Case("user: 'a:'", "11: apps.web.user: expected a user such as www-data, 1000 or www-data:adm, found \"a:\""),
    Case("usr: a", "5: apps.web.usr: unknown key \"usr\"; did you mean \"user\"?"),
    Case("umask: {}", "12: apps.web.umask: expected three octal digits such as \"027\", found a mapping"),
    Case("umask: 22", "12: apps.web.umask: expected three octal digits such as \"027\", found \"22\""),
    Case("umask: '1022'", "12: apps.web.umask: expected three octal digits such as \"027\", found \"1022\""),
    Case("umask: '029'", "12: apps.web.umask: expected three octal digits such as \"027\", found \"029\""),
    Case("umask: '+27'", "12: apps.web.umask: expected three octal digits such as \"027\", found \"+27\""),
  ])
  func userAndUmask(_ test: Case) { test.expect() }

  private static let files = "expected a number of files of 16 to 2147483584, or a range of them as soft..hard"
  private static let processes = "expected a number of processes of 1 to 4194304, or unlimited, or a range of them as soft..hard"
  private static let core = "expected a size of 0 to 1TiB (B, KiB, MiB, GiB), or unlimited, or a range of them as soft..hard"

  @Test(arguments: [
    Case("limits: 3", "13: apps.web.limits: expected a mapping such as { files: 65536, processes: 512, core: 0 }, found \"3\""),
    Case("limits: { file: 3 }", "15: apps.web.limits.file: unknown key \"file\"; did you mean \"files\"?"),
    Case("limits: { files: 15 }", "22: apps.web.limits.files: \(files), found \"15\""),
    Case("limits: { files: 64k }", "22: apps.web.limits.files: \(files), found \"64k\""),
    Case("limits: { files: 200..100 }", "22: apps.web.limits.files: \(files), found \"200..100\""),
    Case("limits: { files: 100.. }", "22: apps.web.limits.files: \(files), found \"100..\""),
    Case("limits: { files: unlimited..100 }", "22: apps.web.limits.files: \(files), found \"unlimited..100\""),
    Case(
      "limits: { files: 1024..unlimited }",
      "22: apps.web.limits.files: Linux admits no unlimited number of open files (fs.nr_open); write a number, such as 1048576"),
    Case("limits: { processes: 0 }", "26: apps.web.limits.processes: \(processes), found \"0\""),
    Case("limits: { processes: none }", "26: apps.web.limits.processes: \(processes), found \"none\""),
    Case("limits: { core: [] }", "21: apps.web.limits.core: \(core), found a list"),
    Case("limits: { core: 2000GiB }", "21: apps.web.limits.core: \(core), found \"2000GiB\""),
  ])
  func limits(_ test: Case) { test.expect() }

  @Test(arguments: [
    Case("notify: true", "13: apps.web.notify: expected a mapping such as { watchdog: 10s }, found \"true\""),
    Case("notify: { watchdgo: 1s }", "15: apps.web.notify.watchdgo: unknown key \"watchdgo\"; did you mean \"watchdog\"?"),
    Case("notify: { watchdog: 10ms }", "25: apps.web.notify.watchdog: expected a length of time of 100ms to 24h, found \"10ms\""),
    Case("notify: { watchdog: [] }", "25: apps.web.notify.watchdog: expected a length of time of 100ms to 24h, found a list"),
    Case("notify: { extend: 25h }", "23: apps.web.notify.extend: expected a length of time of 0 to 24h, found \"25h\""),
    Case("notify: { extend: x }", "23: apps.web.notify.extend: expected a length of time of 0 to 24h, found \"x\""),
    Case("notify: { store: 254 }", "22: apps.web.notify.store: expected a whole number of 0 to 253, found \"254\""),
    Case("notify: { store: {} }", "22: apps.web.notify.store: expected a whole number of 0 to 253, found a mapping"),
  ])
  func notify(_ test: Case) { test.expect() }

  @Test(arguments: [
    Case("stop: { like: docker }", "19: apps.web.stop.like: expected kubernetes, found \"docker\""),
    Case("stop: { like: [] }", "19: apps.web.stop.like: expected kubernetes, found a list"),
    Case(
      "stop: { like: kubernetes, grace: 20s, preStop: { sleep: 21s } }",
      "52: apps.web.stop.preStop: the pauses before the first signal come to 21s, but get at most the grace, which is 20s; raise grace"),
    Case("stop: { lke: x }", "13: apps.web.stop.lke: unknown key \"lke\"; did you mean \"like\"?"),
  ])
  func like(_ test: Case) { test.expect() }
}
