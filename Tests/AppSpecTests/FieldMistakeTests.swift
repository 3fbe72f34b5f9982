import StopPlan
import Testing

@testable import AppSpec

/// Every field wrong in type, range and name: where the mistake is and what it says.
@Suite struct FieldMistakeTests {
  typealias Case = FieldCase

  @Test(arguments: [
    Case("replicas: 0", "15: apps.web.replicas: expected a whole number of 1 to 10000, found \"0\""),
    Case("replicas: 10001", "15: apps.web.replicas: expected a whole number of 1 to 10000, found \"10001\""),
    Case("replicas: -1", "15: apps.web.replicas: expected a whole number of 1 to 10000, found \"-1\""),
    Case("replicas: 1.5", "15: apps.web.replicas: expected a whole number of 1 to 10000, found \"1.5\""),
    Case("replicas: 0x10", "15: apps.web.replicas: expected a whole number of 1 to 10000, found \"0x10\""),
    Case("replicas: '3'", "15: apps.web.replicas: expected a whole number of 1 to 10000, found the text \"3\"; remove the quotes"),
    Case("replicas:", "14: apps.web.replicas: expected a whole number of 1 to 10000, found nothing"),
    Case("replicas: ~", "15: apps.web.replicas: expected a whole number of 1 to 10000, found YAML's null (~)"),
    Case("replicas: [3]", "15: apps.web.replicas: expected a whole number of 1 to 10000, found a list"),
    Case("replicas: {n: 3}", "15: apps.web.replicas: expected a whole number of 1 to 10000, found a mapping"),
    Case("replicas: 99999999999999999999", "15: apps.web.replicas: expected a whole number of 1 to 10000, found \"99999999999999999999\""),
    Case("replica: 3", "5: apps.web.replica: unknown key \"replica\"; did you mean \"replicas\"?"),
    Case("volumes: 3", "5: apps.web.volumes: unknown key \"volumes\"; expected one of \(appKeys)"),
    Case("work.dir: 3", "5: apps.web.\"work.dir\": unknown key \"work.dir\"; expected one of \(appKeys)"),
    Case("directory: ./none", "16: apps.web.directory: directory /tmp/none does not exist; make it, or name another"),
    Case("directory: [a]", "16: apps.web.directory: expected a directory such as ./web, found a list"),
    Case("env: [A=b]", "10: apps.web.env: expected a mapping such as { LOG_LEVEL: info }, found a list"),
    Case("env: { A: [b] }", "15: apps.web.env.A: expected a text; write '' for an empty one, found a list"),
    Case("env: { A: }", "15: apps.web.env.A: expected a text; write '' for an empty one, found nothing"),
    Case("env: { A=b: c }", "12: apps.web.env.A=b: expected a variable's name, found \"A=b\"; a name is not empty and has no = in it"),
    Case("env: { A: \"a\\0b\" }", "15: apps.web.env.A: expected a text; write '' for an empty one, found a NUL byte in it"),
  ])
  func app(_ test: Case) {
    test.expect()
  }

  @Test(arguments: [
    Case("listen: 8080", "13: apps.web.listen: expected a mapping such as { port: 8080, via: proxy }, found \"8080\""),
    Case("listen: {}", "13: apps.web.listen: expected a port, as in { port: 8080 }"),
    Case("listen: { port: 0 }", "21: apps.web.listen.port: expected a whole number of 1 to 65535, found \"0\""),
    Case("listen: { port: 65536 }", "21: apps.web.listen.port: expected a whole number of 1 to 65535, found \"65536\""),
    Case("listen: { port: http }", "21: apps.web.listen.port: expected a whole number of 1 to 65535, found \"http\""),
    Case("listen: { port: 80, prot: tcp }", "25: apps.web.listen.prot: unknown key \"prot\"; did you mean \"port\"?"),
    Case(
      "listen: { port: 80, via: sockets }", "30: apps.web.listen.via: expected socket or proxy, found \"sockets\"; did you mean \"socket\"?"
    ),
    Case(
      "listen: { port: 80, via: haproxy }",
      "30: apps.web.listen.via: \"haproxy\" is not supported by this version of lastcall; write socket or proxy"),
    Case(
      "listen: { port: 80, host: example.org }",
      "31: apps.web.listen.host: expected an IP address such as 127.0.0.1, 0.0.0.0 or ::1, found \"example.org\""),
  ])
  func listen(_ test: Case) {
    test.expect()
  }

