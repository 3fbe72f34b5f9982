import ArgumentParser
import Engine
import Foundation
import StopPlan

/// lastcall down
struct Down: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Stop all apps by plan, and the engine.", discussion: "Also stops what an engine that was killed has left running.")
  @OptionGroup var file: FileOption

  func run() async throws {
    do {
      _ = try await file.ask(EngineRequest(op: .down))
    } catch let failure as CommandFailure {
      let paths = file.paths
      guard failure.code == 3, !Leftovers.living(paths).isEmpty else { throw failure }
      try await Leftovers.stop(paths) { Output.line("\($0), left by an engine that was killed, has stopped") }
      try await Leftovers.forget(paths)
    }
  }
}

/// lastcall deploy
struct Deploy: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Carry out what has changed in the file, without losing a request.",
    discussion: """
      Reads the file again: new apps start, changed ones are rolled out, those that it does not name any more are stopped (also by a \
      deploy of some of them by name).
      A file with a mistake changes nothing. lastcall diff shows before what would change. Exit code 1 when a new revision was undone.
      """)
  @OptionGroup var file: FileOption
  @OptionGroup var target: OptionalApps

  func run() async throws { _ = try await file.ask(EngineRequest(op: .deploy, target.apps)) }
}

/// lastcall diff
struct Diff: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what a deploy would change.", discussion: "Nothing is printed when nothing would. Values that are secret are not shown."
  )
  @OptionGroup var file: FileOption
  @OptionGroup var target: OptionalApps

  func run() async throws { _ = try await file.ask(EngineRequest(op: .diff, target.apps)) }
}

/// lastcall restart
struct Restart: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Replace all replicas of an app, or of all apps, without losing a request.",
    discussion:
      "New replicas are ready first, then the old ones are drained and stopped. Exit code 1 when the new ones did not get ready; the old ones then go on."
  )
  @OptionGroup var file: FileOption
  @OptionGroup var target: OptionalApps

  func run() async throws { _ = try await file.ask(EngineRequest(op: .restart, target.apps)) }
}

/// lastcall scale
struct Scale: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Change the number of an app's replicas.",
    discussion:
      "The number stays until the file's own changes; 0 until the app is named again, as after stop. Those that serve least are stopped first."
  )
  @OptionGroup var file: FileOption
  @Argument(help: "APP=NUMBER, several if wanted.", completion: AppNames.completion(suffix: "=")) var numbers: [String]

  func validate() throws { for number in numbers { _ = try Self.parse(number) } }

  private static func parse(_ text: String) throws -> (app: String, replicas: Int) {
    let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, !parts[0].isEmpty, let count = Int(parts[1]), (0...10_000).contains(count) else {
      throw ValidationError("expected APP=NUMBER with a number of 0 to 10000, such as web=5; found \(text)")
    }
    return (String(parts[0]), count)
  }

  func run() async throws {
    let wishes = try numbers.map(Self.parse)
    // Nothing is done while one of them is not known.
    if wishes.count > 1 { _ = try await file.ask(EngineRequest(op: .history, wishes.map(\.app))) }
    for (app, replicas) in wishes {
      var request = EngineRequest(op: .scale, [app])
      request.replicas = replicas
      _ = try await file.ask(request)
    }
  }
}

/// lastcall stop
struct Stop: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Stop the replicas of an app, or of all apps, by plan.",
    discussion: "They stay stopped, also over an engine's death. lastcall start starts them again; lastcall down ends the engine too.")
  @OptionGroup var file: FileOption
  @OptionGroup var target: OptionalApps
  @Option(
    name: [.customShort("t", allowingJoined: true), .long],
    help: ArgumentHelp("A shorter grace in seconds; 0 kills at once. It can only be shorter than what is declared.", valueName: "seconds"))
  var time: Double?
  @Flag(help: "Wait for no drain and no hook: skip to the plan's next signal. Given again while it stops: to the one after that.")
  var now = false

  func validate() throws {
    if let time, !(0...86_400 ~= time) { throw ValidationError("expected a grace of 0 to 86400 seconds, found \(time)") }
  }

  func run() async throws {
    var request = EngineRequest(op: .stop, target.apps)
    request.grace = time
    request.now = now
    _ = try await file.ask(request)
  }
}

/// lastcall start
struct Start: AsyncParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Start what was stopped.")
  @OptionGroup var file: FileOption
  @OptionGroup var target: OptionalApps

  func run() async throws { _ = try await file.ask(EngineRequest(op: .start, target.apps)) }
}

/// lastcall kill
struct Kill: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Send a signal to the main process of a replica, or of all of an app.",
    discussion: "Nothing is drained, and no hook runs. What ends by it is started again as the app's restart policy says.")
  @OptionGroup var file: FileOption
  @Option(name: [.customShort("s", allowingJoined: true), .long], help: "The signal, by name or number.") var signal = "KILL"
  @Argument(help: "The apps or replicas.", completion: AppNames.completion()) var names: [String]

  func validate() throws {
    if Signal(signal) == nil { throw ValidationError("\(signal) is no signal; lastcall signals lists them") }
  }

  func run() async throws {
    var request = EngineRequest(op: .kill, names)
    request.signal = signal
    _ = try await file.ask(request)
  }
}

/// lastcall reload
struct Reload: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Have programs read their configuration again.",
    discussion: "By the app's reload signal or command (`reload:` in the file), each within 60 s. Without a name, all apps that have one.")
  @OptionGroup var file: FileOption
  @OptionGroup var target: OptionalNames

  func run() async throws { _ = try await file.ask(EngineRequest(op: .reload, target.names)) }
}

/// lastcall rm
struct Remove: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rm", abstract: "Forget an app that is stopped.",
    discussion: "It comes back with the next deploy while the file names it. Its events and revisions are kept.")
  @OptionGroup var file: LongFileOption
  @Flag(name: .shortAndLong, help: "Stop it first, by plan.") var force = false
  @Argument(help: "The apps.", completion: AppNames.completion()) var apps: [String]

  func run() async throws {
    var request = EngineRequest(op: .rm, apps)
    request.force = force
    _ = try await file.ask(request)
  }
}

/// Apps, or all of them.
struct OptionalApps: ParsableArguments {
  @Argument(help: "The apps; all of them without a name.", completion: AppNames.completion()) var apps: [String] = []
}

/// Apps or replicas, or all of them.
struct OptionalNames: ParsableArguments {
  @Argument(help: "The apps or replicas; all of them without a name.", completion: AppNames.completion()) var names: [String] = []
}
