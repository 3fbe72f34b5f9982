import StopPlan
import Testing

@testable import AppSpec

@Suite struct ExpansionTests {
  private let proxy = "listen: { port: 8080 }"

  @Test(arguments: [
    ("plain", "plain"), ("$COLOR", "red"), ("a${COLOR}b$COLOR", "aredbred"), ("$$COLOR", "$COLOR"), ("$$$COLOR", "$red"),
    ("$OWN-x", "mine-x"),
    ("$HOME/x", "/own/x"), ("ü$COLOR", "üred"), ("100%", "100%"),
  ])
  func variablesAreTakenFromEnvThenTheEnvironment(_ text: String, _ expanded: String) throws {
    let app = try web(
      "env: { OWN: mine, HOME: /own }", "ready: { exec: [check, '\(text)'] }", "stop: { preStop: { exec: [hook, '\(text)'] } }")
    guard case .exec(let probe)? = app.ready?.check, case .exec(let hook)? = app.stop.preStop else {
      Issue.record("the probe or the hook is gone")
      return
    }
    #expect(probe.argv(for: ReplicaValues()) == ["check", expanded])
    #expect(hook.argv(for: ReplicaValues()) == ["hook", expanded])
  }

  @Test func variablesOfEnvReferToEachOtherAndToTheEnvironment() throws {
    let app = try web("env: { PATH: '/opt/bin:$PATH', A: $B/a, B: '${COLOR}$$' }")
    #expect(app.environment(for: ReplicaValues()) == ["PATH": "/opt/bin:/usr/bin:/bin", "A": "red$/a", "B": "red$"])
  }

  @Test func theDirectoryIsExpanded() throws {
    let scratch = try Scratch()
    try scratch.write("red/server", "")
    let file = try read("apps: { web: { command: [./$COLOR], directory: ./$COLOR } }", directory: scratch.path)
    #expect(file.apps[0].directory == "\(scratch.path)/red")
    #expect(file.apps[0].command(port: nil) == ["\(scratch.path)/red/red"])
  }

  @Test func theReplicasPortIsLeftToTheEngine() throws {
    let app = try web(
      proxy, "env: { ADDRESS: '127.0.0.1:$PORT' }", "ready: { exec: [check, $ADDRESS] }", "stop: { plan: hook(leave $PORT)/TERM }")
    #expect(app.environment(for: ReplicaValues(port: 15_000)) == ["ADDRESS": "127.0.0.1:15000"])
    #expect(app.stop.plan(for: ReplicaValues(port: 15_000)).description == "hook(leave 15000)/TERM")
    guard case .exec(let probe)? = app.ready?.check else {
      Issue.record("the probe is gone")
      return
    }
    #expect(probe.argv(for: ReplicaValues(port: 15_001)) == ["check", "127.0.0.1:15001"])
    #expect(probe.arguments.first?.variables == [.port])
  }

  @Test func inheritedListenersAreLeftToTheEngine() throws {
    let app = try web("listen: { port: 80, via: socket }", "env: { COUNT: $LISTEN_FDS }")
    #expect(app.environment(for: ReplicaValues([.listenFDs: "1"])) == ["COUNT": "1"])
  }

  @Test func aPidIsNotKnownBeforeTheProgramRuns() throws {
    let found = mistakes("apps:\n  web: { command: [x, $LISTEN_PID], listen: { port: 80, via: socket } }")
    #expect(found.count == 1)
    #expect(found.first?.contains("lastcall.yaml:2:23: apps.web.command[1]: $LISTEN_PID is the program's own pid") == true, "\(found)")
  }

