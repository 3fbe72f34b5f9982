import Foundation
import Linux
import StopPlan
import Testing

/// lastcall-init as PID 1 of a real container.
@Suite(.serialized, .enabled(if: Podman.isPossible, "needs root, podman, runc, a static busybox and bin/lastcall-init"), ContainerImage())
struct InitContainerTests {
  /// Defines `worker NAME SECONDS`, which needs that long to clean up.
  static let worker = """
    worker() { trap "sleep $2; echo cleaned $1; exit 0" TERM USR1 USR2 37; echo ready $1; while :; do sleep 0.05; done; }
    """

  /// Runs a script under the init; podman's own limit is far away.
  func start(
    options: [String] = [], environment: [String] = [], podman: [String] = [], in scratch: ScratchDirectory? = nil, _ script: String
  ) async throws -> Container {
    let container = try Container(
      entrypoint: ["/init", "-v"] + options + ["--"], options: podman + environment.flatMap { ["-e", $0] }, in: scratch,
      ["sh", "-c", Self.worker + "\n" + script])
    try await container.line("ready")
    return container
  }

  // MARK: - podman stop

  @Test func podmanStopWaitsForTheSlowerProgramAndNoLonger() async throws {
    let container = try await start(
      options: ["--grace", "50"], "worker fast 0.2 & worker slow 1.5 & trap 'echo main told; exit 23' TERM; echo ready; wait")
    try await container.line("ready fast")
    try await container.line("ready slow")
    let asked = ContinuousClock.now
    try await container.stop()
    let taken = ContinuousClock.now - asked
    #expect(taken >= .seconds(1.4) && taken < .seconds(30), "\(taken)")
    #expect(try await container.code() == 23)
    #expect(container.lines.contains("cleaned fast") && container.lines.contains("cleaned slow"), "\(container.output)")
  }

  static let deaf = "trap '' TERM; echo ready; while :; do sleep 0.05; done"

  @Test func aProgramThatIgnoresTermIsKilledByTheInitAndNotByPodman() async throws {
    let container = try await start(options: ["--grace", "2"], Self.deaf)
    let asked = ContinuousClock.now
    let said = try await container.stop()
    let taken = ContinuousClock.now - asked
    #expect(taken >= .seconds(1.9) && taken < .seconds(60), "\(taken)")
    #expect(!said.contains("KILL"))
    #expect(try await container.code() == 137)
    #expect(container.lines.contains("lastcall-init: killing"), "\(container.output)")
  }

  @Test func whatHasMoreGraceThanPodmanGivesIsKilledByPodman() async throws {
    let container = try await start(options: ["--grace", "100"], Self.deaf)
    #expect(try await container.stop(within: 1).contains("KILL"))
    #expect(try await container.code() == 137)
    #expect(!container.lines.contains("lastcall-init: killing"), "\(container.output)")
  }

  @Test func aRepeatedTermReachesTheProgramAndHurriesNothing() async throws {
    let container = try await start(
      options: ["--grace", "100"],
      "worker slow 1 & trap 'n=$((n+1)); echo term $n; [ $n = 3 ] && exit 7' TERM; n=0; echo ready; while :; do sleep 0.05; done")
    try await container.line("ready slow")
    for number in 1...3 {
      try await container.kill("TERM")
      try await container.line("term \(number)")
    }
    #expect(try await container.code() == 7)
    #expect(container.lines.contains("cleaned slow"))
    #expect(container.lines.filter { $0.contains("stop began") }.count == 1, "\(container.output)")
  }

  @Test(arguments: [("QUIT", "QUIT"), ("37", "RTMIN+3"), ("SIGRTMIN+3", "37"), ("USR2", "TERM,USR2")])
  func theImagesStopSignalBeginsTheStop(signal: String, stopOn: String) async throws {
    let container = try await start(
      environment: ["LASTCALL_STOP_ON=" + stopOn, "LASTCALL_GRACE=100"], podman: ["--stop-signal", signal],
      "worker a 0.3 & trap 'echo main told; exit 4' QUIT 37 USR2; echo ready; wait")
    try await container.line("ready a")
    try await container.stop()
    #expect(try await container.code() == 4)
    #expect(container.lines.contains("main told") && container.lines.contains("cleaned a"), "\(container.output)")
    #expect(container.output.contains("stop began on"))
  }

