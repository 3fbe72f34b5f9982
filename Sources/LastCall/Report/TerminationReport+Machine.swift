extension TerminationReport {
  /// From what the machine knows.
  /// - Parameters:
  ///   - work: what has ended since the stop began, by kind.
  ///   - abandoned: what was left when the drain was over.
  init(
    _ machine: TerminationMachine, codes: ExitCodes, work: [TrackedWork.Kind: WorkRegistry.Counts], abandoned: [Abandoned],
    abandonedCounts: [(kind: TrackedWork.Kind, count: Int)], entries: [Entry], now: Duration
  ) {
    let reason = machine.reason ?? .cancelled
    let result = Self.result(machine, reason, leavesWork: !abandonedCounts.isEmpty)
    self.reason = reason.description
    self.result = result
    exitCode = codes.code(for: result, reason: reason)
    grace = machine.grantedGrace.inSeconds
    took = ((machine.finishedAt ?? now) - machine.begunAt).inSeconds
    escalations = machine.escalations
    phases = machine.records.map { record in
      Phase(
        name: record.phase.name, budget: max(record.limit - record.began, .zero).inSeconds,
        took: ((record.ended ?? now) - record.began).inSeconds, wasCut: record.wasCut)
    }
    hooks = machine.entries.map { Hook($0, now: now) }
    var kinds = work
    for (kind, count) in abandonedCounts { kinds[kind, default: WorkRegistry.Counts()].cut += count }
    self.work = kinds.map { Work(kind: $0.key.description, completed: $0.value.completed, cut: $0.value.cut) }.sorted { $0.kind < $1.kind }
    self.abandoned = abandoned
    self.entries = entries
  }

  private static func result(_ machine: TerminationMachine, _ reason: StopReason, leavesWork: Bool) -> Result {
    let holdsData: (TerminationMachine.Entry) -> Bool = { [.flush, .close].contains($0.participant.awaitedIn) }
    let isFailure: (TerminationMachine.Entry) -> Bool = { entry in
      switch entry.wasIgnored ? nil : entry.outcome {
      case .failed, .overran, .notTold: true
      default: false
      }
    }
    if machine.entries.contains(where: { holdsData($0) && isFailure($0) && $0.toldAt != nil || holdsData($0) && $0.outcome == .notTold }) {
      return .flushFailed
    }
    if case .serviceFailed = reason { return .serviceFailed }
    if machine.entries.contains(where: { $0.participant.isService && $0.outcome.isFailure && !$0.wasIgnored }) { return .serviceFailed }
    if leavesWork || machine.escalations > 1 || machine.entries.contains(where: isFailure) { return .forced }
    return .clean
  }
}

extension TerminationMachine.Entry {
  /// A service that failed before the stop, and whose failure means nothing.
  fileprivate var wasIgnored: Bool { toldAt == nil && participant.kind.ignoresFailure && outcome != .notTold }
}

extension Participant.Kind {
  fileprivate var ignoresFailure: Bool { if case .service(_, failureStops: false) = self { true } else { false } }
}

extension HookOutcome? {
  fileprivate var isFailure: Bool { if case .failed = self { true } else { false } }
}

extension TerminationReport.Hook {
  init(_ entry: TerminationMachine.Entry, now: Duration) {
    name = entry.participant.name
    phase = entry.participant.awaitedIn.name
    budget = entry.budget.map(\.inSeconds)
    took = entry.toldAt.map { ((entry.endedAt ?? now) - $0).inSeconds }
    switch entry.outcome {
    case .succeeded: outcome = entry.toldAt == nil ? .endedBefore : .succeeded
    case .failed(let text): (outcome, error) = (.failed, text)
    case .overran: outcome = .overran
    case .unconfirmed: outcome = .unconfirmed
    case .notTold, nil: outcome = .notTold
    }
  }
}
