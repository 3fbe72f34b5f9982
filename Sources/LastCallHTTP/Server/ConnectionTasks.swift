import NIOConcurrencyHelpers

/// The tasks that serve connections. They are not children of the server's task: a handler that does not heed its cancellation must
/// not keep the server from ending.
final class ConnectionTasks: Sendable {
  private struct State {
    var last: UInt64 = 0
    var open: Set<UInt64> = []
    var tasks: [UInt64: Task<Void, Never>] = [:]
    var isSealed = false
    var isCancelled = false

    var isDone: Bool { isSealed && open.isEmpty }
  }

  /// Opens when no task is left and none will come.
  let ended = Latch()
  private let state = NIOLockedValueBox(State())

  /// Tasks that have not ended.
  var count: Int { state.withLockedValue { $0.open.count } }

  /// Runs `body` in a task of its own.
  func start(_ body: @escaping @Sendable () async -> Void) {
    let id = state.withLockedValue { state in
      state.last += 1
      state.open.insert(state.last)
      return state.last
    }
    let task = Task {
      await body()
      self.end(id)
    }
    let isCancelled = state.withLockedValue { state in
      if state.open.contains(id) { state.tasks[id] = task }
      return state.isCancelled
    }
    if isCancelled { task.cancel() }
  }

  /// No further task will come.
  func seal() { change { $0.isSealed = true } }

  /// Cancels all tasks, those that come later included.
  func cancel() {
    let tasks = state.withLockedValue { state in
      state.isCancelled = true
      return Array(state.tasks.values)
    }
    for task in tasks { task.cancel() }
  }

  private func end(_ id: UInt64) {
    change { state in
      state.open.remove(id)
      state.tasks[id] = nil
    }
  }

  private func change(_ body: (inout State) -> Void) {
    let isDone = state.withLockedValue { state in
      body(&state)
      return state.isDone
    }
    if isDone { ended.open() }
  }
}

/// Opens once, for all who wait and will wait.
final class Latch: Sendable {
  private struct State {
    var isOpen = false
    var waiting: [CheckedContinuation<Void, Never>] = []
  }

  private let state = NIOLockedValueBox(State())

  /// Whether it is open.
  var isOpen: Bool { state.withLockedValue { $0.isOpen } }

  /// Lets everybody through; again, it does nothing.
  func open() {
    let waiting = state.withLockedValue { state in
      state.isOpen = true
      defer { state.waiting = [] }
      return state.waiting
    }
    for continuation in waiting { continuation.resume() }
  }

  /// Waits until it is open, also in a task that was cancelled.
  func wait() async {
    await withCheckedContinuation { continuation in
      let isOpen = state.withLockedValue { state in
        if !state.isOpen { state.waiting.append(continuation) }
        return state.isOpen
      }
      if isOpen { continuation.resume() }
    }
  }
}