  @Test func aStopSignalThatBeginsNoStopIsForwarded() async throws {
    let container = try await start(
      options: ["--grace", "100"], podman: ["--stop-signal", "QUIT"], "worker a 0.3 & trap 'echo main told; exit 4' QUIT; echo ready; wait")
    try await container.line("ready a")
    try await container.stop()
    #expect(try await container.code() == 4)
    #expect(container.lines.contains("lastcall-init: forwarded QUIT"), "\(container.output)")
    #expect(container.lines.contains("main told") && container.lines.contains("cleaned a"), "\(container.output)")
  }

  /// A shell's background programs ignore INT and QUIT, and hardly anybody knows WINCH: they are told with TERM.
  @Test(arguments: [(stop: "INT", environment: ""), ("WINCH", "LASTCALL_STOP_ON=WINCH"), ("TERM", "LASTCALL_REWRITE=TERM:QUIT")])
  func whoTakesNoNoticeOfTheSignalThatCameGetsTerm(_ test: (stop: String, environment: String)) async throws {
    let container = try await start(
      options: ["--grace", "100"], environment: test.environment.isEmpty ? [] : [test.environment], podman: ["--stop-signal", test.stop],
      "worker a 0.3 & trap 'echo main told; exit 4' INT QUIT WINCH; echo ready; wait")
    try await container.line("ready a")
    let said = try await container.stop(within: 50)
    #expect(!said.contains("KILL"), "\(container.output)")
    #expect(try await container.code() == 4)
    #expect(container.lines.contains("main told") && container.lines.contains("cleaned a"), "\(container.output)")
  }

  // MARK: - podman kill

  @Test func podmanKillReachesTheMainProcessAlone() async throws {
    let container = try await start(
      "(for s in HUP USR1 37 64; do trap \"echo worker got $s\" $s; done; echo ready a; while :; do sleep 0.05; done) &\n"
        + "for s in HUP USR1 37 64; do trap \"echo got $s\" $s; done; echo ready; while :; do sleep 0.05; done")
    try await container.line("ready a")
    for (sent, received) in [("HUP", "HUP"), ("SIGUSR1", "USR1"), ("37", "37"), ("SIGRTMAX", "64")] {
      try await container.kill(sent)
      try await container.line("got " + received)
    }
    try await container.kill("KILL")
    #expect(try await container.code() == 137)
    #expect(!container.output.contains("worker got"), "\(container.output)")
  }

  @Test func podmanKillWithTermIsAStopByPlan() async throws {
    let container = try await start("worker a 0.3 & trap 'exit 23' TERM; echo ready; wait")
    try await container.line("ready a")
    try await container.kill("TERM")
    #expect(try await container.code() == 23)
    #expect(container.lines.contains("cleaned a"), "\(container.output)")
  }

  // MARK: - Exit codes

  struct Case: CustomTestStringConvertible {
    var options: [String] = []
    var environment = ""
    var command: [String]
    var code: UInt8
    var says = ""
    var testDescription: String { (options + [environment] + command).joined(separator: " ") }
  }

  private static func shell(_ script: String) -> [String] { ["sh", "-c", script] }

  @Test(arguments: [
    Case(command: ["true"], code: 0), Case(command: shell("exit 3"), code: 3),
    Case(command: shell("kill -TERM $$"), code: 143), Case(options: ["--exit", "143=0"], command: shell("kill -TERM $$"), code: 0),
    Case(environment: "LASTCALL_EXIT=143=0,3-5=7", command: shell("exit 4"), code: 7),
    Case(command: shell("kill -KILL $$"), code: 137),
    Case(command: ["/plain"], code: 126, says: "cannot execute /plain: permission denied"),
    Case(command: ["/bin"], code: 126, says: "cannot execute /bin: permission denied"),
    Case(command: ["/no/such"], code: 127, says: "command not found: /no/such"),
    Case(command: ["nothing"], code: 127, says: "command not found: nothing"),
    Case(environment: "LASTCALL_GRACE=soon", command: ["true"], code: 2, says: "LASTCALL_GRACE \"soon\""),
  ])
  func podmanRunEndsWith(_ example: Case) async throws {
    let environment = example.environment.isEmpty ? [] : ["-e", example.environment]
    let container = try Container(
      entrypoint: example.options.isEmpty ? [] : ["/init"] + example.options + ["--"], options: environment, example.command)
    #expect(try await container.code() == example.code)
    #expect(example.says.isEmpty || container.output.contains(example.says), "\(container.output)")
  }

