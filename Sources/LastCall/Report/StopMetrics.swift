import Metrics

/// Hands a stop to swift-metrics as it goes on, so that an exporter that ends last still sends it.
struct StopMetrics: Sendable {
  /// `lastcall_stop_phase_duration`, with the dimension `phase`.
  func phaseEnded(_ record: TerminationMachine.PhaseRecord, took: Duration) {
    Metrics.Timer(label: "lastcall_stop_phase_duration", dimensions: [("phase", record.phase.name)]).recordSeconds(took.inSeconds)
  }

  /// `lastcall_stop_hook_duration`, with the dimensions `hook`, `phase` and `outcome`.
  func hookEnded(_ hook: TerminationReport.Hook) {
    guard let took = hook.took else { return }
    let dimensions = [("hook", hook.name), ("phase", hook.phase), ("outcome", hook.outcome.rawValue)]
    Metrics.Timer(label: "lastcall_stop_hook_duration", dimensions: dimensions).recordSeconds(took)
  }

  /// `lastcall_stop_work`, with the dimensions `kind` and `outcome`: what has completed and what was cut since the stop began.
  func workEnded(_ work: [TerminationReport.Work]) {
    for kind in work {
      Counter(label: "lastcall_stop_work", dimensions: [("kind", kind.kind), ("outcome", "completed")]).increment(by: kind.completed)
      Counter(label: "lastcall_stop_work", dimensions: [("kind", kind.kind), ("outcome", "cut")]).increment(by: kind.cut)
    }
  }

  /// `lastcall_stop_duration`, with the dimension `result`; `lastcall_stop_remaining` is what was left of the grace.
  func stopped(_ report: TerminationReport) {
    Metrics.Timer(label: "lastcall_stop_duration", dimensions: [("result", report.result.rawValue)]).recordSeconds(report.took)
    Gauge(label: "lastcall_stop_remaining").record(max(report.grace - report.took, 0))
  }
}