  @Test(arguments: [
    Case("ready: yes", "12: apps.web.ready: expected notify, or a mapping such as { http: /readyz, every: 200ms }, found \"yes\""),
    Case("ready: [http]", "12: apps.web.ready: expected notify, or a mapping such as { http: /readyz, every: 200ms }, found a list"),
    Case("ready: {}", "12: apps.web.ready: expected one of http, tcp and exec, or \"ready: notify\"; found none"),
    Case(
      "ready: { notify: true }", "14: apps.web.ready.notify: notify is not a probe and takes no settings; write it as \"ready: notify\""),
    Case(
      "ready: { tcp: 81, exec: [a] }", "12: apps.web.ready: expected one of http, tcp and exec, or \"ready: notify\"; found tcp and exec"),
    Case("ready: { htpt: / }", "14: apps.web.ready.htpt: unknown key \"htpt\"; did you mean \"http\"?"),
    Case(
      "ready: { tcp: true }",
      "19: apps.web.ready.tcp: without \"listen: { via: proxy }\" a replica has no port of its own; name the port, as in tcp: 9000"),
    Case("ready: { tcp: false }", "19: apps.web.ready.tcp: expected a port, or true for the replica's own, found \"false\""),
    Case("ready: { tcp: 70000 }", "19: apps.web.ready.tcp: expected a whole number of 1 to 65535, found \"70000\""),
    Case(
      "ready: { http: /r }",
      "20: apps.web.ready.http: without \"listen: { via: proxy }\" a replica has no port of its own; name the port, as in http: { path: /r, port: 9000 }"
    ),
    Case("ready: { http: readyz }", "20: apps.web.ready.http: expected a path that begins with a slash, such as /readyz, found \"readyz\""),
    Case("ready: { http: '/a b' }", "20: apps.web.ready.http: expected a path that begins with a slash, such as /readyz, found \"/a b\""),
    Case("ready: { http: { port: 9000 } }", "20: apps.web.ready.http: expected a path, as in { path: /readyz }"),
    Case("ready: { http: { path: /, port: x } }", "37: apps.web.ready.http.port: expected a whole number of 1 to 65535, found \"x\""),
    Case("ready: { http: { path: /, pth: x, port: 9 } }", "31: apps.web.ready.http.pth: unknown key \"pth\"; did you mean \"path\"?"),
    Case(
      "ready: { http: [/] }",
      "20: apps.web.ready.http: expected a path such as /readyz, or a mapping such as { path: /readyz, port: 9000 }, found a list"),
    Case(
      "ready: { exec: ./check -v }",
      "20: apps.web.ready.exec: expected a list of words, found \"./check -v\"; a command is never given to a shell: write [./check, -v]"),
    Case("ready: { exec: [] }", "20: apps.web.ready.exec: expected a program, found an empty list"),
    Case("ready: { tcp: 81, every: 5ms }", "30: apps.web.ready.every: expected a length of time of 10ms to 1h, found \"5ms\""),
    Case("ready: { tcp: 81, every: 2h }", "30: apps.web.ready.every: expected a length of time of 10ms to 1h, found \"2h\""),
    Case("ready: { tcp: 81, timeout: soon }", "32: apps.web.ready.timeout: expected a length of time of 10ms to 1h, found \"soon\""),
  ])
  func ready(_ test: Case) {
    test.expect()
  }

