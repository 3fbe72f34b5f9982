import ArgumentParser
import Engine
import Foundation

/// How a command prints.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
  case table, json
}

/// How ps prints.
enum RowFormat: String, ExpressibleByArgument, CaseIterable {
  case table, wide, json
}

/// lastcall ps
struct Ps: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show the replicas.",
    discussion: """
      States: Pending, Starting, Ready, Draining, Terminating, and Running of a job; of an app of which nothing runs Stopped, Succeeded, \
      Failed, Scheduled, BackOff or CrashLoop. -o wide and json give each its reason. Sidecars are below their replica.
      """)
  @OptionGroup var file: FileOption
  @Option(name: [.customShort("o", allowingJoined: true), .customLong("output")], help: "table, wide or json.") var format = RowFormat.table
  @Flag(name: [.customShort("w"), .customLong("watch")], help: "Show them again whenever something happens, until Ctrl-C.") var watches =
    false
  @OptionGroup var target: OptionalNames

  func run() async throws {
    try await show()
    guard watches else { return }
    try await file.watch { _ in
      Output.line("")
      try await show()
    }
  }

  private func show() async throws {
    let rows = try await file.ask(EngineRequest(op: .ps, target.names)).rows ?? []
    if format == .json { return try Output.json(rows) }
    let isWide = format == .wide
    let more = isWide ? "REVISION KEEPER   REASON           " : ""
    Output.line("NAME            STATE        PID      PORT   IN FLIGHT  AGE    \(more)MESSAGE")
    for row in rows {
      var columns = [
        ((row.sidecar == nil ? "" : "  ") + row.name).padded(to: 15), row.state.padded(to: 12),
        (row.pid.map(String.init) ?? "-").padded(to: 8),
        (row.port.map(String.init) ?? "-").padded(to: 6), (row.inFlight.map(String.init) ?? "-").padded(to: 10),
        (row.pid == nil ? "-" : Output.age(row.age)).padded(to: 6),
      ]
      if isWide {
        columns += [
          (row.revision.map(String.init) ?? "-").padded(to: 8), (row.keeper.map(String.init) ?? "-").padded(to: 8),
          (row.reason ?? "-").padded(to: 16),
        ]
      }
      Output.line((columns + [row.note]).joined(separator: " "))
    }
  }
}

extension ReplicaRow {
  /// What is worth telling of it beside its state.
  fileprivate var note: String {
    var words: [String] = []
    if let restarts, restarts > 0 { words.append("started again \(restarts == 1 ? "once" : "\(restarts) times")") }
    if serving == false { words.append("does not pass its readiness check any more") }
    if !message.isEmpty { words.append(message) }
    return words.joined(separator: "; ")
  }
}

/// lastcall describe
struct Describe: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show all that is known of an app.",
    discussion: "With how long its stops have really taken, against its grace. Values that are secret are not shown.")
  @OptionGroup var file: FileOption
  @OptionGroup var target: OptionalApps
  @Option(name: [.customShort("o", allowingJoined: true), .customLong("output")], help: "table or json.") var format = OutputFormat.table

  func run() async throws {
    let descriptions = try await file.describe(target.apps)
    if format == .json { return try Output.json(descriptions) }
    for description in descriptions { show(description) }
  }

  private func show(_ description: AppDescription) {
    Output.line("\(description.app)")
    let why = [description.reason, description.message].compactMap { $0 }.filter { !$0.isEmpty }.joined(separator: ": ")
    Output.line("  state      \(description.state) (\(why))")
    Output.line("  revision   \(description.revision)")
    for line in description.declared { Output.line("  \(line)") }
    if let stops = description.stops {
      let killed = stops.killed > 0 ? ", \(stops.killed) by KILL" : ""
      Output.line("  stops      \(stops.count), p50 \(Output.seconds(stops.p50)), p99 \(Output.seconds(stops.p99))\(killed)")
      if let advice = stops.advice { Output.line("             \(advice)") }
    } else {
      Output.line("  stops      none measured yet")
    }
    Output.line("  replicas")
    for row in description.rows {
      let message = [row.reason, row.note].compactMap { $0 }.filter { !$0.isEmpty }.joined(separator: ": ")
      let life = row.revision.map { " revision \($0), \(Output.age(row.age))" } ?? ""
      Output.line(
        "    \(((row.sidecar == nil ? "" : "  ") + row.name).padded(to: 15)) \(row.state.padded(to: 12))\(life) (\(message))")
    }
    if !description.hooks.isEmpty { Output.line("  hooks") }
    for log in description.hooks {
      for line in log.lines { Output.line("    \(log.replica.padded(to: 15)) | \(line)") }
    }
    Output.line("  events")
    for event in description.events { Output.event(event, withDate: true) }
    Output.line("")
  }
}

/// lastcall events
struct Events: AsyncParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Show what happened, also while no engine runs.")
  @OptionGroup var file: LongFileOption
  @Option(name: [.customShort("n", allowingJoined: true), .customLong("number")], help: "How many of the last events.") var number = 100
  @Flag(name: [.customShort("f"), .customLong("follow")], help: "Go on with what happens, until Ctrl-C.") var follows = false
  @Option(name: [.customShort("o", allowingJoined: true), .customLong("output")], help: "table or json (one object a line).") var format =
    OutputFormat.table
  @OptionGroup var target: OptionalNames

  func validate() throws {
    if number < 1 { throw ValidationError("expected a number of events of at least 1, found \(number)") }
  }

  func run() async throws {
    try file.checkExists(or: file.paths.database)
    guard FileManager.default.fileExists(atPath: file.paths.database) else {
      throw CommandFailure(code: 1, message: "there are no events of \(file.path) yet; they begin with: lastcall up -f \(file.path)")
    }
    let store = try StateStore(path: file.paths.database)
    let names = target.names
    try file.checkIsKnown(names) { try !store.events(limit: 1, of: $0).isEmpty }
    let chosen = names.isEmpty ? [try store.events(limit: number, of: nil)] : try names.map { try store.events(limit: number, of: $0) }
    let events = Dictionary(chosen.joined().map { ($0.id, $0.event) }, uniquingKeysWith: { first, _ in first }).sorted { $0.key < $1.key }
    for (_, event) in events.suffix(number) { try show(event) }
    guard follows else { return }
    try await file.watch(after: events.last?.key ?? 0) { event in
      if names.isEmpty || names.contains(where: { $0 == event.app || $0 == event.replica }) { try show(event) }
    }
  }

  private func show(_ event: EngineEvent) throws {
    if format == .json { try Output.json(event) } else { Output.event(event, withDate: true) }
  }
}
