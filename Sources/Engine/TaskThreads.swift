import NIOCore
import NIOPosix
import StopPlan
import Synchronization

/// Where tasks run and wait: on SwiftNIO's event loops, which sleep until something happens. libdispatch's pool, where they would run otherwise,
/// looks at its threads once a second from the first one on (libdispatch, src/event/workqueue.c, `_dispatch_workq_monitor_pools`).
public enum TaskThreads {
  /// Takes the tasks of the whole process over. To be called once, before the first task.
  public static func takeOver() { NIOSingletons.unsafeTryInstallSingletonPosixEventLoopGroupAsConcurrencyGlobalExecutor() }

  /// The loops in turn, for many tasks at once that would all stay on the loop on which they are made otherwise.
  static func next() -> any TaskExecutor { loops[Int(turns.add(1, ordering: .relaxed).oldValue % UInt(loops.count))] }

  private static let turns = Atomic<UInt>(0)
  private static let loops = MultiThreadedEventLoopGroup.singleton.makeIterator().map { TaskLoop($0) }

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

/// One of SwiftNIO's event loops, which runs tasks.
private final class TaskLoop: TaskExecutor {
  private let loop: any EventLoop

  init(_ loop: any EventLoop) { self.loop = loop }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    loop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
  }
}
