import NIOCore
import NIOPosix
import StopPlan

/// Where tasks run and wait: on SwiftNIO's event loops, which sleep until something happens. libdispatch's pool, where they would run otherwise,
/// looks at its threads once a second from the first one on (libdispatch, src/event/workqueue.c, `_dispatch_workq_monitor_pools`).
public enum TaskThreads {
  /// Takes the tasks of the whole process over. To be called once, before the first task.
  public static func takeOver() { NIOSingletons.unsafeTryInstallSingletonPosixEventLoopGroupAsConcurrencyGlobalExecutor() }

  /// As long as a wait can be: a century.
  private static let longest = TimeSpan.seconds(3_155_760_000)

  /// Waits so long. `Task.sleep` would begin libdispatch's pool.
  /// - Throws: `CancellationError` when the task is cancelled.
  static func sleep(_ span: TimeSpan) async throws {
    let loop = MultiThreadedEventLoopGroup.singleton.any()
    let timer = loop.scheduleTask(in: .nanoseconds(min(longest, max(.zero, span)).nanoseconds)) {}
    do {
      try await withTaskCancellationHandler {
        try await timer.futureResult.get()
      } onCancel: {
        timer.cancel()
      }
    } catch {
      throw CancellationError()
    }
  }
}