  @Test(arguments: [
    Case("stop: TERM", "11: apps.web.stop: expected a mapping such as { plan: TERM/25/KILL, grace: 30s }, found \"TERM\""),
    Case("stop: { plna: x }", "13: apps.web.stop.plna: unknown key \"plna\"; did you mean \"plan\"?"),
    Case("stop: { pre_stop: x }", "13: apps.web.stop.pre_stop: unknown key \"pre_stop\"; did you mean \"preStop\"?"),
    Case("stop: { plan: [TERM] }", "19: apps.web.stop.plan: expected a stop plan such as TERM/25/KILL, found a list"),
    Case(
      "stop: { plan: TERM/25/KIL }",
      "27: apps.web.stop.plan: expected a signal (TERM, SIGQUIT, 15 with a dash as -15, RTMIN+1), a length (25, 500ms), pause(2) or hook(command); found \"TERM/25/KIL\""
    ),
    Case(
      "stop: { plan: 'TERM@al/25' }",
      "25: apps.web.stop.plan: expected a scope after @: main, group, rest or tree; found \"TERM@al/25\""),
    Case(
      "stop: { plan: \"TERM/\\x31x\" }",
      "19: apps.web.stop.plan: expected a length: seconds (25, 0.5) or with a unit (500ms, 2m), at most ten years; found \"TERM/1x\""
    ),
    Case("stop: { plan: '' }", "19: apps.web.stop.plan: the plan is empty; write one as TERM/25/KILL; found \"\""),
    Case(
      "stop: { plan: hook(x $NONE)/TERM }",
      "19: apps.web.stop.plan: $NONE is not set; set it in env or in the environment, or write $$NONE for the text itself"),
    Case("stop: { plan: TERM/100000/KILL }", "19: apps.web.stop.plan: the plan takes 100000s, longer than the 24h that a stop may take"),
    Case("stop: { grace: 25h }", "20: apps.web.stop.grace: expected a length of time of 0 to 24h, found \"25h\""),
    Case("stop: { grace: -1 }", "20: apps.web.stop.grace: expected a length of time of 0 to 24h, found \"-1\""),
    Case(
      "stop: { plan: TERM/25/KILL, grace: 20s }",
      "19: apps.web.stop.plan: the plan's waits come to 25s, more than the grace of 20s; raise grace or shorten the plan"),
    Case(
      "stop: { plan: TERM/25/KILL, grace: 0 }",
      "19: apps.web.stop.plan: a grace of 0 kills at once, so that the plan would never be carried out; raise grace or leave plan out"),
    Case(
      "stop: { plan: pause(28)/TERM/KILL }",
      "19: apps.web.stop.plan: the pauses before the first signal come to 28s, but get at most three quarters of the grace of 30s, which is 22.5s; raise grace"
    ),
    Case(
      "stop: { preStop: [./x] }",
      "22: apps.web.stop.preStop: expected a mapping such as { exec: [./leave-cluster] }, { http: { path: /drain, method: POST } } or { sleep: 2s }, found a list"
    ),
    Case("stop: { preStop: {} }", "22: apps.web.stop.preStop: expected one of exec, sleep and http; found none"),
    Case(
      "stop: { preStop: { sleep: 1, exec: [x] } }", "22: apps.web.stop.preStop: expected one of exec, sleep and http; found exec and sleep"),
    Case("stop: { preStop: { slep: 1 } }", "24: apps.web.stop.preStop.slep: unknown key \"slep\"; did you mean \"sleep\"?"),
    Case("stop: { preStop: { sleep: x } }", "31: apps.web.stop.preStop.sleep: expected a length of time of 0 to 24h, found \"x\""),
    Case(
      "stop: { preStop: { sleep: 23s } }",
      "22: apps.web.stop.preStop: the pauses before the first signal come to 23s, but get at most three quarters of the grace of 30s, which is 22.5s; raise grace"
    ),
    Case(
      "stop: { grace: 0, preStop: { exec: [x] } }",
      "32: apps.web.stop.preStop: a grace of 0 kills at once, so that preStop would never run; raise grace or leave preStop out"),
    Case(
      "stop: { preStop: { exec: x } }",
      "30: apps.web.stop.preStop.exec: expected a list of words, found \"x\"; a command is never given to a shell: write [x]"),
    Case(
      "stop: { preStop: { http: { path: /, port: 9, method: post } } }",
      "58: apps.web.stop.preStop.http.method: expected GET, HEAD, POST, PUT, PATCH or DELETE, found \"post\"; did you mean \"POST\"?"),
    Case(
      "stop: { preStop: { http: { path: /, port: 9, verb: post } } }",
      "50: apps.web.stop.preStop.http.verb: unknown key \"verb\"; expected one of path, method, port"),
    Case(
      "stop: { preStop: { http: /drain } }",
      "30: apps.web.stop.preStop.http: without \"listen: { via: proxy }\" a replica has no port of its own; name the port, as in http: { path: /drain, port: 9000 }"
    ),
  ])
  func stop(_ test: Case) {
    test.expect()
  }

