import Seeded
import StopPlan

@testable import AppSpec

/// Apps of every shape, as no file would have them, from a seed.
struct AppGenerator {
  var random: SeededRandom

  init(seed: UInt64) { random = SeededRandom(seed: seed) }

  mutating func app() -> App {
    var app = App(name: "web", command: command())
    app.directory = app.command.directory
    for change in Self.changes { change(&app, &self) }
    return app
  }

  /// Each sets one field of an app to some value.
  static let changes: [@Sendable (inout App, inout AppGenerator) -> Void] = [
    { if $0.container == nil { $0.command = $1.command() } },
    { $0.environment = $1.variables() },
    { $0.replicas = $1.random.int(1...10_000) },
    { $0.listen = $1.maybe { Listen(host: $0.pick(["127.0.0.1", "::"]), port: $0.port(), via: $0.pick(Listen.Via.allCases)) } },
    { $0.ready = $1.maybe { $0.readiness() } },
    { app, make in
      app.live = make.maybe {
        Liveness($0.check(), every: $0.span(), timeout: $0.span(), failures: $0.random.int(1...9), after: $0.span())
      }
    },
    { app, make in
      app.stop = make.stop()
      app.stop.like = make.maybe { _ in .kubernetes }
    },
    { app, make in
      app.update = Update(surge: make.share(), unavailable: make.share(), deadline: make.span(), settle: make.span())
    },
    { $0.restart = Restart(policy: $1.pick(Restart.Policy.allCases), backoff: $1.backoff()) },
    { $0.kind = $1.pick(App.Kind.allCases) },
    { $0.schedule = $1.maybe { $0.pick(["*/5 * * * *", "@daily"]) } },
    { $0.after = $1.list { $0.word() } },
    { app, make in
      app.sidecars = ["mesh", "log-shipper"].prefix(make.random.int(0...2)).map {
        Sidecar(
          name: $0, command: make.command(), directory: make.pick(["/srv", "/srv/side"]), environment: make.variables(),
          ready: make.maybe { $0.readiness() }, stop: make.stop())
      }
    },
    { app, make in
      app.exits = Exits()
      for _ in 0..<make.random.int(0...4) {
        let cause: Exits.Cause =
          make.random.chance(50)
          ? .code(make.random.int(0...255)) : .signal(Signal(number: Int32(make.random.int(1...64))) ?? .term)
        app.exits.meanings[cause] = make.pick(Exits.Meaning.allCases)
      }
    },
    { app, make in
      app.reload = make.maybe { $0.random.chance(50) ? .signal($0.pick([.hup, .usr1, Signal(number: 33) ?? .usr2])) : .exec($0.command()) }
    },
    { app, make in
      app.logs = Logs(size: make.pick([0, 4096, 10 << 20, 12_345]), keep: make.random.int(0...100), full: make.pick(Logs.Full.allCases))
    },
    { $0.notify = Notify(watchdog: $1.maybe { $0.span() }, extend: $1.span(), store: $1.random.int(0...253)) },
    { app, make in app.user = make.maybe { User($0.pick(["www-data", "1000"]), group: $0.maybe { $0.pick(["adm", "4"]) }) } },
    { $0.umask = $1.maybe { $0.random.int(0...0o777) } },
    { $0.limits = Limits(files: $1.limit(), processes: $1.limit(), core: $1.limit()) },
    { $0.secrets = Set($1.list { $0.word() }) },
    { app, make in
      app.container = make.maybe { Container(image: $0.word(), command: $0.list { $0.template() }, options: $0.list { $0.template() }) }
      app.command = app.container == nil ? make.command() : CommandWords(program: "podman", directory: "/srv")
    },
  ]

  // MARK: Parts

  mutating func maybe<Value>(_ make: (inout AppGenerator) -> Value) -> Value? { random.chance(60) ? make(&self) : nil }

  mutating func list<Value>(_ make: (inout AppGenerator) -> Value) -> [Value] { (0..<random.int(0...3)).map { _ in make(&self) } }

  mutating func pick<Value>(_ values: [Value]) -> Value { values[random.int(0...(values.count - 1))] }

  mutating func word() -> String {
    pick(["a", "", "it's", "two words", "$", "$$x", "\"", "é🛑", "a\nb", "${PORT}", "-v", "#", "\\", "0"]) + pick(["", "1", "x"])
  }

  mutating func span() -> TimeSpan {
    TimeSpan(nanoseconds: Int64(random.int(0...3) == 0 ? random.int(0...86_400_000_000_000) : random.int(0...1000) * 1_000_000))
  }

  private mutating func port() -> Int { random.int(1...65_535) }

  mutating func template() -> Template {
    var template = Template(word())
    if random.chance(30) { template.append(pick(ReplicaVariable.allCases)) }
    if random.chance(30) { template.append(word()) }
    return template
  }

  mutating func variables() -> [String: Template] {
    Dictionary(list { ($0.pick(["A", "LOG_LEVEL", "B C", "x.y"]), $0.template()) }) { $1 }
  }

  mutating func command() -> CommandWords {
    CommandWords(program: pick(["./server", "sh", "/bin/true", "a b$"]), arguments: list { $0.template() }, directory: "/srv")
  }

  mutating func check() -> Readiness.Check {
    switch random.int(0...2) {
    case 0: .http(HTTPTarget(method: pick(HTTPTarget.Method.allCases), path: pick(["/", "/x"]), port: maybe { $0.port() }))
    case 1: .tcp(port: maybe { $0.port() })
    default: .exec(command())
    }
  }

  private mutating func readiness() -> Readiness { Readiness(random.chance(20) ? .notify : check(), every: span(), timeout: span()) }

  private mutating func share() -> Update.Share { random.chance(50) ? .count(random.int(0...10_000)) : .percent(random.int(0...100)) }

  private mutating func backoff() -> ClosedRange<TimeSpan> {
    let shortest = span()
    return shortest...(shortest + span())
  }

  private mutating func limit() -> Limits.Limit? {
    maybe {
      let soft = $0.random.int(0...100_000)
      return $0.pick([Limits.Limit(.number(soft)), Limits.Limit(.number(soft), hard: .unlimited), Limits.Limit(.unlimited)])
    }
  }

  private mutating func stop() -> Stop {
    let preStop: Stop.PreStop? = maybe {
      switch $0.random.int(0...2) {
      case 0: .exec($0.command())
      case 1: .sleep($0.span())
      default: .http(HTTPTarget(path: "/drain"))
      }
    }
    let grace = span()
    guard random.chance(70) else { return Stop(.standard(grace: grace), preStop: preStop) }
    let hooks = list { $0.command() }
    var steps = hooks.map { _ in StopPlan.Step.hook([Array("x".utf8)]) }
    steps.append(.pause(span()))
    for _ in 0..<random.int(1...3) {
      steps.append(.send(Signal(number: Int32(random.int(1...64))) ?? .term, pick(StopPlan.Scope.allCases)))
      steps.append(.wait(span(), ifUseful: random.chance(50)))
    }
    return Stop(StopPlan(steps: steps, grace: grace, floor: grace / 4, reserve: grace / 4), hooks: hooks, preStop: preStop)
  }
}