  // MARK: - The environment alone

  /// The image's own entrypoint and command, podman in the background, as a service is run.
  @Test func anImageIsSteeredByTheEnvironment() async throws {
    let steering = [
      "VERBOSE=1", "GRACE=60", "STOP=HUP/100ms/TERM@tree/50/KILL", "PRE_STOP=sh -c 'echo hook'", "REWRITE=USR1:HUP", "EXIT=143=0",
    ]
    let name = "lastcall-\(UUID().uuidString.lowercased().prefix(8))"
    try await Podman.run(
      ["run", "-d", "--name", name] + Podman.limits + steering.flatMap { ["-e", "LASTCALL_" + $0] } + [try ContainerImage.name])
    var lines: [Substring] = []
    func line(_ text: Substring) async throws {
      while !lines.contains(text) {
        lines = try await Podman.run(["logs", name]).split(separator: "\n")
        if !lines.contains(text), try await Podman.run(["ps", "-q", "-f", "name=" + name]).isEmpty { throw Failure("\(lines)") }
      }
    }
    do {
      try await line("ready")
      try await Podman.run(["kill", "--signal", "USR1", name])
      try await line("hup")
      try await Podman.run(["stop", "-t", "100", name])
      #expect(try await Podman.run(["wait", name]) == "0\n")
      #expect(try await Podman.run(["inspect", "--format", "{{.State.ExitCode}}", name]) == "0\n")
      try await line("told")
    } catch {
      _ = try? await Podman.run(["rm", "-f", "-t", "0", name])
      throw error
    }
    try await Podman.run(["rm", "-f", "-t", "0", name])
    #expect(lines.filter { ["hook", "hup", "told"].contains($0) } == ["hup", "hook", "hup", "told"])
    #expect(lines.filter { $0.hasPrefix("LASTCALL_") } == ["LASTCALL_GRACE=59"])
  }

  // MARK: - Sidecars

  @Test func podmanStopEndsSidecarsAfterTheProgramInReverseOrder() async throws {
    let service = "sh -c \"trap 'sleep 1.2; echo $0 over; exit 0' TERM; echo $0 up; while :; do sleep 0.05; done\""
    let container = try await start(
      options: ["--grace", "100", "--with", "one: \(service) one", "--with", "two: \(service) two"],
      environment: ["LASTCALL_EVENTS=/scratch/events"],
      "trap 'sleep 0.2; echo main over; exit 12' TERM; echo ready; while :; do sleep 0.05; done")
    for name in ["one", "two"] { try await container.line(name + " up") }
    try await container.execute(
      options: ["-d"], ["sh", "-c", "trap '' TERM; echo session up > /proc/1/fd/1; while :; do sleep 0.05; done"])
    try await container.line("session up")
    let said = try await container.stop()
    #expect(!said.contains("KILL"))
    #expect(try await container.code() == 12)
    #expect(container.lines.filter { $0.hasSuffix(" over") } == ["main over", "two over", "one over"], "\(container.output)")
    #expect(!container.output.contains("killing") && !container.output.contains("waiting for ,"), "\(container.output)")
    let order = [
      "sidecarStarted one", "sidecarStarted two", "started", "stopBegan", "exited", "sidecarEnded two", "sidecarEnded one", "ended",
    ]
    #expect(try container.events().filter { order.contains($0) } == order)
  }

  @Test func whatAnExecSessionLeavesIsAdoptedAndWaitedFor() async throws {
    let container = try await start(options: ["--grace", "100"], "trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done")
    // Of the output of `podman exec -d` nobody reads the rest.
    try await container.execute(
      options: ["-d"], ["sh", "-c", "{ \(Self.worker)\nworker orphan 0.5; } > /proc/1/fd/1 2>&1 & exit"])
    try await container.line("ready orphan")
    try await container.stop()
    #expect(try await container.code() == 3)
    #expect(container.lines.contains("cleaned orphan"), "\(container.output)")
  }

