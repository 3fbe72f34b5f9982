import NIOConcurrencyHelpers

/// Work that is under way: a list through the work itself, so that adding and removing costs the same however much there is.
final class WorkList: Sendable {
  fileprivate struct State {
    var first: Unmanaged<TrackedWork>?
    var last: Unmanaged<TrackedWork>?
    var count = 0
    var ended: [TrackedWork.Kind: WorkRegistry.Counts] = [:]
    var tasks = WorkRegistry.Counts()
    var requests = WorkRegistry.Counts()
    var watcher: (@Sendable () -> Void)?
  }

  private let state = NIOLockedValueBox(State())

  func add(_ work: TrackedWork) {
    // The list owns what is in it.
    let entry = Unmanaged.passRetained(work)
    let watcher = state.withLockedValue { state -> (@Sendable () -> Void)? in
      work.links.isListed = true
      work.links.previous = state.last
      state.last?._withUnsafeGuaranteedRef { $0.links.next = entry }
      if state.first == nil { state.first = entry }
      state.last = entry
      state.count += 1
      return state.count == 1 ? state.watcher : nil
    }
    watcher?()
  }

  func remove(_ work: TrackedWork, cut: Bool) {
    let watcher = state.withLockedValue { state -> (@Sendable () -> Void)? in
      guard work.links.isListed else { return nil }
      let (previous, next) = (work.links.previous, work.links.next)
      if let previous { previous._withUnsafeGuaranteedRef { $0.links.next = next } } else { state.first = next }
      if let next { next._withUnsafeGuaranteedRef { $0.links.previous = previous } } else { state.last = previous }
      work.links = WorkLinks()
      state.count -= 1
      state.end(work.kind, cut: cut)
      Unmanaged.passUnretained(work).release()
      return state.count == 0 ? state.watcher : nil
    }
    watcher?()
  }

  func note(_ note: String, on work: TrackedWork) {
    state.withLockedValue { _ in if work.links.isListed { work.links.note = note } }
  }

  /// Calls `watcher`, outside of the lock, whenever the list gets its first entry or loses its last.
  func watch(_ watcher: @escaping @Sendable () -> Void) { state.withLockedValue { $0.watcher = watcher } }

  /// Nothing begins or ends while `body` runs; it must not wait for anything else.
  func whileLocked<R>(_ body: (_ count: Int) -> R) -> R { state.withLockedValue { body($0.count) } }

  /// How much is under way.
  var count: Int { state.withLockedValue { $0.count } }

  /// What is under way, the oldest first, at most `limit`; `sinceStamps` is the clock's.
  func snapshot(limit: Int, sinceStamps: Int64) -> [WorkRegistry.Snapshot] {
    state.withLockedValue { state in
      var found: [WorkRegistry.Snapshot] = []
      var next = state.first
      while let entry = next, found.count < limit {
        next = entry._withUnsafeGuaranteedRef { work in
          found.append(
            WorkRegistry.Snapshot(
              name: work.name, kind: work.kind, began: .nanoseconds(work.began + sinceStamps), note: work.links.note,
              fileID: "\(work.fileID)", line: work.line))
          return work.links.next
        }
      }
      return found
    }
  }

  /// How many there are of each kind, and how many have ended since the program began, at one moment.
  func tally() -> (current: [TrackedWork.Kind: Int], ended: [TrackedWork.Kind: WorkRegistry.Counts]) {
    state.withLockedValue { state in
      var current: [TrackedWork.Kind: Int] = [:]
      var next = state.first
      while let entry = next {
        next = entry._withUnsafeGuaranteedRef { work in
          current[work.kind, default: 0] += 1
          return work.links.next
        }
      }
      var ended = state.ended
      if state.tasks != WorkRegistry.Counts() { ended[.task] = state.tasks }
      if state.requests != WorkRegistry.Counts() { ended[.request] = state.requests }
      return (current, ended)
    }
  }
}

extension WorkList.State {
  /// The two frequent kinds are counted without a look into a dictionary.
  fileprivate mutating func end(_ kind: TrackedWork.Kind, cut: Bool) {
    switch kind {
    case .task: tasks.add(cut: cut)
    case .request: requests.add(cut: cut)
    default: ended[kind, default: WorkRegistry.Counts()].add(cut: cut)
    }
  }
}

extension WorkRegistry.Counts {
  fileprivate mutating func add(cut: Bool) { if cut { self.cut += 1 } else { completed += 1 } }
}
