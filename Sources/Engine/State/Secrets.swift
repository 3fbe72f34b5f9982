import AppSpec
import Synchronization

/// The values that the engine shows to nobody: those of the secrets of every revision that it has kept or seen, since replicas of earlier ones
/// may still run and fail in words that have them.
final class Secrets: Sendable {
  private let inherited: [String: String]
  private let pieces = Mutex<[String: SecretPieces]>([:])

  /// - Parameter inherited: the environment that programs inherit.
  init(inherited: [String: String]) { self.inherited = inherited }

  /// Keeps the secrets of an app out of texts from now on.
  func learn(_ app: App) {
    let new = app.secretPieces(inherited: inherited)
    pieces.withLock { pieces in pieces[app.name] = pieces[app.name]?.union(new) ?? new }
  }

  /// - Parameter app: whose text it is; what is nobody's may have those of all.
  func redacted(_ text: String, of app: String) -> String {
    if text.isEmpty { return text }
    return pieces.withLock { pieces in
      if let own = pieces[app] { return own.redacted(text) }
      return pieces.values.reduce(text) { text, pieces in pieces.redacted(text) }
    }
  }

  /// What is to be kept, without secrets where it is going to be shown. What a replica is started from has them.
  func redacted(_ change: StateChange) -> StateChange {
    switch change {
    case .event(var event):
      event.message = redacted(event.message, of: event.app)
      return .event(event)
    case .outcome(let app, let revision, let words): return .outcome(app: app, revision: revision, redacted(words, of: app))
    case .revision(let record):
      learn(record.spec)
      return change
    case .app, .appGone, .replica, .replicaGone, .stop: return change
    }
  }

  /// An answer that may be shown.
  func redacted(_ answer: EngineAnswer) -> EngineAnswer {
    var answer = answer
    answer.progress = answer.progress.map { redacted($0, of: "") }
    answer.line = answer.line.map { redacted($0, of: "") }
    answer.error = answer.error.map { redacted($0, of: "") }
    answer.rows = answer.rows?.map(redacted)
    if var description = answer.description {
      let app = description.app
      description.message = redacted(description.message, of: app)
      description.declared = description.declared.map { redacted($0, of: app) }
      description.rows = description.rows.map(redacted)
      description.hooks = description.hooks.map { log in
        AppDescription.HookLog(replica: log.replica, lines: log.lines.map { redacted($0, of: app) })
      }
      answer.description = description
    }
    if var history = answer.history {
      for index in history.revisions.indices {
        history.revisions[index].cause = redacted(history.revisions[index].cause, of: history.app)
        history.revisions[index].outcome = redacted(history.revisions[index].outcome, of: history.app)
      }
      answer.history = history
    }
    return answer
  }

  private func redacted(_ row: ReplicaRow) -> ReplicaRow {
    var row = row
    row.message = redacted(row.message, of: row.app)
    return row
  }
}