  @Test(arguments: [
    ("$NONE", "$NONE is not set; set it in env or in the environment, or write $$NONE for the text itself"),
    ("${COLOUR}", "$COLOUR is not set; set it in env or in the environment, or write $$COLOUR for the text itself"),
    ("$LOG_LEVL", "$LOG_LEVL is not set; did you mean $LOG_LEVEL?"),
    ("a$", "expected a variable after $, as $NAME or ${NAME}; write $$ for a dollar"),
    ("$(date)", "expected a variable after $, as $NAME or ${NAME}; write $$ for a dollar"),
    ("$1", "expected a variable after $, as $NAME or ${NAME}; write $$ for a dollar"),
    ("${A:-b}", "expected a variable after $, as $NAME or ${NAME}; write $$ for a dollar"),
    ("${COLOR", "expected a variable after $, as $NAME or ${NAME}; write $$ for a dollar"),
    ("$é", "expected a variable after $, as $NAME or ${NAME}; write $$ for a dollar"),
    (
      "$PORT",
      "$PORT is a replica's own port, which it has only under \"listen: { port: 8080, via: proxy }\"; write the port itself, or set PORT in env"
    ),
    ("$LISTEN_FDS", "$LISTEN_FDS describes inherited listeners, which a replica has only under \"listen: { port: 8080, via: socket }\""),
  ])
  func whatCannotBeExpandedNamesThePlace(_ text: String, _ message: String) {
    let fields = ["env: { LOG_LEVEL: info }", "ready: { exec: [check, '\(text)'] }"]
    #expect(mistakes(file(fields)) == ["lastcall.yaml:5:28: apps.web.ready.exec[1]: \(message)"])
    #expect(mistakes(file(["env: { LOG_LEVEL: info, A: '\(text)' }"])).first?.hasSuffix(message) == true)
  }

  @Test func portOfEnvIsAnOrdinaryVariable() throws {
    #expect(try web("env: { PORT: 3000, B: ':$PORT' }").environment(for: ReplicaValues(port: 1)) == ["PORT": "3000", "B": ":3000"])
  }

  @Test func whatLastcallSetsIsNotSetByHand() {
    #expect(
      mistakes(file([proxy, "env: { PORT: 3000 }"])) == [
        "lastcall.yaml:5:12: apps.web.env.PORT: PORT is set by lastcall for each replica under \"via: proxy\"; leave it out"
      ])
  }

  @Test func aMistakeIsReportedOnceWhereItIs() {
    #expect(
      mistakes(file(["env: { A: $B, B: $NONE }", "ready: { exec: [check, $A] }"])) == [
        "lastcall.yaml:4:22: apps.web.env.B: $NONE is not set; set it in env or in the environment, or write $$NONE for the text itself"
      ])
    // Without a listener that could be read nobody knows whether there is a $PORT.
    #expect(mistakes(file(["listen: { port: x }", "ready: { exec: [check, $PORT] }"])).count == 1)
  }

  @Test func circlesAreFound() {
    #expect(
      mistakes(file(["env: { A: $B, B: $C, C: $A }"])) == [
        "lastcall.yaml:4:29: apps.web.env.C: the variables refer to each other: A → B → C → A"
      ])
  }

  @Test func expansionIsBounded() {
    let chain = (0..<40).map { "V\($0): $V\($0 + 1)" }.joined(separator: ", ")
    let deep = mistakes(file(["env: { \(chain), V40: x }"]))
    #expect(deep.count == 1)
    #expect(deep.first?.hasSuffix("the variables refer to each other more than 32 deep") == true)

    let doubling = (0..<30).map { "V\($0): $V\($0 + 1)$V\($0 + 1)" }.joined(separator: ", ")
    let long = mistakes(file(["env: { \(doubling), V30: x }"]))
    #expect(long.count == 1)
    #expect(long.first?.contains("longer than 128 KiB") == true)

    let many = (0..<300).map { "W\($0): $V" }.joined(separator: ", ")
    let much = mistakes(file(["env: { V: \(String(repeating: "x", count: 100_000)), \(many) }"]))
    #expect(much.contains { $0.hasSuffix("the file's texts are longer than 16 MiB when expanded") })
  }

  @Test func theProgramIsTheSameForAllReplicas() {
    #expect(
      mistakes("apps: { web: { command: [$PORT], listen: { port: 80 } } }") == [
        "lastcall.yaml:1:26: apps.web.command[0]: expected a program, found \"$PORT\", which differs from replica to replica"
      ])
    #expect(
      mistakes(file([proxy, "directory: $PORT"])) == [
        "lastcall.yaml:5:16: apps.web.directory: expected one directory for all replicas, found \"$PORT\""
      ])
  }
}
