import LastCall

extension TerminationReport {
  /// The hook or service of that name; nil when there is none.
  public func hook(_ name: String) -> Hook? { hooks.first { $0.name == name } }

  /// The phase; nil when it was not entered.
  public func phase(_ phase: TerminationPhase) -> Phase? { phases.first { $0.name == phase.name } }

  /// The names of hooks and services with that outcome, in alphabetical order.
  public func hooks(thatEnded outcome: Outcome) -> [String] { hooks.filter { $0.outcome == outcome }.map(\.name).sorted() }

  /// What is wrong when a stop had to be clean; nil when it was. For a test's `#expect(report.problem == nil)`.
  public var problem: String? { result == .clean ? nil : description }
}
