import CLinux

/// A timer of the wall clock (timerfd_create(2), CLOCK_REALTIME).
public enum WallTimer {
  /// Makes one that is not armed; its owner closes it.
  public static func make() throws(SystemError) -> Descriptor { Descriptor(number: Int32(truncatingIfNeeded: try check(lc_wall_timer()))) }

  /// Arms it for a moment, in seconds since 1970-01-01 00:00 UTC; nil disarms it.
  public static func arm(_ timer: Descriptor, at seconds: Int64?) { lc_wall_timer_arm(timer.number, seconds ?? 0) }

  /// Waits until its moment has come.
  /// - Returns: false when the clock was set meanwhile (`TFD_TIMER_CANCEL_ON_SET`).
  public static func wait(_ timer: Descriptor) -> Bool { lc_wall_timer_wait(timer.number) != 0 }
}