  // MARK: - lastcall-init began

  @Test func aPreStopHookNeedsNoShellAndThePauseIsWaitedForOnce() async throws {
    let scratch = try ScratchDirectory()
    // Nothing is in this container but lastcall-init.
    try FileManager.default.createDirectory(atPath: scratch.path + "/root", withIntermediateDirectories: true)
    for name in ["init", "catatonit"] {
      try FileManager.default.copyItem(atPath: Podman.initPath ?? "", toPath: scratch.path + "/root/" + name)
    }
    let container = try Container(
      entrypoint: ["/init", "-v", "--grace", "300", "--pause", "2", "--notice", "USR1", "--notice-file", "/scratch/stopping", "--"],
      isBare: true, in: scratch, ["/catatonit", "-P"])
    try await eventually("the start") { container.output.contains("started") }
    #expect(!FileManager.default.fileExists(atPath: scratch.path + "/stopping"))
    let asked = ContinuousClock.now
    #expect(try await container.execute(["/init", "began", "200"]) == 0)
    #expect(ContinuousClock.now - asked >= .seconds(2))
    #expect(container.lines.contains("lastcall-init: forwarded USR1"), "\(container.output)")
    #expect(FileManager.default.fileExists(atPath: scratch.path + "/stopping"))
    #expect(!container.output.contains("stop began"))
    try await container.stop(within: 250)
    #expect(try await container.code() == 0)
    // What is left of the announced time, and no pause: nothing was waited for a second.
    #expect(container.output.contains(/stop began on TERM, 1\d\d\.\d s left/), "\(container.output)")
    #expect(!container.output.contains("waiting for"), "\(container.output)")
  }

  // MARK: - In another's place

  /// The worker cleans up for 0.5 s when `isAwaited`; else the container ends with its main process.
  private func stop(_ container: Container, isAwaited: Bool) async throws {
    try await container.line("ready")
    try await container.line("ready a")
    try await container.stop()
    #expect(try await container.code() == 9)
    #expect(container.lines.contains("cleaned a") == isAwaited, "\(container.output)")
  }

  private static let served = shell(worker + "\nworker a 0.5 & trap 'exit 9' TERM; echo ready; wait")

  /// podman gives whatever init it is told a name of its own, and calls it with `--`: it is lastcall-init.
  @Test func podmansInitPathTakesIt() async throws {
    let scratch = try ScratchDirectory()
    try FileManager.default.copyItem(atPath: Podman.initPath ?? "", toPath: scratch.path + "/catatonit")
    let container = try Container(
      entrypoint: Self.served, options: ["--init", "--init-path", scratch.path + "/catatonit"], in: scratch, [])
    try await stop(container, isAwaited: true)
  }

  /// As `docker run --init` mounts and calls its init, without options: as tini; with a grace in the environment all are waited for.
  @Test(arguments: [false, true])
  func dockerInitIsTakenBySameNameAndPlace(hasGrace: Bool) async throws {
    let container = try Container(
      entrypoint: ["/sbin/docker-init", "--"],
      options: ["-v", (Podman.initPath ?? "") + ":/sbin/docker-init:ro"] + (hasGrace ? ["-e", "LASTCALL_GRACE=100"] : []), Self.served)
    try await stop(container, isAwaited: hasGrace)
  }

  /// As these do through execvp(3).
  @Test(arguments: ["catatonit", "dumb-init", "tini"])
  func aScriptThatNamesNoInterpreterIsRunAsTheOthersDo(name: String) async throws {
    let container = try Container(entrypoint: [name, "--"], ["/script"])
    #expect(try await container.code() == 5)
    #expect(container.lines == ["run by /script"])
  }

  @Test func dumbInitsTermToTheGroupReachesNobodyElseWhenNothingWasStarted() async throws {
    let container = try Container(Self.shell("env -u LASTCALL_GRACE dumb-init /no/such; echo code=$?"))
    #expect(try await container.code() == 0)
    #expect(container.lines.contains("code=2"), "\(container.output)")
  }
}