  @Test(arguments: [
    Case("update: fast", "13: apps.web.update: expected a mapping such as { surge: 1, deadline: 60s }, found \"fast\""),
    Case("update: { serge: 1 }", "15: apps.web.update.serge: unknown key \"serge\"; did you mean \"surge\"?"),
    Case(
      "update: { surge: 2 }", "22: apps.web.update.surge: expected a whole number of 0 to 1 (replicas), or a part such as 25%, found \"2\""),
    Case(
      "update: { surge: 101% }",
      "22: apps.web.update.surge: expected a whole number of 0 to 1 (replicas), or a part such as 25%, found \"101%\""),
    Case(
      "update: { unavailable: all }",
      "28: apps.web.update.unavailable: expected a whole number of 0 to 1 (replicas), or a part such as 25%, found \"all\""),
    Case(
      "update: { surge: 0%, unavailable: 0 }",
      "13: apps.web.update: surge and unavailable are both 0, so that no replica could ever be replaced; raise one"),
    Case(
      "update: { unavailable: 0 }",
      "13: apps.web.update: surge and unavailable are both 0, so that no replica could ever be replaced; raise one"),
    Case("update: { deadline: 0 }", "25: apps.web.update.deadline: expected a length of time of 1s to 24h, found \"0\""),
    Case("update: { settle: [1] }", "23: apps.web.update.settle: expected a length of time of 0 to 1h, found a list"),
    Case(
      "update: { settle: 60s }",
      "13: apps.web.update: settle (1m) must be shorter than deadline (1m), or no replica can be ready in time"),
    Case(
      "restart: never", "14: apps.web.restart: expected a mapping such as { policy: on-failure, backoff: 1s..60s }, found \"never\""),
    Case("restart: { police: never }", "16: apps.web.restart.police: unknown key \"police\"; did you mean \"policy\"?"),
    Case(
      "restart: { policy: onFailure }",
      "24: apps.web.restart.policy: expected always, on-failure or never, found \"onFailure\"; did you mean \"on-failure\"?"),
    Case("restart: { policy: [] }", "24: apps.web.restart.policy: expected always, on-failure or never, found a list"),
    Case(
      "restart: { backoff: 60s..1s }",
      "25: apps.web.restart.backoff: expected a range such as 1s..60s, from a shorter to a longer time of 10ms to 24h, found \"60s..1s\""),
    Case(
      "restart: { backoff: 0..1s }",
      "25: apps.web.restart.backoff: expected a range such as 1s..60s, from a shorter to a longer time of 10ms to 24h, found \"0..1s\""),
    Case(
      "restart: { backoff: 1s.. }",
      "25: apps.web.restart.backoff: expected a range such as 1s..60s, from a shorter to a longer time of 10ms to 24h, found \"1s..\""),
  ])
  func updateAndRestart(_ test: Case) {
    test.expect()
  }

  @Test(arguments: [
    ("ready: { tcp: 9000 }", "5:19: apps.web.ready.tcp"), ("ready: { http: { path: /, port: 9000 } }", "5:20: apps.web.ready.http"),
  ])
  func aProbeOfASharedPortIsExplained(_ ready: String, _ place: String) {
    #expect(
      mistakes(file(["listen: { port: 80, via: socket }", ready])) == [
        "lastcall.yaml:\(place): under \"via: socket\" the replicas share one port, so a probe lands on any of them; "
          + "write ready: notify or ready: { exec: [./check] }"
      ])
  }

  @Test(arguments: [
    ("", "1:1: the file is empty; the least that it can say is apps: { web: { command: [./server] } }"),
    ("# nothing\n", "1:1: the file is empty; the least that it can say is apps: { web: { command: [./server] } }"),
    ("- a", "1:1: expected a mapping such as apps: { web: { command: [./server] } }, found a list"),
    ("name: shop", "1:1: expected apps, as in apps: { web: { command: [./server] } }"),
    ("apps: {}", "1:7: apps: expected at least one app, as in { web: { command: [./server] } }"),
    ("apps: [web]", "1:7: apps: expected a mapping such as { web: { command: [./server] } }, found a list"),
    ("apps: { web: ./server }", "1:14: apps.web: expected a mapping such as { command: [./server] }, found \"./server\""),
    ("apps: { web: { command: } }", "1:25: apps.web.command: expected a list of words such as [./server, --verbose], found nothing"),
    ("apps: { web: { command: [[a]] } }", "1:26: apps.web.command[0]: expected a text, found a list"),
    ("apps: { web: { command: [a, ~] } }", "1:29: apps.web.command[1]: expected a text, found YAML's null (~)"),
    ("apps: { web: { command: [''] } }", "1:26: apps.web.command[0]: expected a program, found an empty text"),
    (
      "apps: { Web: { command: [a] } }",
      "1:9: apps.Web: expected an app's name of at most 41 lower-case letters, digits and dashes that does not begin with a dash, found \"Web\""
    ),
    (
      "{ name: My Shop, apps: { web: { command: [a] } } }",
      "1:9: name: expected a name of at most 63 lower-case letters, digits and dashes that does not begin with a dash, found \"My Shop\""
    ),
    (
      "{ name: [a], apps: { web: { command: [a] } } }",
      "1:9: name: expected a name of at most 63 lower-case letters, digits and dashes that does not begin with a dash, found a list"
    ),
  ])
  func theOutermostPart(_ text: String, _ mistake: String) {
    #expect(mistakes(text) == ["lastcall.yaml:" + mistake])
  }

  @Test(arguments: [
    (41, true), (42, false),
  ])
  func anAppsNameHasABound(_ length: Int, _ fits: Bool) {
    #expect(mistakes("apps: { \(String(repeating: "a", count: length)): { command: [x] } }").isEmpty == fits)
  }
}
