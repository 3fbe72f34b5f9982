import NIOConcurrencyHelpers
import NIOCore

/// The connections of some event loops. Every request changes the numbers, so loops should not wait for each other's lock.
final class ConnectionShard: Sendable {
  /// What a connection is told when it begins.
  struct Beginning: Sendable {
    var command: ConnectionCommand?
    var keepsAlive: Bool
  }

  private struct State {
    var command: ConnectionCommand?
    var keepsAlive = true
    var running: [ConnectionID: any Channel] = [:]
    var counts = Connections.Counts()
  }

  private let onStateChange: (@Sendable (ConnectionID, ConnectionState) -> Void)?
  private let state = NIOLockedValueBox(State())

  init(onStateChange: (@Sendable (ConnectionID, ConnectionState) -> Void)?) { self.onStateChange = onStateChange }

  /// The connection reads from now on.
  func began(_ id: ConnectionID, _ channel: any Channel) -> Beginning {
    let beginning = state.withLockedValue { state in
      state.running[id] = channel
      state.counts.new += 1
      return Beginning(command: state.command, keepsAlive: state.keepsAlive)
    }
    onStateChange?(id, .new)
    return beginning
  }

  /// One change of a connection, of its requests, or of both.
  func changed(
    _ id: ConnectionID?, from old: ConnectionState, _ changes: ConnectionLife.Changes, began: Int = 0, ended: RequestOutcome? = nil
  ) {
    let last = changes.second ?? changes.first
    guard last != nil || began != 0 || ended != nil else { return }
    state.withLockedValue { state in
      state.counts.requestsInFlight += began
      if let ended { state.counts.end(ended) }
      guard let last, let id else { return }
      state.counts[old] -= 1
      state.counts[last] += 1
      if last == .closed { state.running[id] = nil }
    }
    guard let onStateChange, let id else { return }
    if let state = changes.first { onStateChange(id, state) }
    if let state = changes.second { onStateChange(id, state) }
  }

  /// A handed over connection has ended; nothing is reported after hijacked.
  func forget(_ id: ConnectionID) {
    state.withLockedValue { state in
      guard state.running.removeValue(forKey: id) != nil else { return }
      state.counts.hijacked -= 1
    }
  }

  /// Connections that come later are told when they begin.
  ///
  /// - Returns: Those that are there.
  func tell(_ command: ConnectionCommand) -> [any Channel] {
    state.withLockedValue { state in
      guard command.isAfter(state.command) else { return [] }
      state.command = command
      if command == .cut { state.counts.connectionsCut = state.running.count }
      return Array(state.running.values)
    }
  }

  /// As ``tell(_:)``.
  func setKeepAlive(_ keeps: Bool) -> [any Channel] {
    state.withLockedValue { state in
      state.keepsAlive = keeps
      return Array(state.running.values)
    }
  }

  /// Nothing changes while `body` runs; it must not wait for anything else.
  func whileLocked<R>(_ body: (Connections.Counts) -> R) -> R { state.withLockedValue { body($0.counts) } }
}

extension Connections.Counts {
  fileprivate mutating func end(_ outcome: RequestOutcome) {
    requestsInFlight -= 1
    switch outcome {
    case .completed: requestsCompleted += 1
    case .cut: requestsCut += 1
    case .abandoned: requestsAbandoned += 1
    }
  }
}
