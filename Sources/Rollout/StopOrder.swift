import StopPlan

/// The order of a replica's stop under the engine: out of the ingress, drained, hook, pause, signal, all under one grace clock.
public enum StopOrder {
  /// The moment at which draining gives way to the plan, so that the plan keeps its reserve: a quarter of the grace at least.
  ///
  /// - Parameters:
  ///   - plan: the replica's plan.
  ///   - start: when the stop was asked for.
  public static func drainLimit(_ plan: StopPlan, from start: Instant) -> Instant {
    start + plan.grace - max(plan.reserve, plan.grace / 4)
  }
}
