import Linux
import StopPlan

/// The clock of a machine: one moment at a time, the last one that was set.
struct Alarm {
  private var task: Task<Void, any Error>?

  /// Has `ring` called at that moment; nil takes the last one back.
  mutating func set(_ moment: Instant?, _ ring: @escaping @Sendable () async -> Void = {}) {
    task?.cancel()
    task = moment.map { moment in
      Task {
        try await TaskThreads.sleep(moment - Clock.now)
        await ring()
      }
    }
  }
}
