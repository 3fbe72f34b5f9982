// The code of the articles, as it stands there: `DocumentationTests` compares, and the build compiles it.
import LastCall
import Logging

struct Job: Sendable {
  let name: String
  func run() async throws {}
}

struct Database: Sendable {
  func close() async throws {}
}

struct Registry: Sendable {
  func deregister() async throws {}
  func isStillListed() async throws -> Bool { false }
}

func fromNothing(jobs: AsyncStream<Job>, database: Database) async {
  let termination = Termination(logger: Logger(label: "worker"))

  termination.onStop(.close, "database") { _ in try await database.close() }

  Task {
    for await job in jobs where !termination.isStopping {
      try await termination.track(job.name) { try await job.run() }
    }
  }

  await termination.runAndExit()
}

func deregistration(termination: Termination, registry: Registry) {
  termination.onStop(.notice, "registry") { _ in
    try await registry.deregister()
    while try await registry.isStillListed() { try await Task.sleep(for: .milliseconds(100)) }
  }
}

func propagation(logger: Logger) -> Termination {
  var configuration = TerminationConfiguration()
  configuration.budgets.propagation = .seconds(5)
  return Termination(configuration: configuration, logger: logger)
}

struct LoadBalancer: Sendable {
  func waitUntilGone() async throws {}
}

func confirmation(termination: Termination, balancer: LoadBalancer) {
  termination.confirmPropagation("balancer") { _ in try await balancer.waitUntilGone() }
}

func progress(termination: Termination, rows: [Int]) async {
  await termination.track("import-csv") { work in
    for row in rows {
      work.note("row \(row) of \(rows.count)")
      await store(row)
    }
  }
}

func store(_ row: Int) async {}

func escalation(logger: Logger) -> Termination {
  var configuration = TerminationConfiguration()
  configuration.stopOn = [.hangup: .graceful, .terminate: .immediate]
  configuration.escalation = .anySignal
  return Termination(configuration: configuration, logger: logger)
}

func exitCode(logger: Logger) -> Termination {
  var configuration = TerminationConfiguration()
  configuration.exitCodes.afterSignal = .signal
  return Termination(configuration: configuration, logger: logger)
}

struct Buffer: Sendable {
  func seal() {}
  func flush() async throws -> Int { 0 }
}

func buffers(termination: Termination, buffer: Buffer) {
  termination.onStop(.flush, "events", budget: .seconds(3)) { context in
    buffer.seal()
    context.report("flushed", "\(try await buffer.flush()) events")
  }
}

func order(termination: Termination, cache: Database, database: Database) {
  termination.onStop(.close, "cache", dependsOn: ["database"]) { _ in try await cache.close() }
  termination.onStop(.close, "database") { _ in try await database.close() }
}
