/// Decides which apps may begin to change now, by what they come `after:`. Stopping goes the other way round.
///
/// It orders what is asked for and adds nothing to it, as systemd's `After=` does: an app that nobody wants started holds nobody back, and an
/// app that runs is not touched because one that it comes after changes.
public struct StartOrder: Sendable {
  /// Why there is no order.
  public enum Problem: Error, Equatable, Sendable {
    /// An app comes after one that there is not.
    case unknown(String, after: String)
    /// Apps come after one another in a circle; the first is named again at the end.
    case cycle([String])
  }

  /// Where an app is.
  public enum State: String, Codable, Sendable {
    /// Nobody wants anything of it.
    case idle
    /// It waits for what it comes after.
    case waiting
    /// It was told to begin.
    case begun
    /// Its service is complete, or its job succeeded.
    case complete
    /// Its job failed, or its first rollout did.
    case failed
  }

  /// What can happen.
  public enum Event: Equatable, Sendable {
    /// These apps are to be changed, together: started, deployed, run.
    case wanted([String])
    /// An app is as desired, or its job succeeded.
    case complete(String)
    /// An app did not get there, or its job failed. It may still become complete.
    case failed(String)
    /// Nothing is wanted of an app any more: it was stopped or taken away.
    case withdrawn(String)
  }

  /// What is to be done.
  public enum Action: Equatable, Sendable {
    /// This app may begin now.
    case begin(String)
    /// This app waits because `failed` failed, which it comes after, directly or not. Said once, until it is not so any more.
    case held(String, because: String)
  }

  /// All apps, each after what it comes after; in the order of the file otherwise.
  public let order: [String]
  private let after: [String: [String]]
  private let before: [String: [String]]
  private var states: [String: State]
  private var held: [String: String] = [:]

  /// The order of these apps.
  ///
  /// - Parameters:
  ///   - apps: every app and the names of those that it comes after.
  ///   - states: where they were when an engine died; what is not named is idle.
  public init(_ apps: [(name: String, after: [String])], states: [String: State] = [:]) throws(Problem) {
    let after = Dictionary(apps.map { ($0.name, $0.after) }, uniquingKeysWith: +)
    for app in apps {
      for name in app.after where after[name] == nil { throw .unknown(app.name, after: name) }
    }
    order = try Self.sorted(apps.map(\.name), after)
    self.after = after
    var before: [String: [String]] = [:]
    for name in order {
      for other in after[name] ?? [] { before[other, default: []].append(name) }
    }
    self.before = before
    self.states = states.filter { after[$0.key] != nil }
  }

  /// Apps of which none comes after another.
  public init(unordered names: [String]) {
    order = names
    after = Dictionary(names.map { ($0, []) }, uniquingKeysWith: { first, _ in first })
    before = [:]
    states = [:]
  }

  /// Where an app is.
  public func state(of name: String) -> State { states[name] ?? .idle }

  /// Which of the apps that still run may be stopped now: those that none of the others comes after.
  public func mayStop(stillRunning: Set<String>) -> [String] {
    order.reversed().filter { name in
      stillRunning.contains(name) && !(before[name] ?? []).contains { $0 != name && stillRunning.contains($0) }
    }
  }

  /// Takes in what happened and returns what to do about it.
  public mutating func handle(_ event: Event) -> [Action] {
    switch event {
    case .wanted(let names):
      for name in names where after[name] != nil { states[name] = .waiting }
    case .complete(let name): if after[name] != nil { states[name] = .complete }
    case .failed(let name): if after[name] != nil { states[name] = .failed }
    case .withdrawn(let name): states[name] = nil
    }
    var actions: [Action] = []
    var stillHeld: [String: String] = [:]
    // In order, so that what holds an app is known before those that come after it.
    for name in order where state(of: name) == .waiting {
      let others = after[name] ?? []
      if let failed = others.compactMap({ state(of: $0) == .failed ? $0 : stillHeld[$0] }).first {
        stillHeld[name] = failed
        if held[name] != failed { actions.append(.held(name, because: failed)) }
      } else if others.allSatisfy({ state(of: $0) == .complete || state(of: $0) == .idle }) {
        states[name] = .begun
        actions.append(.begin(name))
      }
    }
    held = stillHeld
    return actions
  }

  // MARK: - Sorting

  /// Depth first without recursion: a file may be a long chain.
  private static func sorted(_ names: [String], _ after: [String: [String]]) throws(Problem) -> [String] {
    var sorted: [String] = []
    var done: Set<String> = []
    for first in names where !done.contains(first) {
      var path = [first]
      var next = [first: 0]
      while let name = path.last {
        let others = after[name] ?? []
        guard let index = next[name], index < others.count else {
          path.removeLast()
          if done.insert(name).inserted { sorted.append(name) }
          continue
        }
        next[name] = index + 1
        let other = others[index]
        if done.contains(other) { continue }
        if let start = path.firstIndex(of: other) { throw .cycle(path[start...] + [other]) }
        path.append(other)
        next[other] = 0
      }
    }
    return sorted
  }
}
