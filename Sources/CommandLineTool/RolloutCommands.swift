import ArgumentParser
import Engine
import Foundation

/// lastcall rollout …
struct RolloutCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rollout", abstract: "Look at, undo, hold and go on with the replacement of replicas.",
    subcommands: [Status.self, History.self, Undo.self, Pause.self, Resume.self])

  /// lastcall rollout status
  struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Wait for the end of the rollout under way.", discussion: "Exit code 1 when it is undone.")
    @OptionGroup var file: FileOption
    @OptionGroup var target: OptionalApps

    func run() async throws {
      // A paused rollout makes no events while it is waited for.
      for description in try await file.describe(target.apps) where description.isSettled == false {
        Output.progress(["\(Self.summary(description)); waiting", description.message].filter { !$0.isEmpty }.joined(separator: ": "))
      }
      _ = try await file.ask(EngineRequest(op: .status, target.apps))
      for description in try await file.describe(target.apps) { Output.line(Self.summary(description)) }
    }

    private static func summary(_ description: AppDescription) -> String {
      "\(description.app): \(description.state), revision \(description.revision), \(description.ready) of \(description.replicas) ready"
    }
  }

  /// lastcall rollout history
  struct History: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show the revisions of an app and what each changed.", discussion: "The last 10 are kept.")
    @OptionGroup var file: FileOption
    @OptionGroup var target: OptionalApps
    @Option(name: [.customShort("o", allowingJoined: true), .customLong("output")], help: "table or json.") var format = OutputFormat.table

    func run() async throws {
      var histories: [AppHistory] = []
      _ = try await file.ask(EngineRequest(op: .history, target.apps)) { if let history = $0.history { histories.append(history) } }
      if format == .json { return try Output.json(histories) }
      Output.line("APP             REVISION  MADE                 CAUSE                 OUTCOME")
      for history in histories {
        for revision in history.revisions {
          let columns = [
            history.app.padded(to: 15), "\(revision.number)\(revision.isCurrent ? " *" : "")".padded(to: 9),
            Output.time(revision.at, withDate: true).padded(to: 20), revision.cause.padded(to: 21),
            revision.outcome.isEmpty ? "under way, or superseded" : revision.outcome,
          ]
          Output.line(columns.joined(separator: " "))
          for change in revision.changes { Output.line(String(repeating: " ", count: 26) + change) }
        }
      }
    }
  }

  /// lastcall rollout undo
  struct Undo: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Go back to an earlier revision.",
      discussion: "It is rolled out as any other, under a new number. The file stays as it is: the next change of it is deployed again.")
    @OptionGroup var file: FileOption
    @Option(help: "Which; the last complete one that differs without it.") var toRevision: Int?
    @Argument(help: "The app.", completion: AppNames.completion()) var app: String

    func run() async throws {
      var request = EngineRequest(op: .undo, [app])
      request.revision = toRevision
      _ = try await file.ask(request)
    }
  }

  /// lastcall rollout pause
  struct Pause: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Replace no old replica by a new one until: lastcall rollout resume.",
      discussion: "What fails is still started again, and the number can still be changed.")
    @OptionGroup var file: FileOption
    @Argument(help: "The app.", completion: AppNames.completion()) var app: String

    func run() async throws { _ = try await file.ask(EngineRequest(op: .pause, [app])) }
  }

  /// lastcall rollout resume
  struct Resume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Go on with a rollout that was paused.")
    @OptionGroup var file: FileOption
    @Argument(help: "The app.", completion: AppNames.completion()) var app: String

    func run() async throws { _ = try await file.ask(EngineRequest(op: .resume, [app])) }
  }
}
