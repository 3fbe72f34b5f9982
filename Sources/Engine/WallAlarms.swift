import CLinux
import Foundation
import Linux
import Rollout
import Synchronization

/// Moments on the wall clock, of all scheduled jobs: one timer and one thread, which wakes when the first of them comes or the clock is set.
final class WallAlarms: Sendable {
  private struct Entry {
    var moment: WallTime
    var ring: @Sendable () async -> Void
  }

  private struct State {
    var entries: [String: Entry] = [:]
    var isWaiting = false
  }

  private let timer: Descriptor
  private let state = Mutex(State())

  /// - Throws: `SystemError` when there can be no timer.
  init() throws(SystemError) { timer = try WallTimer.make() }

  /// Has `ring` called once, when the clock shows the moment or is set; nil takes the last one of that name back.
  func set(_ moment: WallTime?, for name: String, _ ring: @escaping @Sendable () async -> Void) {
    state.withLock { state in
      state.entries[name] = moment.map { Entry(moment: $0, ring: ring) }
      arm(state)
      if moment == nil || state.isWaiting { return }
      state.isWaiting = true
      let thread = Thread { self.wait() }
      thread.stackSize = 1 << 18
      thread.start()
    }
  }

  private func arm(_ state: borrowing State) { WallTimer.arm(timer, at: state.entries.values.map(\.moment).min()?.seconds) }

  private func wait() {
    while true {
      let wasSet = !WallTimer.wait(timer)
      let due = state.withLock { state in
        let due = state.entries.filter { wasSet || $0.value.moment <= .now }
        for name in due.keys { state.entries.removeValue(forKey: name) }
        arm(state)
        return due.values.map(\.ring)
      }
      for ring in due { Task { await ring() } }
    }
  }
}
