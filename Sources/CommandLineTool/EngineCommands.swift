import ArgumentParser
import Engine
import Foundation

/// lastcall down
struct Down: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Stop all apps by plan, and the engine.", discussion: "Also stops what an engine that was killed has left running.")
  @OptionGroup var file: FileOption

  func run() async throws {
    do {
      _ = try await file.ask(EngineRequest(op: "down"))
    } catch let failure as CommandFailure {
      let paths = file.paths
      guard failure.code == 3, !Leftovers.living(paths).isEmpty else { throw failure }
      try await Leftovers.stop(paths) { Output.line("\($0), left by an engine that was killed, has stopped") }
    }
  }
}

/// lastcall restart
struct Restart: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Replace all replicas of an app, or of all apps, without losing a request.",
    discussion:
      "New replicas are ready first, then the old ones are drained and stopped. Exit code 1 when the new ones did not get ready; the old ones then go on."
  )
  @OptionGroup var file: FileOption
  @Argument(help: "The app; all of them without it.") var app: String?

  func run() async throws { _ = try await file.ask(EngineRequest(op: "restart", app: app)) }
}

/// lastcall stop
struct Stop: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Stop the replicas of an app, or of all apps, by plan.",
    discussion: "lastcall restart starts them again; lastcall down ends the engine too.")
  @OptionGroup var file: FileOption
  @Argument(help: "The app; all of them without it.") var app: String?

  func run() async throws { _ = try await file.ask(EngineRequest(op: "stop", app: app)) }
}

/// How a command prints.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
  case table, json
}

/// lastcall ps
struct Ps: AsyncParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Show the replicas.")
  @OptionGroup var file: FileOption
  @Option(name: [.customShort("o"), .customLong("output")], help: "table or json.") var format = OutputFormat.table
  @Argument(help: "The app; all of them without it.") var app: String?

  func run() async throws {
    let rows = try await file.ask(EngineRequest(op: "ps", app: app)).rows ?? []
    if format == .json { return try Output.json(rows) }
    Output.line("NAME            STATE        PID      PORT   IN FLIGHT  AGE    MESSAGE")
    for row in rows {
      let columns = [
        row.name.padded(to: 15), row.state.padded(to: 12), (row.pid.map(String.init) ?? "-").padded(to: 8),
        (row.port.map(String.init) ?? "-").padded(to: 6), (row.inFlight.map(String.init) ?? "-").padded(to: 10),
        "\(row.age)s".padded(to: 6), row.message,
      ]
      Output.line(columns.joined(separator: " "))
    }
  }
}

/// lastcall events
struct Events: AsyncParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Show what happened, also while no engine runs.")
  @OptionGroup var file: FileOption
  @Option(name: [.customShort("n"), .customLong("number")], help: "How many of the last events.") var number = 100
  @Option(name: [.customShort("o"), .customLong("output")], help: "table or json (one object a line).") var format = OutputFormat.table
  @Argument(help: "The app or replica; all of them without it.") var app: String?

  func validate() throws {
    if number < 1 { throw ValidationError("expected a number of events of at least 1, found \(number)") }
  }

  func run() async throws {
    try file.checkExists(or: file.paths.events)
    guard FileManager.default.fileExists(atPath: file.paths.events) else {
      throw CommandFailure(code: 1, message: "there are no events of \(file.path) yet; they begin with: lastcall up -f \(file.path)")
    }
    for event in try EventLog(path: file.paths.events).last(number, app: app) {
      if format == .json { try Output.json(event) } else { Output.event(event, withDate: true) }
    }
  }
}
