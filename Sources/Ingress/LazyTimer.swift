import NIOCore

extension MonotonicTime {
  /// The clock that the event loops use.
  static var now: MonotonicTime { MonotonicTime(nanoseconds: Int64(clamping: NIODeadline.now().uptimeNanoseconds)) }

  var deadline: NIODeadline { .uptimeNanoseconds(UInt64(max(0, nanoseconds))) }
}

/// A deadline that is moved far more often than it is met: moving it later or clearing it costs no work in the event loop; the
/// timer that was set first looks at the deadline when it fires. Nothing is scheduled while nothing is pending for long.
final class LazyTimer {
  private let loop: any EventLoop
  private let fire: () -> Void
  private var deadline: MonotonicTime?
  private var scheduled: Scheduled<Void>?
  private var scheduledFor = MonotonicTime(nanoseconds: .max)

  /// - Parameters:
  ///   - loop: the loop that the timer is used on, and no other.
  ///   - fire: called when a deadline has come; it should not hold its owner strongly.
  init(loop: any EventLoop, fire: @escaping () -> Void) {
    self.loop = loop
    self.fire = fire
  }

  /// Sets or moves the deadline; nil clears it.
  func set(_ time: MonotonicTime?) {
    deadline = time
    guard let time, scheduled == nil || time < scheduledFor else { return }
    schedule(time)
  }

  /// Sets the deadline if none is set or it would come later.
  func setIfSooner(_ time: MonotonicTime) {
    if let deadline, deadline <= time { return }
    set(time)
  }

  func set(after duration: Duration) { set(.now + duration) }

  /// Clears the deadline and takes the timer out of the loop.
  func invalidate() {
    deadline = nil
    scheduled?.cancel()
    scheduled = nil
  }

  private func schedule(_ time: MonotonicTime) {
    scheduled?.cancel()
    scheduledFor = time
    scheduled = loop.assumeIsolated().scheduleTask(deadline: time.deadline) { [weak self] in self?.wake() }
  }

  private func wake() {
    scheduled = nil
    guard let deadline else { return }
    if deadline > .now {
      schedule(deadline)
    } else {
      self.deadline = nil
      fire()
    }
  }
}
